//! Files and folders that are written whole or not at all, whenever the writer is killed.
//!
//! They are written under a hidden name beside their own, `.{name}.{random}.tmp`, synced, and renamed. The writer holds a file lock
//! meanwhile, which tells what a killed writer left behind from what a living one is at.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use crate::error::FolderError;

/// Writes a file whole or not at all; makes the folders above it. A link is followed; a device or a pipe is written to as it is.
///
/// # Errors
/// [`FolderError::Io`]; what was at `path` before is still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// [`write_atomic`] piece by piece; returns what `fill` returns.
///
/// # Errors
/// As [`write_atomic`], and those of `fill`.
pub fn write_atomic_with<R>(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<R>) -> Result<R, FolderError> {
    create_parent(path)?;
    let target = &target(path);
    let write = || {
        if is_device(target) {
            return fill(&mut File::options().write(true).open(target)?);
        }
        let mut temporary = temporary_file(target)?;
        // Where locks do not exist, what a killed writer leaves is a hidden file: not worth failing for.
        let _ = temporary.as_file().try_lock();
        let result = fill(temporary.as_file_mut())?;
        temporary.as_file().sync_all()?;
        temporary.persist(target)?;
        sync_parent(target);
        Ok(result)
    };
    write().map_err(FolderError::io("write", path))
}

/// Tries whether [`write_atomic`] could write `path`, before work that takes long. Makes the folders above it.
///
/// # Errors
/// The one that [`write_atomic`] would give.
pub fn check_writable(path: &Path) -> Result<(), FolderError> {
    create_parent(path)?;
    let target = target(path);
    let tried = if target.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if is_device(&target) {
        Ok(())
    } else {
        temporary_file(&target).map(drop)
    };
    tried.map_err(FolderError::io("write", path))
}

/// True for a file that lies in `folder` when all links are followed: a stranger's folder reads nothing outside itself.
///
/// # Errors
/// A file or folder that cannot be found.
pub fn lies_inside(folder: &Path, file: &Path) -> io::Result<bool> {
    let found = file.canonicalize()?;
    Ok(found.starts_with(folder.canonicalize()?) && (found.is_file() || found.is_dir()))
}

/// A path with its links followed, where there is something.
fn target(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Something that is there and neither a file nor a folder, and so cannot be replaced.
pub(crate) fn is_device(path: &Path) -> bool {
    path.exists() && !path.is_file() && !path.is_dir()
}

/// Writes a folder whole or not at all: `fill` gets an empty one beside `path` to write into.
///
/// Replaces a folder that is there already. Between its going and the new one's coming is a moment with neither, so a
/// run's last good checkpoint should not be the one that is replaced.
///
/// # Errors
/// [`FolderError::Io`], and those of `fill`, after which the old folder is still there.
pub fn write_dir_atomic<E: From<FolderError>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    create_parent(path)?;
    let (temporary, _lock) = temporary_dir(path).map_err(FolderError::io("write", path))?;
    fill(temporary.path())?;
    sync_tree(temporary.path()).map_err(FolderError::io("write", path))?;
    if path.exists() {
        remove_dir_atomic(path)?;
    }
    fs::rename(temporary.path(), path).map_err(FolderError::io("write", path))?;
    let _ = temporary.keep();
    sync_parent(path);
    Ok(())
}

/// Removes a folder so that a kill halfway leaves no half folder under its name.
///
/// # Errors
/// [`FolderError::Io`].
pub fn remove_dir_atomic(path: &Path) -> Result<(), FolderError> {
    let remove = || {
        let (temporary, _lock) = temporary_dir(path)?;
        fs::rename(path, temporary.path().join("removed"))?;
        temporary.close()
    };
    remove().map_err(FolderError::io("remove", path))
}

/// A file with a hidden name beside `path`, removed when dropped.
fn temporary_file(path: &Path) -> io::Result<NamedTempFile> {
    let prefix = hidden_prefix(path);
    let mut builder = Builder::new();
    // The permissions of a file that is created plainly; those of a temporary one are for its owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(&prefix).suffix(SUFFIX).tempfile_in(parent(path))
}

/// An empty folder with a hidden name beside `path`, removed when dropped, and the lock that keeps it from being taken for left
/// behind.
pub(crate) fn temporary_dir(path: &Path) -> io::Result<(TempDir, Option<File>)> {
    let folder = Builder::new().prefix(&hidden_prefix(path)).suffix(SUFFIX).tempdir_in(parent(path))?;
    // Only Unix opens folders as files; elsewhere, `remove_leftovers` cannot open them either, and lets them be.
    let lock = File::open(folder.path()).ok().filter(|folder| folder.try_lock().is_ok());
    Ok((folder, lock))
}

fn hidden_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

const SUFFIX: &str = ".tmp";

/// Removes from a folder what killed writers left in it.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), FolderError> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let abandoned = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if name.starts_with('.') && name.ends_with(SUFFIX) && abandoned() {
            // A folder that may only be read, or that another process cleans at the same time, is still a good run.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
    Ok(())
}

/// Everything in a folder; nothing where there is no such folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(FolderError::io("read", folder))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn create_parent(path: &Path) -> Result<(), FolderError> {
    let parent = parent(path);
    if let Some(file) = parent.ancestors().find(|above| above.is_file()) {
        return Err(FolderError::io("create", parent)(io::Error::other(format!("{} is a file", file.display()))));
    }
    fs::create_dir_all(parent).map_err(FolderError::io("create", parent))
}

fn sync_tree(path: &Path) -> io::Result<()> {
    if path.is_file() {
        return File::open(path)?.sync_all();
    }
    fs::read_dir(path)?.try_for_each(|entry| sync_tree(&entry?.path()))?;
    sync_dir(path);
    Ok(())
}

fn sync_parent(path: &Path) {
    sync_dir(parent(path));
}

/// Makes names last through a power cut, on systems that sync folders; on others there is nothing to be done.
fn sync_dir(path: &Path) {
    let _ = File::open(path).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_writer_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (file, dir) = (folder.path().join("deep/file"), folder.path().join("deep/dir"));
        write_atomic(&file, b"old").unwrap();
        write_dir_atomic(&dir, |new| write_atomic(&new.join("inner"), b"old")).unwrap();
        let no = || io::Error::other("no");
        let error = write_atomic_with(&file, |new| new.write_all(b"half").and(Err::<(), _>(no()))).unwrap_err();
        assert!(error.to_string().contains("deep/file"), "{error}");
        let failed = write_dir_atomic(&dir, |new| {
            write_atomic(&new.join("inner"), b"half")?;
            Err(FolderError::io("write", new)(no()))
        });
        assert!(failed.is_err());
        assert_eq!(entries(&folder.path().join("deep")).unwrap().len(), 2);
        assert_eq!(
            (fs::read(&file).unwrap(), fs::read(dir.join("inner")).unwrap()),
            (b"old".to_vec(), b"old".to_vec())
        );
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(link.is_symlink());
        write_atomic(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        if cfg!(target_os = "linux") {
            let error = write_atomic(Path::new("/dev/full"), b"too much").unwrap_err();
            assert!(error.to_string().contains("cannot write /dev/full"), "{error}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn others_may_read_what_they_may_read_of_a_plain_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        fs::write(folder.path().join("plain"), b"").unwrap();
        write_atomic(&folder.path().join("file"), b"").unwrap();
        fs::create_dir(folder.path().join("plain dir")).unwrap();
        write_dir_atomic(&folder.path().join("dir"), |_| Ok::<_, FolderError>(())).unwrap();
        assert_eq!((mode("file"), mode("dir")), (mode("plain"), mode("plain dir")));
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/file");
        check_writable(&file).unwrap();
        assert_eq!(entries(&folder.path().join("deep")).unwrap().len(), 0);
        fs::write(&file, b"").unwrap();
        check_writable(&file).unwrap();
        let why = |path: &Path| check_writable(path).unwrap_err().to_string();
        assert!(why(folder.path()).contains("cannot write"));
        assert!(why(&file.join("below")).contains("deep/file is a file"), "{}", why(&file.join("below")));
    }

    #[test]
    fn writing_again_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let (file, dir) = (folder.path().join("file"), folder.path().join("dir"));
        for turn in [&b"first"[..], b"second"] {
            write_atomic(&file, turn).unwrap();
            write_dir_atomic(&dir, |new| write_atomic(&new.join(format!("of-{}", turn.len())), turn)).unwrap();
            assert_eq!(fs::read(&file).unwrap(), turn);
        }
        assert_eq!(entries(&dir).unwrap(), [dir.join("of-6")]);
        assert_eq!(entries(folder.path()).unwrap().len(), 2);
    }
}

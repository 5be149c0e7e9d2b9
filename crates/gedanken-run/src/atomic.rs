//! Writing files and folders whole or not at all, whenever the writer is killed.
//!
//! What is written goes to a hidden name beside its own, `.{name}.{process}-{number}.tmp`, is synced, and renamed. Its
//! writer holds a file lock on it meanwhile, so that what a killed writer left behind can be told from what a living
//! one is at.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::FolderError;

/// Writes a file whole or not at all; makes the folders above it. Where `path` is a link to a file, that file; a device or a pipe is
/// written to as it is.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    write_atomic_with(path, |file| file.write_all(bytes)).map(|_| ())
}

/// [`write_atomic`] for what is better written piece by piece; gives what `fill` gives.
pub fn write_atomic_with<R>(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<R>) -> Result<R, FolderError> {
    create_parent(path)?;
    let target = &target(path);
    if is_device(target) {
        let written = File::options().write(true).open(target).and_then(|mut device| fill(&mut device));
        return written.map_err(FolderError::io("write", path));
    }
    let temporary = temporary_beside(target);
    let write = || {
        let mut file = File::create_new(&temporary)?;
        // Where locks do not exist, what a killed writer leaves is a hidden file: not worth failing for.
        let _ = file.try_lock();
        let result = fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, target)?;
        Ok(result)
    };
    let result = write().map_err(FolderError::io("write", path)).inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    sync_parent(target);
    Ok(result)
}

/// Whether [`write_atomic`] could write `path` now: for what takes long and is written in the end. Makes the folders above it.
pub fn check_writable(path: &Path) -> Result<(), FolderError> {
    create_parent(path)?;
    let target = target(path);
    let tried = if target.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if is_device(&target) {
        Ok(())
    } else {
        let temporary = temporary_beside(&target);
        File::create_new(&temporary).and_then(|_| fs::remove_file(&temporary))
    };
    tried.map_err(FolderError::io("write", path))
}

/// Where a path leads: through links, where there is something.
fn target(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Whether it is there and neither a file nor a folder, and so cannot be replaced.
fn is_device(path: &Path) -> bool {
    path.exists() && !path.is_file() && !path.is_dir()
}

/// Writes a folder whole or not at all: `fill` gets an empty one beside `path` to write into.
///
/// Replaces a folder that is there already. Between its going and the new one's coming is a moment with neither, so a
/// run's last good checkpoint should not be the one that is replaced.
pub fn write_dir_atomic<E: From<FolderError>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    create_parent(path)?;
    let (temporary, lock) = create_temporary_dir(path).map_err(FolderError::io("write", path))?;
    let result = fill(&temporary).and_then(|()| {
        sync_tree(&temporary).map_err(FolderError::io("write", path))?;
        if path.exists() {
            remove_dir_atomic(path)?;
        }
        fs::rename(&temporary, path).map_err(FolderError::io("write", path))?;
        sync_parent(path);
        Ok(())
    });
    drop(lock);
    result.inspect_err(|_| drop(fs::remove_dir_all(&temporary)))
}

/// Removes a folder so that a kill halfway leaves no half folder under its name.
pub fn remove_dir_atomic(path: &Path) -> Result<(), FolderError> {
    let temporary = temporary_beside(path);
    fs::rename(path, &temporary).map_err(FolderError::io("remove", path))?;
    match fs::remove_dir_all(&temporary) {
        // Another process that opened the run took it for left behind, and was quicker.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(FolderError::io("remove", &temporary)),
    }
}

/// An empty folder with a [`temporary_beside`] name, and the lock that keeps it from being taken for left behind.
pub(crate) fn create_temporary_dir(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let temporary = temporary_beside(path);
    fs::create_dir(&temporary)?;
    // Only Unix opens folders as files; elsewhere, `RunFolder::open` cannot open them either, and lets them be.
    let lock = File::open(&temporary).ok().filter(|folder| folder.try_lock().is_ok());
    Ok((temporary, lock))
}

/// A hidden name beside `path` that nobody else uses, and that [`RunFolder::open`] recognises as left behind.
fn temporary_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The clock tells apart processes of one number, as containers have them.
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    path.with_file_name(format!(".{name}.{}-{nanos}-{}.tmp", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// Removes from a folder what killed writers left in it.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), FolderError> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let abandoned = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if name.starts_with('.') && name.ends_with(".tmp") && abandoned() {
            // A folder that may only be read, or that another process cleans at the same time, is still a good run.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
    Ok(())
}

/// What a folder holds; nothing where there is no such folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(FolderError::io("read", folder))
}

fn create_parent(path: &Path) -> Result<(), FolderError> {
    let Some(parent) = path.parent() else { return Ok(()) };
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
    sync_dir(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
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

//! Folders of datasets that are being written, `.{name}.partial-{process}-{number}`: who removes them when nobody finishes them.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::DataError;
use crate::writer::parent;

/// A folder beside a dataset's name, removed when dropped unless it was given that name. A lock tells it from what a killed process left.
pub(crate) struct Partial {
    path: PathBuf,
    /// Released when the process ends, however it ends.
    _lock: Option<File>,
}

/// Those of this process.
static OURS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn ours() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the datasets that this process has not finished writing: to be called before it ends at once, whatever its threads are at.
pub fn remove_unfinished() {
    for path in std::mem::take(&mut *ours()) {
        // A thread that still writes may put another file into it meanwhile.
        (0..100).take_while(|_| path.exists()).for_each(|_| drop(fs::remove_dir_all(&path)));
    }
}

impl Partial {
    /// A new folder beside `target`; removes those that killed processes left there.
    pub fn beside(target: &Path) -> Result<Self, DataError> {
        let Some(name) = target.file_name() else {
            return Err(DataError::config("dataset", target.display(), "a path that ends in the dataset's name"));
        };
        let folder = parent(target);
        fs::create_dir_all(folder).map_err(DataError::io(folder, "create"))?;
        remove_abandoned(folder);
        let (name, process) = (name.to_string_lossy(), std::process::id());
        for number in 0u32.. {
            let path = folder.join(format!(".{name}.partial-{process}-{number}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(DataError::io(&path, "create")(error)),
                Ok(()) => {
                    let lock = File::open(&path).ok();
                    // Before it was locked, somebody may have taken it for abandoned. Where locks do not exist, nobody does.
                    let taken =
                        lock.as_ref().is_some_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
                    if !taken && path.exists() {
                        ours().insert(path.clone());
                        return Ok(Self { path, _lock: lock });
                    }
                }
            }
        }
        Err(DataError::Exists { path: folder.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    pub fn finish(&self, target: &Path) -> Result<(), DataError> {
        fs::rename(&self.path, target).map_err(DataError::io(target, "rename the finished dataset"))?;
        ours().remove(&self.path);
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if ours().remove(&self.path) {
            // A folder that cannot be removed is no worse than one left by a killed program.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes from a folder what processes that no longer live have left in it.
fn remove_abandoned(folder: &Path) {
    for path in fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())) {
        if !is_partial(&path) {
            continue;
        }
        // The lock is kept until it is gone: nobody takes its name meanwhile.
        if let Some(_lock) = File::open(&path).ok().filter(|folder| folder.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// True for a folder with the name of an unfinished dataset.
fn is_partial(path: &Path) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let end = name.strip_prefix('.').and_then(|name| name.rsplit_once(".partial-")).map(|(_, end)| end);
    path.is_dir() && end.and_then(|end| end.split_once('-')).is_some_and(|(a, b)| number(a) && number(b))
}

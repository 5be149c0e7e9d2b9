//! A folder that one process keeps to itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::FolderError;

/// A folder that is kept for this process until the claim is dropped: a lock on a hidden file in it.
#[derive(Debug)]
pub struct Claim {
    lock: PathBuf,
    _file: fs::File,
}

impl Claim {
    /// Claims `folder` by the hidden file `name`. Claims by other names do not concern it. Where locks do not exist, other processes cannot be
    /// seen.
    ///
    /// # Errors
    /// [`FolderError::Busy`]; [`FolderError::Io`] where the folder cannot be written to.
    pub fn of(folder: &Path, name: &str) -> Result<Self, FolderError> {
        let lock = folder.join(name);
        let file = fs::File::create(&lock).map_err(FolderError::io("write", &lock))?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => Err(FolderError::Busy(folder.to_path_buf())),
            _ => Ok(Self { lock, _file: file }),
        }
    }

    /// Ends the claim and removes its file.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn release(self) -> Result<(), FolderError> {
        fs::remove_file(&self.lock).map_err(FolderError::io("remove", &self.lock))
    }
}

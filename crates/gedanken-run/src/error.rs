//! Errors of the file system, with the path they are about.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run's folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system said no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb: "write", "read", "remove".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Nothing of this name exists.
    #[error("no such run or checkpoint: {}", .0.display())]
    Missing(PathBuf),
    /// Something is there, but it is not a run.
    #[error("{} is not a run: {why}", path.display())]
    NotARun {
        /// The given path.
        path: PathBuf,
        /// The thing it lacks.
        why: String,
    },
    /// Two processes would write over each other.
    #[error("{} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// A run that was stopped before its first checkpoint.
    #[error("{} has no checkpoint yet: nothing matches checkpoints/step-*", .0.display())]
    NoCheckpoint(PathBuf),
    /// The experiment's name does not do as a folder's.
    #[error("experiment name `{0}`; expected letters, digits, `-`, `_` and `.`, the first one a letter or digit")]
    Name(String),
}

impl FolderError {
    /// For `map_err`: the verb and the path of an [`io::Error`].
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_path_buf(), source }
    }
}

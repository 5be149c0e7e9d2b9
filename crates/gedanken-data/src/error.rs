//! Errors of data: the place, what was found, what would be right.

use std::path::{Path, PathBuf};

use gedanken_env::EnvError;

/// An error of this crate. Nothing here panics on a file, whatever is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The environment refused an option, a policy or a state.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A configuration value that cannot be.
    #[error("{key}: {found}; expected {expected}")]
    Config {
        /// The key, as in the TOML file (`data.window.time`).
        key: String,
        /// The value given.
        found: String,
        /// The right ones.
        expected: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The attempt.
        doing: &'static str,
        /// The reason.
        source: std::io::Error,
    },
    /// A dataset that is not whole, not right or not of this version.
    #[error("{}: {what}: {found}; expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The part of it.
        what: String,
        /// Its content.
        found: String,
        /// The right ones.
        expected: String,
    },
    /// A dataset is never overwritten.
    #[error("{}: exists already; choose another name or remove it first", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A dataset without enough episodes for the windows asked for.
    #[error("{}: {found}; expected {expected}", path.display())]
    TooFew {
        /// The dataset.
        path: PathBuf,
        /// The episodes there are.
        found: String,
        /// The episodes that the windows need.
        expected: String,
    },
    /// A worker thread panicked while it made a batch.
    #[error("batch {index}: the worker that made it panicked: {message}")]
    Worker {
        /// The number of the batch.
        index: u64,
        /// The panic's message.
        message: String,
    },
}

impl DataError {
    pub(crate) fn config(key: &str, found: impl ToString, expected: impl ToString) -> Self {
        Self::Config { key: key.to_owned(), found: found.to_string(), expected: expected.to_string() }
    }

    pub(crate) fn format(path: &Path, what: impl ToString, found: impl ToString, expected: impl ToString) -> Self {
        Self::Format {
            path: path.to_owned(),
            what: what.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }
}

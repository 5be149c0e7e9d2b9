//! What can go wrong with data, said so that the reader knows what to change.

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
        /// What was given.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A dataset that is not whole, not right or not of this version.
    #[error("{}: {what}: {found}; expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: String,
        /// What is there.
        found: String,
        /// What would be right.
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
        /// What there is.
        found: String,
        /// What the windows need.
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

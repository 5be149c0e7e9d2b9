//! The mark of a run that has come to its end.

use std::path::PathBuf;

use crate::atomic::write_atomic;
use crate::{FolderError, RunFolder};

impl RunFolder {
    /// Notes that the run has come to its end, its evaluation included: the hidden file `.finished`.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn finish(&self) -> Result<(), FolderError> {
        write_atomic(&self.finished(), b"")
    }

    /// True from [`RunFolder::finish`] until the run goes on.
    pub fn is_finished(&self) -> bool {
        self.finished().exists()
    }

    /// Notes that the run goes on.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn go_on(&self) -> Result<(), FolderError> {
        match std::fs::remove_file(self.finished()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FolderError::io("remove", &self.finished())(error))
            }
            _ => Ok(()),
        }
    }

    fn finished(&self) -> PathBuf {
        self.path().join(".finished")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_finished_until_it_goes_on() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path(), "two_rooms", 1).unwrap();
        run.go_on().unwrap();
        assert!(!run.is_finished());
        run.finish().unwrap();
        assert!(run.is_finished());
        run.go_on().unwrap();
        assert!(!run.is_finished());
    }
}

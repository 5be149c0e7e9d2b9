//! The best checkpoint of a run, `checkpoints/best`: a copy, with the number that it is the best by in `best.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::{entries, write_atomic, write_dir_atomic};
use crate::error::FolderError;
use crate::folder::{Checkpoint, RunFolder};

/// The name of its folder.
pub(crate) const BEST: &str = "best";
const WHY: &str = "best.json";

/// Which checkpoint is the best, and by which number: the content of `best.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Updates done when it was written.
    pub step: u64,
    /// The number that says so, as in `metrics.jsonl`.
    pub number: String,
    /// Its value.
    pub value: f64,
}

impl Best {
    /// That of a folder, if it says so.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(WHY)).ok()?).ok()
    }
}

impl RunFolder {
    /// `checkpoints/best`.
    pub fn best_path(&self) -> PathBuf {
        self.checkpoints_path().join(BEST)
    }

    /// The best checkpoint, if one is kept.
    pub fn best(&self) -> Option<Best> {
        Best::read(&self.best_path())
    }

    /// Keeps a copy of the checkpoint of update `best.step` as the best one, in the place of the one before.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn keep_best(&self, best: &Best) -> Result<(), FolderError> {
        let text = serde_json::to_string_pretty(best).map_err(std::io::Error::other);
        let text = text.map_err(FolderError::io("write", &self.best_path()))?;
        write_dir_atomic(&self.best_path(), |inside| {
            copy(&self.checkpoint(best.step), inside)?;
            write_atomic(&inside.join(WHY), text.as_bytes())
        })
    }

    /// Gives the best checkpoint its number again, where that was removed: a run that goes on from it has it among the others.
    pub(crate) fn number_best(&self, checkpoint: &Checkpoint) -> Result<(), FolderError> {
        let numbered = self.checkpoint(checkpoint.step);
        match checkpoint.path.ends_with(BEST) && !numbered.exists() {
            true => write_dir_atomic(&numbered, |inside| copy(&checkpoint.path, inside)),
            false => Ok(()),
        }
    }
}

/// Copies the files of a checkpoint.
fn copy(from: &Path, to: &Path) -> Result<(), FolderError> {
    for path in entries(from)?.iter().filter(|path| path.is_file() && !path.ends_with(WHY)) {
        fs::copy(path, to.join(path.file_name().unwrap_or_default())).map_err(FolderError::io("copy", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_checkpoint_outlives_the_others_and_opens_as_one() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path(), "two_rooms", 1).unwrap();
        write_atomic(&run.config(), b"seed = 1").unwrap();
        for step in [5, 10] {
            write_dir_atomic(&run.checkpoint(step), |inside| write_atomic(&inside.join("model"), &[step as u8]))
                .unwrap();
        }
        assert_eq!(run.best(), None);
        let best = Best { step: 5, number: "eval/model/success".to_owned(), value: 0.5 };
        run.keep_best(&best).unwrap();
        run.prune(1, &[]).unwrap();
        let (_, latest) = RunFolder::open_checkpoint(run.path()).unwrap();
        assert_eq!(latest.step, 10);
        let (opened, found) = RunFolder::open_checkpoint(&run.best_path()).unwrap();
        assert_eq!((opened.best(), found.step), (Some(best), 5));
        assert_eq!(fs::read(found.path.join("model")).unwrap(), [5]);
        run.number_best(&found).unwrap();
        assert_eq!(fs::read(run.checkpoint(5).join("model")).unwrap(), [5]);
        assert!(!run.checkpoint(5).join(WHY).exists());
    }
}

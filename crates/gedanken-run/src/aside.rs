//! A run that goes back: what lies after a checkpoint is set aside, not lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::atomic::entries;
use crate::error::FolderError;
use crate::folder::{Checkpoint, RunFolder, claim, step_of, timestamp};

impl RunFolder {
    /// Makes a checkpoint the newest of the run. What lies after it is moved into a new folder `aside/<UTC time>`: checkpoints,
    /// evaluations, and copies of the config, the metrics and the events as they are, so that it is a run of its own. None where nothing
    /// lies after it.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn go_back(&self, checkpoint: &Checkpoint) -> Result<Option<Aside>, FolderError> {
        self.number_best(checkpoint)?;
        let later = |path: &Path| evaluated(path).is_some_and(|step| step > checkpoint.step);
        let mut checkpoints: Vec<PathBuf> = self.checkpoints()?.into_iter().map(|found| found.path).collect();
        checkpoints.retain(|path| later(path));
        checkpoints.extend(self.best().filter(|best| best.step > checkpoint.step).map(|_| self.best_path()));
        let mut evaluations = entries(&self.path().join("eval"))?;
        evaluations.retain(|path| later(path));
        if checkpoints.is_empty() && evaluations.is_empty() {
            return Ok(None);
        }
        let path = claim(&self.path().join("aside"), &timestamp(SystemTime::now()))?;
        let papers = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "config.toml" || name == "metrics.jsonl" || name.starts_with("events.out.")
        };
        for paper in entries(self.path())?.iter().filter(|path| papers(path)) {
            fs::copy(paper, inside(&path, paper)).map_err(FolderError::io("copy", paper))?;
        }
        // The newest goes first: what is left by a kill is still a run, up to some update.
        for (folder, moved) in [("eval", &evaluations), ("checkpoints", &checkpoints)] {
            let into = path.join(folder);
            fs::create_dir_all(&into).map_err(FolderError::io("create", &into))?;
            for old in moved.iter().rev() {
                fs::rename(old, inside(&into, old)).map_err(FolderError::io("set aside", old))?;
            }
        }
        Ok(Some(Aside { path, checkpoints: checkpoints.len(), evaluations: evaluations.len() }))
    }
}

/// Where something goes that keeps its name.
fn inside(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.file_name().unwrap_or_default())
}

/// The update in the name of a checkpoint or an evaluation, `step-000123` or `step-000123-2`.
fn evaluated(path: &Path) -> Option<u64> {
    step_of(path).or_else(|| {
        let (first, _) = path.file_name()?.to_str()?.rsplit_once('-')?;
        step_of(Path::new(first))
    })
}

/// Checkpoints and evaluations that were set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its folder.
    pub path: PathBuf,
    /// Checkpoints in it.
    pub checkpoints: usize,
    /// Evaluations in it.
    pub evaluations: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::{write_atomic, write_dir_atomic};
    use crate::best::Best;

    #[test]
    fn what_lies_after_a_checkpoint_is_set_aside_as_a_run_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path(), "two_rooms", 1).unwrap();
        write_atomic(&run.config(), b"seed = 1").unwrap();
        write_atomic(&run.path().join("metrics.jsonl"), b"all of it").unwrap();
        for step in [5, 10, 15] {
            write_dir_atomic(&run.checkpoint(step), |inside| write_atomic(&inside.join("model"), &[step as u8]))
                .unwrap();
            run.claim_eval(step).unwrap();
            run.claim_eval(step).unwrap();
        }
        run.keep_best(&Best { step: 10, number: "success".to_owned(), value: 0.5 }).unwrap();
        let fifth = Checkpoint { step: 5, path: run.checkpoint(5) };
        let aside = run.go_back(&fifth).unwrap().unwrap();
        assert_eq!((aside.checkpoints, aside.evaluations), (3, 4));
        assert!(aside.path.starts_with(run.path().join("aside")));
        assert_eq!(run.checkpoints().unwrap(), std::slice::from_ref(&fifth));
        assert_eq!((run.best(), entries(&run.path().join("eval")).unwrap().len()), (None, 2));
        let (old, newest) = RunFolder::open_checkpoint(&aside.path).unwrap();
        assert_eq!((newest.step, old.best().unwrap().step), (15, 10));
        assert_eq!(fs::read(old.path().join("metrics.jsonl")).unwrap(), b"all of it");
        assert_eq!(run.go_back(&fifth).unwrap(), None, "nothing lies after it any more");
    }
}

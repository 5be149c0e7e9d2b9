//! The folder of a run.
//!
//! ```text
//! runs/two_rooms/2026-11-22T13-05-12-seed1/
//!   config.toml              configs/until-000500.toml
//!   events.out.tfevents…     metrics.jsonl
//!   checkpoints/step-001000/ checkpoints/best/
//!   eval/step-001000/        eval/step-001000-2/
//!   aside/2026-11-22T14-10-00/
//! ```
//!
//! Everything in it is written whole or not at all, whenever the writer is killed; opening it removes what killed writers left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic::{entries, remove_dir_atomic, remove_leftovers, write_atomic};
use crate::best::{BEST, Best};
use crate::claim::Claim;
use crate::error::FolderError;

/// A checkpoint. It appears by renaming, so one that is there is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Updates done when it was written.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
}

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes `root/experiment/<UTC time>-seed<seed>/`, with `-2`, `-3`, … behind it where that is taken.
    ///
    /// It is a run, for [`RunFolder::open`], as soon as a `config.toml` is written into it.
    ///
    /// # Errors
    /// [`FolderError::Name`], [`FolderError::Io`].
    pub fn create(root: &Path, experiment: &str, seed: u64) -> Result<Self, FolderError> {
        let plain = experiment.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !plain || !experiment.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(FolderError::Name(experiment.to_string()));
        }
        let name = format!("{}-seed{seed}", timestamp(SystemTime::now()));
        Ok(Self { path: claim(&root.join(experiment), &name)? })
    }

    /// The run at `path`, or the one that the checkpoint at `path` belongs to; removes what killed writers left in it.
    ///
    /// # Errors
    /// [`FolderError::Missing`]; [`FolderError::NotARun`], which names the latest run where `path` holds several.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        Ok(Self::open_at(path)?.0)
    }

    /// The same, and the checkpoint that `path` is, if it is one.
    ///
    /// # Errors
    /// As [`RunFolder::open`].
    pub fn open_at(path: &Path) -> Result<(Self, Option<Checkpoint>), FolderError> {
        let (run, checkpoint) = find_run(path)?;
        let evaluations = entries(&run.path.join("eval"))?.into_iter().filter(|path| path.is_dir());
        for folder in [run.path.clone(), run.checkpoints_path(), run.path.join("eval")].into_iter().chain(evaluations) {
            remove_leftovers(&folder)?;
        }
        Ok((run, checkpoint))
    }

    /// The run at `path` with its latest checkpoint; or, where `path` is a checkpoint, that one with its run.
    ///
    /// # Errors
    /// As [`RunFolder::open`], and [`FolderError::NoCheckpoint`].
    pub fn open_checkpoint(path: &Path) -> Result<(Self, Checkpoint), FolderError> {
        let (run, given) = Self::open_at(path)?;
        let checkpoint = match given {
            Some(given) => Some(given),
            None => run.latest_checkpoint()?,
        };
        Ok((run, checkpoint.ok_or_else(|| FolderError::NoCheckpoint(path.to_path_buf()))?))
    }

    /// Keeps the run for this process to train, by the hidden file `.training`.
    ///
    /// # Errors
    /// As [`Claim::of`].
    pub fn claim(&self) -> Result<Claim, FolderError> {
        Claim::of(&self.path, ".training")
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `checkpoints/step-000123`.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints_path().join(step_name(step))
    }

    /// `eval/step-000123`.
    pub fn eval(&self, step: u64) -> PathBuf {
        self.path.join("eval").join(step_name(step))
    }

    /// The first of `eval/step-000123`, `eval/step-000123-2`, `eval/step-000123-3`, … that is not there yet.
    pub fn next_eval(&self, step: u64) -> PathBuf {
        let first = self.eval(step);
        names(&self.path.join("eval"), &step_name(step)).find(|path| !path.exists()).unwrap_or(first)
    }

    /// Makes that folder, for one evaluation of the update: nobody else gets the same, and none is replaced.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn claim_eval(&self, step: u64) -> Result<PathBuf, FolderError> {
        claim(&self.path.join("eval"), &step_name(step))
    }

    /// Writes another `config.toml`; the one before, which held until `step`, is kept: `configs/until-000123.toml`.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn change_config(&self, step: u64, text: &str) -> Result<(), FolderError> {
        let before = fs::read(self.config()).map_err(FolderError::io("read", &self.config()))?;
        let names = names(&self.path.join("configs"), &format!("until-{step:06}"));
        if let Some(free) = names.map(|name| name.with_extension("toml")).find(|path| !path.exists()) {
            write_atomic(&free, &before)?;
        }
        write_atomic(&self.config(), text.as_bytes())
    }

    /// All checkpoints, by step.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>, FolderError> {
        let mut found: Vec<_> = entries(&self.checkpoints_path())?
            .into_iter()
            .filter(|path| path.is_dir())
            .filter_map(|path| Some(Checkpoint { step: step_of(&path)?, path }))
            .collect();
        found.sort_by_key(|checkpoint| checkpoint.step);
        Ok(found)
    }

    /// The checkpoint of the most updates.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn latest_checkpoint(&self) -> Result<Option<Checkpoint>, FolderError> {
        Ok(self.checkpoints()?.pop())
    }

    /// Removes all checkpoints but the last `keep_last` and those of the updates in `spared`; the very last one and the best always
    /// stay.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn prune(&self, keep_last: usize, spared: &[u64]) -> Result<(), FolderError> {
        let found = self.checkpoints()?;
        let old = found.len().saturating_sub(keep_last.max(1));
        let mut old = found[..old].iter().filter(|checkpoint| !spared.contains(&checkpoint.step));
        old.try_for_each(|checkpoint| remove_dir_atomic(&checkpoint.path))
    }

    pub(crate) fn checkpoints_path(&self) -> PathBuf {
        self.path.join("checkpoints")
    }
}

/// `name`, `name-2`, `name-3`, … in a folder.
fn names(parent: &Path, name: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let first = parent.join(name);
    let (plain, name) = (first.clone(), name.to_owned());
    let further = (2u64..).map(move |number| first.with_file_name(format!("{name}-{number}")));
    std::iter::once(plain).chain(further)
}

/// Makes the first of these folders that nobody has made: two processes never get the same.
pub(crate) fn claim(parent: &Path, name: &str) -> Result<PathBuf, FolderError> {
    fs::create_dir_all(parent).map_err(FolderError::io("create", parent))?;
    for path in names(parent, name) {
        match fs::create_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path.clone()).map_err(FolderError::io("create", &path)),
        }
    }
    Err(FolderError::io("create", parent)(io::ErrorKind::AlreadyExists.into()))
}

/// `2026-11-22T13-05-12`: the second in UTC, without the colons that Windows forbids in names.
pub(crate) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.max(UNIX_EPOCH)).to_string().replace(':', "-").replace('Z', "")
}

fn step_name(step: u64) -> String {
    format!("step-{step:06}")
}

/// The number of updates in the name of a checkpoint's folder, `step-000123`.
pub fn step_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// A checkpoint may hold a `config.toml` of its own, and is no run.
fn is_run(path: &Path) -> bool {
    path.join("config.toml").is_file() && step_of(path).is_none()
}

/// The run at `path`; or the one above it, and the checkpoint it is.
fn find_run(path: &Path) -> Result<(RunFolder, Option<Checkpoint>), FolderError> {
    if !path.exists() {
        return Err(FolderError::Missing(path.to_path_buf()));
    }
    let not_a_run = |why: String| Err(FolderError::NotARun { path: path.to_path_buf(), why });
    // `.` and links do not tell what they stand for.
    let whole = path.canonicalize().map_err(FolderError::io("read", path))?;
    if is_run(&whole) {
        return Ok((RunFolder { path: path.to_path_buf() }, None));
    }
    if whole.is_file() {
        let why = "it is a file; expected the folder that holds config.toml, or a checkpoint inside it";
        return not_a_run(why.to_string());
    }
    let step =
        step_of(&whole).or_else(|| whole.ends_with(BEST).then(|| Best::read(&whole)).flatten().map(|best| best.step));
    if let (Some(step), Some(run)) = (step, whole.parent().and_then(Path::parent)) {
        if is_run(run) {
            return Ok((RunFolder { path: run.to_path_buf() }, Some(Checkpoint { step, path: path.to_path_buf() })));
        }
        let run = run.display();
        return not_a_run(format!("a checkpoint needs the config.toml of its run, and there is none in {run}"));
    }
    // Names begin with the time, so the greatest is the latest.
    match entries(path)?.iter().filter(|inner| is_run(inner)).max() {
        Some(latest) => not_a_run(format!("it holds runs; name one of them, such as the latest, {}", latest.display())),
        None => not_a_run("there is no config.toml in it".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::atomic::{write_atomic, write_dir_atomic};

    fn run() -> (tempfile::TempDir, RunFolder) {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path(), "two_rooms", 1).unwrap();
        write_atomic(&run.config(), b"seed = 1").unwrap();
        (root, run)
    }

    fn save(run: &RunFolder, step: u64) {
        write_dir_atomic(&run.checkpoint(step), |folder| write_atomic(&folder.join("model"), &step.to_le_bytes()))
            .unwrap();
    }

    fn saved(run: &RunFolder) -> Vec<u64> {
        run.checkpoints().unwrap().iter().map(|checkpoint| checkpoint.step).collect()
    }

    #[test]
    fn runs_of_one_second_have_folders_of_their_own() {
        let (root, first) = run();
        let more: std::collections::BTreeSet<_> =
            (0..20).map(|_| RunFolder::create(root.path(), "two_rooms", 1).unwrap().path).collect();
        assert!(more.len() == 20 && !more.contains(&first.path));
        assert!(first.path.to_string_lossy().ends_with("-seed1"));
        for name in ["", "..", "a/b", "-x", "a b"] {
            assert!(matches!(RunFolder::create(root.path(), name, 1), Err(FolderError::Name(_))), "{name}");
        }
    }

    #[test]
    fn timestamps_are_utc_in_the_gregorian_calendar() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00-00-00");
        assert_eq!(at(951_827_696), "2000-02-29T12-34-56");
        assert_eq!(at(1_795_352_712), "2026-11-22T13-05-12");
        assert_eq!(at(4_107_542_399), "2100-02-28T23-59-59");
        assert_eq!(at(4_107_542_400), "2100-03-01T00-00-00");
    }

    #[test]
    fn a_run_opens_by_its_folder_or_a_checkpoint_inside() {
        let (_root, run) = run();
        let error = RunFolder::open_checkpoint(run.path()).unwrap_err();
        assert!(matches!(error, FolderError::NoCheckpoint(_)), "{error}");
        save(&run, 5);
        save(&run, 12);
        // A checkpoint may have a config of its own.
        write_atomic(&run.checkpoint(5).join("config.toml"), b"").unwrap();
        let (opened, latest) = RunFolder::open_checkpoint(run.path()).unwrap();
        assert_eq!((opened, latest.step, latest.path), (run.clone(), 12, run.checkpoint(12)));
        let (opened, given) = RunFolder::open_checkpoint(&run.checkpoint(5)).unwrap();
        assert_eq!(opened.path.canonicalize().unwrap(), run.path.canonicalize().unwrap());
        assert_eq!((given.step, given.path), (5, run.checkpoint(5)));
    }

    #[test]
    fn a_run_is_trained_by_one_process_at_a_time() {
        let (_root, run) = run();
        let claim = run.claim().unwrap();
        assert!(matches!(run.claim(), Err(FolderError::Busy(_))));
        drop(claim);
        run.claim().unwrap();
    }

    #[test]
    fn what_is_no_run_is_told_what_it_lacks() {
        let (root, run) = run();
        save(&run, 5);
        let why = |path: &Path| RunFolder::open(path).unwrap_err().to_string();
        assert!(why(&root.path().join("nowhere")).contains("no such run"));
        assert!(why(root.path()).contains("no config.toml"));
        assert!(why(&root.path().join("two_rooms")).contains(&format!("the latest, {}", run.path.display())));
        assert!(why(&run.config()).contains("it is a file"));
        fs::remove_file(run.config()).unwrap();
        assert!(why(&run.checkpoint(5)).contains("needs the config.toml of its run"));
    }

    #[test]
    fn checkpoints_are_sorted_by_number_and_pruned_from_the_oldest() {
        let (_root, run) = run();
        assert!(saved(&run).is_empty());
        [900, 1_000_000, 5, 99_999].iter().for_each(|&step| save(&run, step));
        fs::create_dir(run.checkpoints_path().join("step-last")).unwrap();
        assert_eq!(saved(&run), [5, 900, 99_999, 1_000_000]);
        run.prune(2, &[5]).unwrap();
        assert_eq!(saved(&run), [5, 99_999, 1_000_000]);
        run.prune(0, &[]).unwrap();
        assert_eq!(saved(&run), [1_000_000]);
        assert!(run.checkpoint(123).ends_with("checkpoints/step-000123") && run.eval(7).ends_with("eval/step-000007"));
    }

    #[test]
    fn every_evaluation_gets_a_folder_of_its_own_however_many_ask_at_once() {
        let (_root, run) = run();
        let claim = || (0..5).map(|_| run.claim_eval(7).unwrap()).collect::<Vec<_>>();
        let claimed: Vec<_> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<_> = claimed.iter().collect();
        assert!(different.len() == 20 && claimed.contains(&run.eval(7)), "{claimed:?}");
        assert!(run.next_eval(7).ends_with("eval/step-000007-21"));
    }

    #[test]
    fn a_config_that_changes_is_kept_with_the_update_until_which_it_held() {
        let (_root, run) = run();
        let until = |name: &str| fs::read_to_string(run.path.join("configs").join(name)).unwrap();
        run.change_config(5, "seed = 2").unwrap();
        run.change_config(5, "seed = 3").unwrap();
        run.change_config(9, "seed = 4").unwrap();
        assert_eq!(fs::read_to_string(run.config()).unwrap(), "seed = 4");
        let kept = ["until-000005.toml", "until-000005-2.toml", "until-000009.toml"].map(until);
        assert_eq!(kept, ["seed = 1", "seed = 2", "seed = 3"]);
    }

    #[test]
    fn what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays() {
        let (_root, run) = run();
        save(&run, 1);
        let left = run.checkpoints_path().join(".step-000002.1-1-1.tmp");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("model"), b"half").unwrap();
        fs::write(run.path.join(".metrics.jsonl.1-1-1.tmp"), b"half").unwrap();
        let mut living = PathBuf::new();
        write_dir_atomic(&run.checkpoint(3), |folder| {
            living = folder.to_path_buf();
            RunFolder::open(&run.path)?;
            write_atomic(&folder.join("model"), b"whole")
        })
        .unwrap();
        assert!(!left.exists() && !living.exists());
        assert_eq!(entries(&run.path).unwrap().len(), 2, "config.toml and checkpoints");
        assert_eq!(saved(&run), [1, 3]);
    }
}

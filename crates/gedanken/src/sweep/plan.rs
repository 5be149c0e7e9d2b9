//! The plan of a sweep, and its folder.
//!
//! ```text
//! DIR/sweep.toml            the arms: each one's name, and what it sets
//! DIR/width=16,seed=2/      a run like any other, from the beginning: its config.toml is written before anything starts
//! DIR/width=16,seed=2/log.txt
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gedanken_run::{Claim, FolderError, RunFolder, write_atomic};
use serde::{Deserialize, Serialize};

use super::Arm;
use crate::commands::{Failure, absolute, read, to_store};
use crate::provenance::differences;
use crate::{Experiment, Parts};

/// The plan's file in the folder of a sweep.
pub(crate) const SWEEP: &str = "sweep.toml";

/// An arm with its whole experiment.
pub(crate) struct Task {
    pub arm: Arm,
    pub experiment: Experiment,
    /// The folder of its run.
    pub folder: PathBuf,
}

/// All arms, and the folder that they go into.
pub(crate) struct Plan {
    pub folder: PathBuf,
    pub tasks: Vec<Task>,
    /// Arms that a folder with arms of an earlier plan did not have yet.
    pub new: usize,
    /// Arms of an earlier plan that this one does not have.
    pub others: Vec<String>,
    claim: Option<Claim>,
}

/// `sweep.toml`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    arm: Vec<WrittenArm>,
}

#[derive(Serialize, Deserialize)]
struct WrittenArm {
    name: String,
    set: Vec<String>,
}

impl Plan {
    /// A plan for a folder: a new one, or that of a sweep whose arms are still what they were. Nothing is written yet.
    pub fn new(folder: &Path, arms: Vec<(Arm, Experiment)>, parts: &Parts) -> Result<Self, Failure> {
        let at = folder.display();
        let (written, begun) = (folder.join(SWEEP), folder.join(SWEEP).exists());
        if folder.join("config.toml").exists() {
            return Err(format!("--out {at}: that is a run; expected a new folder, or a sweep's").into());
        }
        let visible = |entry: &fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
        let mut inside = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        if !begun && inside.any(|entry| visible(&entry)) {
            let about = format!("it is not empty and has no {SWEEP}; expected a new folder, or a sweep's");
            return Err(format!("--out {at}: {about}").into());
        }
        let before: Written = if begun { read_written(&written)? } else { Written::default() };
        let known: BTreeSet<&str> = before.arm.iter().map(|arm| arm.name.as_str()).collect();
        let planned: BTreeSet<&str> = arms.iter().map(|(arm, _)| arm.name.as_str()).collect();
        let others = known.difference(&planned).map(|&name| name.to_owned()).collect();
        let new = if begun { planned.difference(&known).count() } else { 0 };
        let task = |(arm, experiment): (Arm, Experiment)| {
            let folder = folder.join(&arm.name);
            Task { experiment: experiment.with_inputs(&absolute), arm, folder }
        };
        let tasks: Vec<Task> = arms.into_iter().map(task).collect();
        let changed: Vec<String> =
            tasks.iter().filter_map(|task| task.changed(parts).transpose()).collect::<Result<_, _>>()?;
        if !changed.is_empty() {
            let expected = "expected the experiment that the sweep was begun with, or another --out";
            return Err(format!("{}\n{expected}", changed.join("\n")).into());
        }
        Ok(Self { claim: None, folder: folder.to_owned(), tasks, new, others })
    }

    /// Keeps the folder for this process as long as the plan lives, and writes `sweep.toml` and every arm as a run that has not begun.
    pub fn write(&mut self) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder).map_err(FolderError::io("create", &self.folder))?;
        self.claim = Some(claim(&self.folder)?);
        let path = self.folder.join(SWEEP);
        let mut written = if path.exists() { read_written(&path)? } else { Written::default() };
        let left = |arm: &WrittenArm| self.others.contains(&arm.name);
        written.arm.retain(left);
        let arms = self.tasks.iter().map(|task| WrittenArm { name: task.arm.name.clone(), set: task.sets() });
        written.arm.splice(0..0, arms);
        let about = "the arms of a sweep; each one's whole experiment is config.toml in the folder of its name";
        let text = format!("# gedanken {}: {about}\n{}", env!("CARGO_PKG_VERSION"), toml::to_string(&written)?);
        write_atomic(&path, text.as_bytes())?;
        for task in &self.tasks {
            let config = task.folder.join("config.toml");
            if !config.exists() {
                let text = format!("# gedanken {}\n{}", env!("CARGO_PKG_VERSION"), to_store(&task.experiment)?);
                write_atomic(&config, text.as_bytes())?;
            }
        }
        Ok(())
    }
}

impl Task {
    /// The run of the arm.
    pub fn run(&self) -> Result<RunFolder, FolderError> {
        RunFolder::open(&self.folder)
    }

    /// All that it prints.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// Updates of the whole training.
    pub fn steps(&self) -> u64 {
        self.experiment.phases().ok().and_then(|phases| phases.last().map(crate::phases::Phase::end)).unwrap_or(0)
    }

    /// Its standing in a word or three: `new`, `finished`, `at update 500`.
    pub fn stands(&self) -> Result<String, FolderError> {
        if !self.folder.join("config.toml").exists() {
            return Ok("new".to_owned());
        }
        let run = self.run()?;
        Ok(match run.latest_checkpoint()? {
            _ if run.is_finished() => "finished".to_owned(),
            Some(checkpoint) => format!("at update {}", checkpoint.step),
            None => "new".to_owned(),
        })
    }

    /// Its settings, as `--set` takes them.
    pub fn sets(&self) -> Vec<String> {
        let text =
            |value: &serde_json::Value| toml::Value::try_from(value).map_or(value.to_string(), |v| v.to_string());
        self.arm.settings.iter().map(|setting| format!("{}={}", setting.key(), text(&setting.value()))).collect()
    }

    /// The keys that differ between this arm and its run, if there is one.
    fn changed(&self, parts: &Parts) -> Result<Option<String>, Failure> {
        let config = self.folder.join("config.toml");
        if !config.exists() {
            return Ok(None);
        }
        let (stored, _) = read(&config, &[], parts)?;
        let differences = differences(&stored, &self.experiment);
        let config = config.display();
        Ok((!differences.is_empty()).then(|| format!("{config} is another experiment: {}", differences.join("; "))))
    }
}

fn read_written(path: &Path) -> Result<Written, Failure> {
    let text = fs::read_to_string(path).map_err(FolderError::io("read", path))?;
    toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message()).into())
}

/// Keeps the folder for this process, until the claim is dropped.
fn claim(folder: &Path) -> Result<Claim, Failure> {
    match Claim::of(folder, ".sweep") {
        Err(FolderError::Busy(_)) => {
            Err(format!("{}: another process is at work on this sweep", folder.display()).into())
        }
        claim => Ok(claim?),
    }
}

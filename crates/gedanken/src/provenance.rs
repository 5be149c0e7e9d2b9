//! Provenance: all that a number depends on, told beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use gedanken_data::{DataConfig, Dataset, Manifest, SourceKind};
use gedanken_env::Env;
use gedanken_eval::{Protocol, TasksFrom};
use gedanken_run::FolderError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::{EnvConfig, EnvOverrides};
use crate::{Experiment, Parts};

/// A result, and beside its own keys a table `provenance`.
#[derive(Clone, Debug, Serialize)]
pub struct Told<'a, T> {
    /// The result.
    #[serde(flatten)]
    pub found: &'a T,
    /// All that it depends on.
    pub provenance: &'a Provenance,
}

/// All that a number depends on, beside the protocol and the planner that stand in its report.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    /// The program that found it, with its version.
    pub program: String,
    /// The config of its run.
    pub config: PathBuf,
    /// `--set`s of the command line.
    pub overrides: Vec<String>,
    /// Keys that were other than the run's own config has them: `key = value (the run: value)`.
    pub differs: Vec<String>,
    /// The model.
    pub checkpoint: CheckpointRecord,
    /// The world that it was measured in, every option and every factor in place.
    pub env: EnvConfig,
    /// Where its data come from.
    pub data: DataConfig,
    /// The dataset, where they come from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetRecord>,
    /// The splits of the data that the number was measured on; none where no data were needed.
    pub splits: Vec<&'static str>,
    /// Seed of weights and data.
    pub seed: u64,
    /// Seeds of tasks and planner; none where nothing was planned.
    pub task_seeds: Vec<u64>,
    /// Where it was computed.
    pub machine: Machine,
}

/// A checkpoint, by its weights.
#[derive(Clone, Debug, Serialize)]
pub struct CheckpointRecord {
    /// Its folder.
    pub path: PathBuf,
    /// Updates behind it.
    pub step: u64,
    /// CRC-32 (IEEE) of its weights' file, as in its `state.json`.
    pub crc32: u32,
}

/// A dataset, by its content.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetRecord {
    /// Its folder.
    pub path: PathBuf,
    /// The seed that it was collected with.
    pub seed: u64,
    /// Frames.
    pub frames: usize,
    /// CRC-32 (IEEE) of its file of episodes.
    pub episodes_crc32: u32,
    /// CRC-32 (IEEE) of its shards.
    pub shards_crc32: Vec<u32>,
}

/// A machine, as far as a number may depend on it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Operating system and architecture.
    pub os: String,
    /// The CPU's model, as the system names it.
    pub cpu: String,
    /// Threads on the CPU.
    pub threads: usize,
    /// Where the tensors lived.
    pub device: String,
}

impl Provenance {
    /// That of an experiment without changes on the command line, in its own environment.
    pub fn new(experiment: &Experiment, env: &dyn Env, checkpoint: CheckpointRecord, device: &str) -> Self {
        Self {
            program: format!("gedanken {}", env!("CARGO_PKG_VERSION")),
            config: PathBuf::new(),
            overrides: Vec::new(),
            differs: Vec::new(),
            checkpoint,
            env: with_factors(experiment.env.clone(), env),
            data: experiment.data.clone(),
            dataset: DatasetRecord::of(&experiment.data),
            splits: Vec::new(),
            seed: experiment.seed,
            task_seeds: Vec::new(),
            machine: Machine::here(device),
        }
    }
}

/// The same of an evaluation under a protocol, in the protocol's environment.
///
/// # Errors
/// Overrides that are no table.
pub fn of_evaluation(
    provenance: Provenance,
    experiment: &Experiment,
    protocol: &Protocol,
    parts: &Parts,
) -> Result<Provenance, Box<dyn std::error::Error + Send + Sync>> {
    let overrides: EnvOverrides = serde_json::from_value(Value::Object(experiment.eval.env.clone()))?;
    let env = experiment.env.with(&overrides).resolved(&parts.environments)?;
    let recorded = experiment.eval.tasks_from == TasksFrom::Recorded;
    Ok(Provenance {
        env: with_factors(env, protocol.env.as_ref()),
        splits: if recorded { vec!["validation"] } else { Vec::new() },
        task_seeds: protocol.config.task_seeds().collect(),
        ..provenance
    })
}

impl CheckpointRecord {
    /// The checkpoint in a folder.
    ///
    /// # Errors
    /// [`FolderError::Io`] where its weights cannot be read.
    pub fn of(path: &Path, step: u64) -> Result<Self, FolderError> {
        let weights = path.join(gedanken_model::FILES[0]);
        let bytes = std::fs::read(&weights).map_err(FolderError::io("read", &weights))?;
        Ok(Self { path: path.to_owned(), step, crc32: crc32fast::hash(&bytes) })
    }
}

impl DatasetRecord {
    /// The dataset of a `[data]` table, if it names one that can be opened: a model can be evaluated without its data.
    pub fn of(data: &DataConfig) -> Option<Self> {
        let path = data.path.as_ref().filter(|_| data.source == SourceKind::Disk)?;
        let dataset = Dataset::open(path).ok()?;
        let Manifest { seed, counts, episodes, shards, .. } = dataset.manifest();
        Some(Self {
            path: path.clone(),
            seed: *seed,
            frames: counts.frames,
            episodes_crc32: episodes.crc32,
            shards_crc32: shards.iter().map(|shard| shard.crc32).collect(),
        })
    }
}

impl Machine {
    /// This one, with its tensors on `device`.
    pub fn here(device: &str) -> Self {
        Self {
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: cpu().unwrap_or_else(|| "unknown".to_owned()),
            threads: rayon::current_num_threads(),
            device: device.to_owned(),
        }
    }
}

/// The CPU's model: Linux has it in a file, macOS in a command, Windows in the environment.
fn cpu() -> Option<String> {
    let linux = || {
        let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let mac = || {
        let said = std::process::Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        Some(String::from_utf8(said.stdout).ok()?.trim().to_owned()).filter(|name| !name.is_empty())
    };
    let windows = || std::env::var("PROCESSOR_IDENTIFIER").ok();
    match std::env::consts::OS {
        "linux" => linux(),
        "macos" => mac(),
        _ => windows(),
    }
}

/// An environment's config with the value of every factor, also of those that nobody set.
fn with_factors(config: EnvConfig, env: &dyn Env) -> EnvConfig {
    let defaults = env.spec().factors.iter().map(|factor| (factor.name.clone(), factor.default));
    let factors: BTreeMap<String, f64> = defaults.chain(config.factors.clone()).collect();
    EnvConfig { factors, ..config }
}

/// The keys in which an experiment is other than its run's own config, each with both values.
pub fn differences(run: &Experiment, now: &Experiment) -> Vec<String> {
    let flat = |experiment: &Experiment| {
        let mut keys = BTreeMap::new();
        flatten("", &serde_json::to_value(experiment).unwrap_or_default(), &mut keys);
        keys
    };
    let (run, now) = (flat(run), flat(now));
    let says = |keys: &BTreeMap<String, Value>, key: &str| keys.get(key).map_or("not set".to_owned(), Value::to_string);
    let all: BTreeMap<&String, ()> = run.keys().chain(now.keys()).map(|key| (key, ())).collect();
    let other = all.into_keys().filter(|key| run.get(*key) != now.get(*key));
    other.map(|key| format!("{key} = {} (the run: {})", says(&now, key), says(&run, key))).collect()
}

/// Values by their dotted keys; lists are values.
pub(crate) fn flatten(at: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let mut table = |inner: &Map<String, Value>| {
        for (key, value) in inner {
            flatten(&if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, value, into);
        }
    };
    match value {
        Value::Object(inner) => table(inner),
        Value::Null => {}
        value => drop(into.insert(at.to_owned(), value.clone())),
    }
}

impl<T: fmt::Display> fmt::Display for Told<'_, T> {
    /// The result, and a line of what was other than in the run's own config, if anything was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.found)?;
        match self.provenance.differs.as_slice() {
            [] => Ok(()),
            differs => writeln!(f, "other than the run: {}", differs.join("; ")),
        }
    }
}

//! The `[data]` table of an experiment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gedanken_env::{Env, derive_seed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DataError, Dataset, DatasetSource, Prefetch, Source, Split, Stream, WindowConfig};

/// The origin of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Fresh episodes, simulated as they are needed.
    #[default]
    Stream,
    /// A dataset folder that was collected before.
    Disk,
}

/// The `[data]` table: the origin of episodes, and the batches cut from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// `stream` simulates fresh episodes; `disk` reads the dataset at `path`.
    pub source: SourceKind,
    /// The dataset folder, for `source = "disk"`: relative to the working folder, in which the program runs; `~` is the home folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Control steps of a simulated episode; it has one more frame. Only for `source = "stream"`.
    #[schemars(range(min = 1, max = 1048576))]
    pub episode_steps: usize,
    /// Share of a dataset's layouts (of its episodes, when it has one layout) kept out of training for validation.
    /// Only for `source = "disk"`; a stream validates on layouts of another seed.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub validation: f64,
    /// Threads that make batches ahead of training; 0 makes each batch when it is asked for.
    #[schemars(range(max = 1024))]
    pub workers: usize,
    /// Batches that may be made ahead.
    #[schemars(range(min = 1, max = 1024))]
    pub prefetch: usize,
    /// The environment's scripted policies by name, with weights; one is drawn for each simulated episode. Empty: the
    /// environment's first policy. Only for `source = "stream"`.
    pub policies: BTreeMap<String, f64>,
    /// The windows cut from episodes.
    pub window: WindowConfig,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: SourceKind::Stream,
            path: None,
            episode_steps: 90,
            validation: 0.1,
            workers: 1,
            prefetch: 4,
            policies: BTreeMap::new(),
            window: WindowConfig::default(),
        }
    }
}

// What a stream's seed is derived for: training and validation share no layout.
const TRAIN: u64 = 11;
const VALIDATION: u64 = 12;

impl DataConfig {
    /// Opens the source that this table describes, for one split.
    ///
    /// # Errors
    /// An impossible value; a dataset that is missing, broken, too small, or of another environment than `env`.
    pub fn open(&self, env: &dyn Env, split: Split, seed: u64) -> Result<Arc<dyn Source>, DataError> {
        for (key, found, least) in [("data.workers", self.workers, 0), ("data.prefetch", self.prefetch, 1)] {
            if !(least..=1024).contains(&found) {
                return Err(DataError::config(key, found, format!("{least} to 1024")));
            }
        }
        match (self.source, &self.path) {
            (SourceKind::Stream, Some(path)) => {
                let found = format!("`{}` beside source = \"stream\"", path.display());
                Err(DataError::config("data.path", found, "no path, or source = \"disk\""))
            }
            (SourceKind::Disk, None) => {
                Err(DataError::config("data.path", "none", "the dataset folder, because source = \"disk\""))
            }
            (SourceKind::Stream, None) => {
                let seed = derive_seed(seed, &[if split == Split::Train { TRAIN } else { VALIDATION }]);
                Ok(Arc::new(Stream::new(env, &self.policies, self.episode_steps, self.window, seed)?))
            }
            (SourceKind::Disk, Some(path)) => {
                let dataset = Dataset::open(path)?;
                dataset.check_env(env.spec())?;
                Ok(Arc::new(DatasetSource::new(Arc::new(dataset), self.window, split, self.validation, seed)?))
            }
        }
    }

    /// Reads the dataset that an environment without a simulator replays, unless another is named.
    pub fn replays(&mut self, path: &Path) {
        self.source = SourceKind::Disk;
        self.path.get_or_insert_with(|| path.to_owned());
    }

    /// Opens one split for whole episodes and single frames, whatever the windows of training ask of it.
    ///
    /// # Errors
    /// As [`DataConfig::open`].
    pub fn open_episodes(&self, env: &dyn Env, split: Split, seed: u64) -> Result<Arc<dyn Source>, DataError> {
        let window = WindowConfig { time: 2, frameskip: 1, extra: 0, layouts: 1, episodes: 1, eventful: 0.0 };
        Self { window, ..self.clone() }.open(env, split, seed)
    }

    /// Puts this table's workers before a source, starting with batch `first_index`.
    pub fn prefetch(&self, source: Arc<dyn Source>, first_index: u64) -> Prefetch {
        Prefetch::new(source, first_index, self.workers, self.prefetch)
    }
}

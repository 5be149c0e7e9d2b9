//! `dataset.toml`: a dataset described, for people and for programs.

use std::collections::BTreeMap;
use std::path::Path;

use gedanken_env::{ActionSpace, Field, Label, ObservationSpace, Spec};
use serde::{Deserialize, Serialize};

use crate::columns::stays_inside;
use crate::{DataError, LatentRecord, PolicyMix, Shape};

/// The word in every `dataset.toml` that says what it is.
pub(crate) const FORMAT: &str = "gedanken-dataset";
/// The version this program writes and reads.
pub(crate) const VERSION: u32 = 1;
/// The name of the manifest's file.
pub(crate) const MANIFEST: &str = "dataset.toml";
/// The name of the file of episodes.
pub(crate) const EPISODES: &str = "episodes.safetensors";

/// Sizes above this are taken for damage; the products of a few of them still fit 64 bits.
const MOST: usize = 1 << 16;

/// The content of `dataset.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always `gedanken-dataset`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// The seed that every episode follows from; a string, because TOML's numbers end at 2^63.
    #[serde(with = "as_string")]
    pub seed: u64,
    /// Control steps of an episode when it was collected; `None` where episodes differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode_steps: Option<usize>,
    /// Frames, episodes, layouts.
    pub counts: Counts,
    /// The world.
    pub env: EnvRecord,
    /// The pictures.
    pub observation: ObservationSpace,
    /// The actions.
    pub action: ActionSpace,
    /// Latents in place of the pictures: half-precision numbers `[tokens, dim]`, whose bytes are the observation
    /// `[tokens, dim, 2]`; an action is a block then. Default none: pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents: Option<LatentRecord>,
    /// The file of episodes.
    pub episodes: FileRecord,
    /// The numbers of the state, in order.
    pub state: Vec<Field>,
    /// The labels, in order; of an environment without any, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The policies; an episode's `policy` counts in this order.
    pub policies: Vec<PolicyRecord>,
    /// The shards, in the order of their frames.
    pub shards: Vec<ShardRecord>,
}

/// Numbers of frames, episodes and layouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Frames.
    pub frames: usize,
    /// Episodes.
    pub episodes: usize,
    /// Different layouts.
    pub layouts: usize,
}

/// The world a dataset comes from: enough to build the environment again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvRecord {
    /// Its registered name.
    pub name: String,
    /// Its options, as JSON.
    #[serde(with = "as_json")]
    pub options: serde_json::Value,
    /// The factors of variation that were set.
    #[serde(default)]
    pub factors: BTreeMap<String, f64>,
}

/// A policy and the share of episodes it was to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRecord {
    /// Its name.
    pub name: String,
    /// The probability with which an episode had it.
    pub share: f64,
}

/// A file of the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its length.
    pub bytes: u64,
    /// CRC-32 (IEEE) of all its bytes, as `zlib.crc32` gives it.
    pub crc32: u32,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// Its name in the folder.
    pub file: String,
    /// Its frames.
    pub frames: usize,
    /// Its episodes; none reaches into the next shard.
    pub episodes: usize,
    /// Its length.
    pub bytes: u64,
    /// CRC-32 (IEEE) of all its bytes.
    pub crc32: u32,
}

/// The name of shard number `index`.
pub(crate) fn shard_name(index: usize) -> String {
    format!("shard-{index:05}.safetensors")
}

impl Manifest {
    /// The manifest of a dataset that has no episode yet, for [`crate::Writer::create`].
    pub fn new(spec: &Spec, env: EnvRecord, mix: &PolicyMix, episode_steps: Option<usize>, seed: u64) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            seed,
            episode_steps,
            counts: Counts::default(),
            env,
            observation: spec.observation,
            action: spec.action.clone(),
            latents: None,
            episodes: FileRecord::default(),
            state: spec.state.clone(),
            labels: spec.labels.clone(),
            policies: mix
                .policies()
                .iter()
                .map(|(name, share)| PolicyRecord { name: name.clone(), share: *share })
                .collect(),
            shards: Vec::new(),
        }
    }

    /// Sizes of a frame, an action, a row of labels.
    pub fn shape(&self) -> Shape {
        Shape {
            pixels: self.observation,
            action: self.action.low.len(),
            labels: self.labels.iter().map(|label| label.size).sum(),
        }
    }

    /// The identity of its content: a checksum of the checksums of its files.
    pub fn identity(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let shards = self.shards.iter().map(|shard| shard.crc32);
        std::iter::once(self.episodes.crc32).chain(shards).for_each(|crc32| hasher.update(&crc32.to_le_bytes()));
        hasher.finalize()
    }

    /// Reads and checks the manifest of the dataset in `folder`.
    ///
    /// # Errors
    /// A file that is missing, of another version, or that contradicts itself.
    pub fn read(folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(MANIFEST);
        let missing = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        stays_inside(&missing)?;
        let text = std::fs::read_to_string(&path).map_err(DataError::io(&missing, "read the dataset's manifest"))?;
        // The version first: a newer manifest may have keys that this program does not know.
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| DataError::format(&path, "TOML", error, "valid TOML"))?;
        match table.get("format").and_then(toml::Value::as_str) {
            Some(FORMAT) => {}
            other => return Err(DataError::format(&path, "format", format!("{other:?}"), format!("\"{FORMAT}\""))),
        }
        match table.get("version") {
            Some(toml::Value::Integer(version)) if *version == i64::from(VERSION) => {}
            Some(other) => {
                return Err(DataError::format(&path, "version", other, format!("{VERSION}, which this program reads")));
            }
            None => return Err(DataError::format(&path, "version", "none", VERSION)),
        }
        let manifest: Self =
            toml::from_str(&text).map_err(|error| DataError::format(&path, "keys", error, "the keys of version 1"))?;
        manifest.check(&path)?;
        Ok(manifest)
    }

    /// Checks that the sizes are possible and agree with each other.
    pub(crate) fn check(&self, path: &Path) -> Result<(), DataError> {
        let ObservationSpace { channels, height, width } = self.observation;
        let labels = self.labels.iter().try_fold(0usize, |sum, label| sum.checked_add(label.size));
        for (what, found, least) in [
            ("observation.channels", Some(channels), 1),
            ("observation.height", Some(height), 1),
            ("observation.width", Some(width), 1),
            ("action.low", Some(self.action.low.len()), 1),
            ("state", Some(self.state.len()), 1),
            ("labels", labels, 0),
            ("policies", Some(self.policies.len()), 1),
        ] {
            if !found.is_some_and(|found| (least..=MOST).contains(&found)) {
                let found = found.map_or("more than memory can hold".to_owned(), |found| found.to_string());
                return Err(DataError::format(path, what, found, format!("a size from {least} to {MOST}")));
            }
        }
        if self.action.low.len() != self.action.high.len() {
            let (low, high) = (self.action.low.len(), self.action.high.len());
            return Err(DataError::format(path, "action.high", format!("{high} numbers"), format!("{low}, as in low")));
        }
        let total = |of: fn(&ShardRecord) -> usize| {
            self.shards.iter().try_fold(0usize, |sum, shard| sum.checked_add(of(shard)))
        };
        for (what, counted, said) in [
            ("counts.frames", total(|shard| shard.frames), self.counts.frames),
            ("counts.episodes", total(|shard| shard.episodes), self.counts.episodes),
        ] {
            if counted != Some(said) {
                let expected =
                    counted.map_or("a sum that memory can hold".to_owned(), |sum| format!("{sum}, as in the shards"));
                return Err(DataError::format(path, what, said, expected));
            }
        }
        for (index, shard) in self.shards.iter().enumerate() {
            let expected = shard_name(index);
            if shard.file != expected {
                return Err(DataError::format(path, format!("shards[{index}].file"), &shard.file, expected));
            }
        }
        Ok(())
    }
}

mod as_string {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod as_json {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &serde_json::Value, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<serde_json::Value, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

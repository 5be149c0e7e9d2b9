//! `[sweep]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Many runs of the experiment, made by `gedanken sweep`: every arm, at every point of the grid, with every draw and every seed. `gedanken train`
/// leaves it aside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SweepConfig {
    /// Seeds, such as `[1, 2, 3]`. Default: the experiment's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Lists of values, all combined with each other: `encoder.width = [16, 32]`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub grid: Map<String, Value>,
    /// Arms by name, each with the keys that it changes: `wide = { encoder.width = 64, predictor.width = 64 }`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub arms: Map<String, Value>,
    /// Values that are drawn at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomConfig>,
    /// Options of sbatch for `--slurm`, by their long names: `partition = "gpu"`, `gres = "gpu:1"`, `time = "4:00:00"`, `cpus-per-task = 8`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub slurm: Map<String, Value>,
}

/// Values that are drawn at random. Draw number *i* is a function of `seed` and *i*: more draws leave the earlier ones as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomConfig {
    /// Number of draws.
    #[schemars(range(min = 1, max = 10_000))]
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// For each key a list, of which one is drawn, or a range: `train.lr = { min = 1e-4, max = 1e-2, log = true }`; whole numbers where both ends are.
    pub keys: Map<String, Value>,
}

impl Default for RandomConfig {
    fn default() -> Self {
        Self { draws: 10, seed: 0, keys: Map::new() }
    }
}

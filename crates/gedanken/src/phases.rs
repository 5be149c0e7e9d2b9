//! Phases: a training in several parts, one after the other.

use gedanken_data::{DataConfig, LatentsConfig};
use gedanken_model::{LossConfig, PredictionConfig};
use gedanken_planner::PlannerConfig;
use gedanken_train::TrainConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Experiment;

/// A phase of a training, `[[phase]]`: the parts that learn in it, and keys of `[data]`, `[prediction]`, `[loss]`, `[train]` and `[planner]` that
/// are other ones than the experiment's. Its optimiser and schedules start anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhaseConfig {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Parts that learn, such as `["predictor"]`; the others stay as they are. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub learn: Option<Vec<String>>,
    /// Encodes the episodes once and learns from their latents; the parts that make latents cannot learn then. Default: every batch is encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<LatentsConfig>,
    /// Keys of `[data]`. With another `source`, `path` is not the experiment's.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "DataConfig")]
    pub data: Map<String, Value>,
    /// Keys of `[prediction]`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "PredictionConfig")]
    pub prediction: Map<String, Value>,
    /// Keys of `[loss]`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "LossConfig")]
    pub loss: Map<String, Value>,
    /// Keys of `[train]`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "TrainConfig")]
    pub train: Map<String, Value>,
    /// Keys of `[planner]`, for the planner of the phase's planned episodes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "PlannerConfig")]
    pub planner: Map<String, Value>,
}

/// A phase, ready to be trained.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name; none of a training of one phase.
    pub name: Option<String>,
    /// Its number, from 0.
    pub number: usize,
    /// The experiment as it is in this phase.
    pub experiment: Experiment,
    /// Updates before it.
    pub first: u64,
    /// Parts that learn, if not all.
    pub learn: Option<Vec<String>>,
    /// Latents to keep, if any.
    pub latents: Option<LatentsConfig>,
}

impl Phase {
    /// Updates at its end, those before it included.
    pub fn end(&self) -> u64 {
        self.first + self.experiment.train.steps
    }
}

/// Parts of a model that make its latents: they cannot learn from kept ones.
pub const MAKE_LATENTS: [&str; 4] = ["encoder", "proprioception", "norm", "target"];

impl Experiment {
    /// The phases of the training, one after the other: the experiment itself, where it names none.
    ///
    /// # Errors
    /// serde's, for a key that does not go with the experiment's own.
    pub fn phases(&self) -> Result<Vec<Phase>, serde_json::Error> {
        let whole = Phase {
            name: None,
            number: 0,
            experiment: Self { phase: Vec::new(), ..self.clone() },
            first: 0,
            learn: None,
            latents: None,
        };
        let mut phases: Vec<Phase> = Vec::new();
        for (number, phase) in self.phase.iter().enumerate() {
            let mut experiment = serde_json::to_value(&whole.experiment)?;
            if phase.data.get("source").is_some_and(|source| *source != experiment["data"]["source"])
                && let Some(data) = experiment["data"].as_object_mut()
            {
                data.remove("path");
            }
            for (table, keys) in [
                ("data", &phase.data),
                ("prediction", &phase.prediction),
                ("loss", &phase.loss),
                ("train", &phase.train),
                ("planner", &phase.planner),
            ] {
                lay(&mut experiment[table], keys);
            }
            let first = phases.last().map_or(0, Phase::end);
            phases.push(Phase {
                name: Some(phase.name.clone()),
                number,
                experiment: serde_json::from_value(experiment)?,
                first,
                learn: phase.learn.clone(),
                latents: phase.latents.clone(),
            });
        }
        if phases.is_empty() {
            phases.push(whole);
        }
        Ok(phases)
    }
}

/// Lays keys over a table, tables key by key.
fn lay(table: &mut Value, keys: &Map<String, Value>) {
    for (key, value) in keys {
        match (&mut table[key], value) {
            (below @ Value::Object(_), Value::Object(keys)) => lay(below, keys),
            (below, value) => *below = value.clone(),
        }
    }
}

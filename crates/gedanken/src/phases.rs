//! Phases: a training in several parts, one after the other.

use burn::tensor::Device;
use gedanken_data::{DataConfig, LatentsConfig, SourceKind, Split};
use gedanken_env::Env;
use gedanken_model::{LossConfig, Plan, PredictionConfig};
use gedanken_parts::PartError;
use gedanken_planner::PlannerConfig;
use gedanken_train::TrainConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{ConfigError, Loaded};
use crate::experiment::{at_its_key, check_planner};
use crate::{Experiment, Parts};

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

/// Refuses a phase's heads that are not those of the experiment: heads are made once, for all phases, and only their weight in the loss is a
/// phase's own.
fn same_heads(
    loaded: &Loaded<Experiment>,
    here: &Experiment,
    plan: &Plan,
    at: &str,
    env: &dyn Env,
    parts: &Parts,
) -> Result<(), ConfigError> {
    let wrong = |error: PartError| loaded.error(at, error.to_string());
    let (spaces, device) = (here.spaces(env), Device::flex());
    let made = parts.model.plan(&loaded.value.model()).map_err(wrong)?.heads(&spaces, &device);
    let loss =
        |experiment: &Experiment| parts.model.complete(&experiment.model()).map(|whole| whole.loss).map_err(wrong);
    let (whole, own) = (loss(&loaded.value)?, loss(here)?);
    for head in plan.heads(&spaces, &device) {
        if !made.contains(&head) {
            let message = "a head with weights of its own, which the experiment's own [loss] has not; expected it there, if need be with a \
                           weight of 0 in other phases";
            return Err(loaded.error(&format!("{at}.{head}"), message.to_owned()));
        }
        if let Some((key, value, stands)) = own.other_key(&whole, head) {
            let message =
                format!("{value}; the head is made once, for all phases, with {stands}: only its weight may differ");
            return Err(loaded.error(&format!("{at}.{head}.{key}"), message));
        }
    }
    Ok(())
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

/// Checks the phases, for what no schema can say.
///
/// # Errors
/// The first problem, at the place of its key.
pub(crate) fn check_phases(loaded: &Loaded<Experiment>, env: &dyn Env, parts: &Parts) -> Result<(), ConfigError> {
    let (experiment, known) = (&loaded.value, parts.model.names());
    let phases = experiment.phases().map_err(|error| loaded.error("phase", error.to_string()))?;
    for (number, phase) in phases.iter().enumerate().filter(|(_, phase)| phase.name.is_some()) {
        let at = |key: &str| format!("phase[{number}].{key}");
        if let Some(name) = phase.learn.iter().flatten().find(|name| !known.contains(&name.as_str())) {
            return Err(loaded.unknown(&at("learn"), "part", name, &known));
        }
        let here = &phase.experiment;
        let plan = parts.model.plan_of_phase(&here.model(), &experiment.model());
        let plan = plan.map_err(|error| loaded.error(&at("loss"), error.to_string()))?;
        let frozen = plan.frozen();
        if let Some(name) = phase.learn.iter().flatten().find(|name| frozen.contains(name)) {
            let message = format!("`{name}` is frozen; expected other parts, or {name}.frozen = false");
            return Err(loaded.error(&at("learn"), message));
        }
        if let Some((key, problem)) = plan.problem(&here.spaces(env), Some(here.data.window.time)) {
            return Err(loaded.error(&at(&key), problem));
        }
        same_heads(loaded, here, &plan, &at("loss"), env, parts)?;
        if here.data.window.frameskip != experiment.data.window.frameskip {
            let skip = experiment.data.window.frameskip;
            return Err(loaded.error(
                &at("data.window.frameskip"),
                format!("expected {skip}, as everywhere: it is the length of an action"),
            ));
        }
        if here.data.source == SourceKind::Stream
            && let Err(error) = here.data.open(env, Split::Train, experiment.seed)
        {
            return Err(at_its_key(loaded, &at(""), error));
        }
        if here.train.patience > 0 && number + 1 < phases.len() {
            let message =
                format!("{}; expected 0 in every phase but the last: the next begins at its end", here.train.patience);
            return Err(loaded.error(&at("train.patience"), message));
        }
        check_planner(here, &at("planner"), loaded, parts)?;
        let Some(latents) = &phase.latents else { continue };
        if latents.planned > 0 && env.spec().recorded.is_some() {
            let message = format!("{}; expected 0: {} cannot be planned in", latents.planned, env.spec().name);
            return Err(loaded.error(&at("latents.planned"), message));
        }
        let makes = |name: &&str| phase.learn.as_ref().is_none_or(|learn| learn.iter().any(|part| part == name));
        if let Some(name) = MAKE_LATENTS.iter().find(|name| makes(name)) {
            let message = format!(
                "expected parts without `{name}`, which makes the latents that are kept: learn = [\"predictor\"]"
            );
            return Err(loaded.error(&at("learn"), message));
        }
        if let Some(part) = plan.looks() {
            let message =
                format!("`{part}` looks at pictures, which there are none of; expected no such part, or no latents");
            return Err(loaded.error(&at("latents"), message));
        }
    }
    Ok(())
}

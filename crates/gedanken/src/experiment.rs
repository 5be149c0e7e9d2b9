//! An experiment: one TOML file, the parts' own configs side by side.

use std::path::{Path, PathBuf};

use gedanken_data::{CollectConfig, DataConfig, DataError, PolicyMix, SourceKind, Split};
use gedanken_eval::{EvalConfig, GuardrailConfig, ModelPart, TasksFrom};
use gedanken_model::{LossConfig, ModelConfig, PredictionConfig, ProprioceptionConfig, Statistics};
use gedanken_nn::{Precision, Spaces};
use gedanken_parts::{PartError, Table};
use gedanken_planner::{PlanError, PlannerConfig};
use gedanken_train::TrainConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Parts;
use crate::config::{ConfigError, EnvConfig, Loaded};
use crate::phases::{PhaseConfig, check_phases};
use crate::sweep::SweepConfig;

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Experiment {
    /// The experiment's name: runs stand in `<runs>/<name>/`.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Seed of weights, data and shuffling. The tasks of the evaluation have their own.
    pub seed: u64,
    /// Folder of all runs; `~` is the home folder. Default `runs`.
    pub runs: PathBuf,
    /// Where tensors live: `auto`, `cpu`, `wgpu`, `vulkan`, … Default `auto`.
    pub device: String,
    /// Precision of a GPU's products: `f32`, `f16` or `bf16`, where it can; weights and statistics are `f32` whatever it is. Default `f32`:
    /// that half precision trains as well has not been shown.
    pub precision: Precision,
    /// Mean and standard deviation of the pixels: measured on the data; those of ImageNet, which encoders take that learned from photographs; or
    /// EB-JEPA's constants for Two-Rooms, each channel of each frame stretched to 0..1 first.
    pub pixels: PixelStatistics,
    /// Actions as the model takes them: as they are, or normalised by their mean and standard deviation in the data. Plans, bounds
    /// and data are in the environment's units either way. Default `raw`.
    pub actions: ActionStatistics,
    /// Another run whose weights this one starts from, relative to the working folder. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// The environment.
    pub env: EnvConfig,
    /// Training data.
    pub data: DataConfig,
    /// Observation to latent. Default `kind = "patch"`.
    pub encoder: Table,
    /// Labels that the agent feels of itself, beside what it sees.
    pub proprioception: ProprioceptionConfig,
    /// Latent and action to the next latent. Default `kind = "conv"`.
    pub predictor: Table,
    /// The predictor's latent variable: what the past does not tell about the next latent. Default `kind = "none"`.
    pub latent_variable: Table,
    /// The way predictions are made in training.
    pub prediction: PredictionConfig,
    /// Latents that predictions should meet. Default `kind = "online"`.
    pub target: Table,
    /// The terms of the loss. Default: prediction, variance, covariance, time_similarity, inverse_dynamics, distance and probe; a table adds one,
    /// `weight = 0` leaves one out.
    pub loss: LossConfig,
    /// Length, rates and rhythm of the training.
    pub train: TrainConfig,
    /// The planner.
    pub planner: PlannerConfig,
    /// The protocol of the evaluation.
    pub eval: EvalConfig,
    /// The dataset that `gedanken collect` writes.
    pub collect: CollectConfig,
    /// Phases of the training, one after the other. Default none: a single one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<PhaseConfig>,
    /// Many runs of the experiment, made by `gedanken sweep`; `gedanken train` leaves it aside. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepConfig>,
}

/// Another run to start from: `"RUN"`, or `{ run = "RUN", parts = ["encoder"], freeze = true }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum From {
    /// A run or a checkpoint: its weights are taken wherever name and shape agree.
    Run(PathBuf),
    /// Some parts of it.
    Parts(FromParts),
}

/// Parts of another run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromParts {
    /// The run or checkpoint.
    pub run: PathBuf,
    /// Its parts: `encoder`, `proprioception`, `predictor`, `latent_variable`, `norm`, `target`, or names of terms of the loss. Default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub parts: Option<Vec<String>>,
    /// Freezes the parts, which must be named then: a new head is trained on a frozen model. Default false.
    #[serde(default)]
    pub freeze: bool,
}

impl From {
    /// The run, the parts (all, if none are named), and whether they are frozen.
    pub fn whole(&self) -> FromParts {
        match self {
            Self::Run(run) => FromParts { run: run.clone(), parts: None, freeze: false },
            Self::Parts(parts) => parts.clone(),
        }
    }
}

/// Where the pixels' mean and standard deviation come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PixelStatistics {
    /// Measured on the first batches.
    #[default]
    Measured,
    /// Those of ImageNet's photographs, in red, green and blue.
    Imagenet,
    /// EB-JEPA's constants for Two-Rooms, behind a stretch of every channel of every frame.
    EbJepa,
}

impl PixelStatistics {
    /// Those that a model was made for.
    pub fn of(statistics: &Statistics) -> Self {
        match statistics {
            Statistics { stretch: true, .. } => Self::EbJepa,
            statistics if statistics.has_imagenet_pixels() => Self::Imagenet,
            _ => Self::Measured,
        }
    }
}

/// Actions as the model takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionStatistics {
    /// In the environment's units.
    #[default]
    Raw,
    /// Every number of a control step less its mean, over its standard deviation: those of all training episodes of a dataset, or of the
    /// first 512 of a stream.
    ZScore,
}

impl Default for Experiment {
    fn default() -> Self {
        let model = ModelConfig::default();
        Self {
            name: "experiment".to_owned(),
            seed: 1,
            runs: PathBuf::from("runs"),
            device: "auto".to_owned(),
            precision: Precision::default(),
            pixels: PixelStatistics::default(),
            actions: ActionStatistics::default(),
            from: None,
            env: EnvConfig { name: "two-rooms".to_owned(), ..EnvConfig::default() },
            data: DataConfig::default(),
            encoder: model.encoder,
            proprioception: model.proprioception,
            predictor: model.predictor,
            latent_variable: model.latent_variable,
            prediction: model.prediction,
            target: model.target,
            loss: model.loss,
            train: TrainConfig::default(),
            planner: PlannerConfig::default(),
            eval: EvalConfig::default(),
            collect: CollectConfig::default(),
            phase: Vec::new(),
            sweep: None,
        }
    }
}

impl Experiment {
    /// The parts of the world model.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            encoder: self.encoder.clone(),
            proprioception: self.proprioception.clone(),
            predictor: self.predictor.clone(),
            latent_variable: self.latent_variable.clone(),
            prediction: self.prediction.clone(),
            target: self.target.clone(),
            loss: self.loss.clone(),
        }
    }

    /// This experiment with every key of its parts in place, also those left to their defaults.
    ///
    /// # Errors
    /// [`PartError`] for a part that nobody knows, or a table it cannot be made from.
    pub fn complete(self, parts: &Parts) -> Result<Self, PartError> {
        let ModelConfig { encoder, proprioception, predictor, latent_variable, prediction, target, loss } =
            parts.model.complete(&self.model())?;
        let planner = self.planner.complete(&parts.strategies)?;
        Ok(Self { planner, encoder, proprioception, predictor, latent_variable, prediction, target, loss, ..self })
    }

    /// The same with other paths for what it reads: datasets, also replayed ones, the run that it starts from, and the encoder's weights.
    #[must_use]
    pub fn with_inputs(mut self, change: &dyn Fn(&Path) -> PathBuf) -> Self {
        self.data.path = self.data.path.as_deref().map(change);
        match &mut self.from {
            Some(From::Run(run) | From::Parts(FromParts { run, .. })) => *run = change(run),
            None => {}
        }
        // Recordings are an environment that is a dataset.
        let replayed = (self.env.name == gedanken_recordings::NAME).then(|| self.env.options.get_mut("path")).flatten();
        let of_phases = self.phase.iter_mut().filter_map(|phase| phase.data.get_mut("path"));
        for path in self.encoder.keys.get_mut("weights").into_iter().chain(replayed).chain(of_phases) {
            if let Some(text) = path.as_str() {
                *path = change(Path::new(text)).display().to_string().into();
            }
        }
        self
    }

    /// Sizes of an environment's observations for this experiment's model, and of the blocks of actions that it takes.
    pub fn spaces(&self, env: &dyn gedanken_env::Env) -> Spaces {
        let spec = env.spec();
        let space = spec.observation;
        Spaces {
            pixels: [space.channels, space.height, space.width],
            action: spec.action.len() * self.data.window.frameskip,
            labels: spec.label_len(),
            proprioception: self.proprioception.labels.iter().flat_map(|name| spec.label_columns(name)).collect(),
        }
    }
}

/// Keys that do not go together, which no schema can say.
///
/// # Errors
/// The first problem, at the place of its key.
pub(crate) fn check(
    loaded: &Loaded<Experiment>,
    env: &dyn gedanken_env::Env,
    parts: &Parts,
) -> Result<(), ConfigError> {
    let experiment = &loaded.value;
    let name = &experiment.name;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || name.starts_with('.') {
        return Err(loaded.error("name", format!("\"{name}\"; expected letters, digits and - _ .: it names a folder")));
    }
    let plan = parts.model.plan(&experiment.model()).map_err(|error| loaded.error("", error.to_string()))?;
    if let Some((key, problem)) = plan.problem(&experiment.spaces(env), Some(experiment.data.window.time)) {
        return Err(loaded.error(&key, problem));
    }
    let channels = env.spec().observation.channels;
    if experiment.pixels == PixelStatistics::Imagenet && channels != 3 {
        let message = format!(
            "\"imagenet\"; expected \"measured\": pictures of {} have {channels} channels, not red, green and blue",
            env.spec().name
        );
        return Err(loaded.error("pixels", message));
    }
    check_parts(loaded, &parts.model.names())?;
    check_phases(loaded, env, parts)?;
    let known = &env.spec().labels;
    let mut felt = experiment.proprioception.labels.iter();
    if let Some(name) = felt.find(|name| known.iter().all(|label| label.name != **name)) {
        let known: Vec<&str> = known.iter().map(|label| label.name.as_str()).collect();
        let message = format!("\"{name}\" is no label of {}; there are {}", env.spec().name, known.join(", "));
        return Err(loaded.error("proprioception.labels", message));
    }
    let append = experiment.proprioception.append;
    if experiment.proprioception.raw && append > 0 {
        let message = format!("true; expected false, or no proprioception.append beside it, which is {append}");
        return Err(loaded.error("proprioception.raw", message));
    }
    if let Err(error) = experiment.data.window.validate() {
        return Err(loaded.error("data.window", error.to_string()));
    }
    if experiment.data.source == SourceKind::Stream
        && let Err(error) = experiment.data.open(env, Split::Train, experiment.seed)
    {
        return Err(at_its_key(loaded, "", error));
    }
    if let Err(DataError::Config { key, found, expected }) = PolicyMix::new(&experiment.collect.policies, env.spec()) {
        let key = key.replacen("data.", "collect.", 1);
        return Err(loaded.error(&key, format!("{found}; expected {expected}")));
    }
    check_planner(experiment, "planner", loaded, parts)?;
    if experiment.planner.plan.proposals && !experiment.loss.has("actor") {
        let message = "true; expected a model with an actor, [loss.actor], or false";
        return Err(loaded.error("planner.proposals", message));
    }
    let eval = &experiment.eval;
    let wrong = eval.guardrails.iter().enumerate().find_map(|(i, guardrail)| Some((i, guardrail.problem(env.spec())?)));
    if let Some((number, problem)) = wrong {
        return Err(loaded.error("eval.guardrails", format!("number {number}: {problem}")));
    }
    let recorded = eval.tasks_from == TasksFrom::Recorded;
    if eval.skip_solved && !recorded {
        return Err(loaded.error("eval.skip_solved", "true; expected false, or eval.tasks_from = \"recorded\""));
    }
    let steps = experiment.data.episode_steps;
    if recorded && experiment.data.source == SourceKind::Stream && eval.goal_offset > steps {
        let offset = eval.goal_offset;
        let message = format!("{offset}; expected at most data.episode_steps = {steps}, from which tasks are cut");
        return Err(loaded.error("eval.goal_offset", message));
    }
    if recorded && eval.budget < eval.goal_offset {
        let (budget, offset) = (eval.budget, eval.goal_offset);
        let message = format!("{budget}; expected at least eval.goal_offset = {offset}, what the recording took");
        return Err(loaded.error("eval.budget", message));
    }
    let has = |part| match part {
        ModelPart::Distance => experiment.loss.has("distance"),
        ModelPart::Proprioception => !experiment.proprioception.labels.is_empty(),
        ModelPart::Ensemble => experiment.loss.has("ensemble"),
        ModelPart::Probe => !env.spec().labels.is_empty() && experiment.loss.has("probe"),
    };
    if let Some(problem) = eval.objective.problem(&has) {
        return Err(loaded.error("eval.objective", problem));
    }
    if let Some(part) = eval.guardrails.iter().filter_map(GuardrailConfig::needs).find(|part| !has(*part)) {
        return Err(loaded.error("eval.guardrails", format!("they need a model with {}", part.key())));
    }
    Ok(())
}

/// Parts of the model that are named by an experiment: those of another run, and those with learning rates of their own.
fn check_parts(loaded: &Loaded<Experiment>, known: &[&str]) -> Result<(), ConfigError> {
    let unknown = |name: &&String| !known.contains(&name.as_str());
    match loaded.value.from.as_ref().map(From::whole) {
        Some(FromParts { parts: None, freeze: true, .. }) => {
            let message =
                "true; expected the parts to be named that stay as they are: parts = [\"encoder\", \"predictor\"]";
            return Err(loaded.error("from.freeze", message));
        }
        Some(FromParts { parts: Some(named), .. }) => {
            if let Some(name) = named.iter().find(unknown) {
                return Err(loaded.unknown("from.parts", "part", name, known));
            }
        }
        _ => {}
    }
    let train = &loaded.value.train;
    if train.patience > 0 && train.keep_best.is_none() {
        let message = format!("{}; expected a number that is to improve, train.keep_best", train.patience);
        return Err(loaded.error("train.patience", message));
    }
    let rates = &train.rates;
    if let Some(name) = rates.keys().find(unknown) {
        return Err(loaded.unknown(&format!("train.rates.{name}"), "part", name, known));
    }
    match rates.iter().find(|(_, rate)| !(0.0..f64::INFINITY).contains(*rate)) {
        Some((name, rate)) => {
            Err(loaded.error(&format!("train.rates.{name}"), format!("{rate}; expected a number of at least 0")))
        }
        None => Ok(()),
    }
}

/// The planner of an experiment, whose table is `at`.
pub(crate) fn check_planner(
    experiment: &Experiment,
    at: &str,
    loaded: &Loaded<Experiment>,
    parts: &Parts,
) -> Result<(), ConfigError> {
    match experiment.planner.init(&parts.strategies) {
        Ok(_) => Ok(()),
        Err(PlanError::Config { field, reason }) => Err(loaded.error(&format!("{at}.{field}"), reason)),
        Err(error) => Err(loaded.error(at, error.to_string())),
    }
}

/// The data's own error at the place of the key that it names, in a table with this prefix.
pub(crate) fn at_its_key(loaded: &Loaded<Experiment>, prefix: &str, error: DataError) -> ConfigError {
    match error {
        DataError::Config { key, found, expected } => {
            loaded.error(&format!("{prefix}{key}"), format!("{found}; expected {expected}"))
        }
        other => loaded.error(&format!("{prefix}data"), other.to_string()),
    }
}

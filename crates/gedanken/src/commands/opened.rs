//! A run's model, opened: that its files are whole, and that it is made for what the experiment says.

use std::path::{Path, PathBuf};

use gedanken_env::{Env, Spec};
use gedanken_eval::Protocol;
use gedanken_model::{Blueprint, ModelConfig, WorldModel};
use gedanken_run::{Checkpoint, RunFolder};
use gedanken_train::{load_model, newest_whole, verify};

use super::{Failure, pick_device, protocol, read};
use crate::device::Chosen;
use crate::provenance::{self, CheckpointRecord, Provenance};
use crate::{ActionStatistics, Experiment, Parts, PixelStatistics};

/// Refuses a run of a version whose models this program cannot build; the first line of a run's config names its version.
pub(super) fn same_version(config: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(config).unwrap_or_default();
    let made_by = text.strip_prefix("# gedanken ").and_then(|rest| rest.split([';', '\n', ' ']).next());
    match made_by.filter(|version| !version.starts_with(gedanken_model::COMPATIBLE)) {
        Some(version) => Err(format!(
            "{}: a run of gedanken {version}; this is {}, which cannot load its model: evaluate it with the program that made it, or \
             train it again",
            config.display(),
            env!("CARGO_PKG_VERSION")
        )
        .into()),
        None => Ok(()),
    }
}

/// A run's model, and its experiment with some values changed.
pub struct Opened {
    /// The run.
    pub folder: RunFolder,
    /// Updates behind the model.
    pub step: u64,
    /// The checkpoint's folder.
    pub checkpoint: PathBuf,
    /// The run's own experiment.
    pub run: Experiment,
    /// The same with the overrides.
    pub experiment: Experiment,
    /// `KEY=VALUE`, as behind `--set`.
    pub overrides: Vec<String>,
    /// The experiment's environment.
    pub env: Box<dyn Env>,
    /// The model, without autodiff.
    pub model: WorldModel,
    /// Its parts and statistics.
    pub blueprint: Blueprint,
    /// Where it lives.
    pub chosen: Chosen,
}

/// Opens the model of a run (its folder, for the last checkpoint, or one of its checkpoints) for an experiment that differs from the run's
/// own by `overrides`, `KEY=VALUE` as behind `--set`, on a [device](crate::device::choose) or the experiment's own.
///
/// # Errors
/// A sentence: no run, a damaged checkpoint, an impossible value, another architecture or environment than the model's, no such device.
pub fn open(run: &Path, overrides: &[String], device: Option<&str>, parts: &Parts) -> Result<Opened, Failure> {
    let (folder, checkpoint) = RunFolder::open_checkpoint(run)?;
    let config = folder.config();
    same_version(&config)?;
    // Recordings that the environment replays may have moved since.
    let moved: Vec<String> = overrides.iter().filter(|set| set.starts_with("env.path=")).cloned().collect();
    let (run, made_for) = read(&config, &[], parts).or_else(|error| match moved.is_empty() {
        true => Err(error),
        false => read(&config, &moved, parts),
    })?;
    let (mut experiment, env) = read(&config, overrides, parts)?;
    same_meaning(env.spec(), made_for.spec(), &format!("{}: env", config.display()))?;
    let chosen = pick_device(device, &experiment)?;
    experiment.device = device.map_or(experiment.device, str::to_owned);
    let (model, blueprint) = open_model(&folder, &checkpoint, parts, &chosen)?;
    same_spaces(&experiment, env.as_ref(), &blueprint, &config)?;
    same_architecture(&experiment, &blueprint.model, &config)?;
    let (step, checkpoint, overrides) = (checkpoint.step, checkpoint.path, overrides.to_vec());
    Ok(Opened { folder, step, checkpoint, run, experiment, overrides, env, model, blueprint, chosen })
}

impl Opened {
    /// The protocol of its experiment.
    ///
    /// # Errors
    /// A sentence: a protocol that does not go with the model, or recordings that are not there.
    pub fn protocol(&self, parts: &Parts) -> Result<Protocol, Failure> {
        protocol(&self.experiment, &self.folder.config(), &self.blueprint, &self.chosen, parts)
    }

    /// The provenance of a number of this model, measured in the experiment's own environment.
    pub(super) fn provenance(&self) -> Result<Provenance, Failure> {
        let checkpoint = CheckpointRecord::of(&self.checkpoint, self.step)?;
        let mut provenance = Provenance::new(&self.experiment, self.env.as_ref(), checkpoint, &self.chosen.name);
        provenance.config = self.folder.config();
        provenance.overrides.clone_from(&self.overrides);
        provenance.differs = provenance::differences(&self.run, &self.experiment);
        let (made_by, version) = (&self.blueprint.version, env!("CARGO_PKG_VERSION"));
        if made_by != version {
            provenance.differs.push(format!("gedanken {version} (the run: {made_by})"));
        }
        Ok(provenance)
    }
}

/// Refuses an environment in which a model of another would misread what it sees or does; `key` is its table.
pub(super) fn same_meaning(env: &Spec, made_for: &Spec, key: &str) -> Result<(), Failure> {
    match env.misread(made_for) {
        Some(difference) => Err(format!("{key}: {difference}").into()),
        None => Ok(()),
    }
}

/// The model of a run's checkpoint. Where its files are damaged, the error names the newest checkpoint that is whole.
pub(super) fn open_model(
    folder: &RunFolder,
    checkpoint: &Checkpoint,
    parts: &Parts,
    chosen: &Chosen,
) -> Result<(WorldModel, Blueprint), Failure> {
    load_model(&checkpoint.path, &parts.model, &chosen.device)
        .map_err(|error| damaged(folder, checkpoint, error.into()))
}

/// An error of a checkpoint, with the newest whole one where it is damaged.
pub(super) fn damaged(folder: &RunFolder, checkpoint: &Checkpoint, error: Failure) -> Failure {
    if verify(&checkpoint.path).is_ok() {
        return error;
    }
    match newest_whole(folder) {
        Ok(Some(whole)) => format!("{error}; the newest whole checkpoint is {}", whole.path.display()).into(),
        Ok(None) => format!("{error}; no checkpoint of {} is whole", folder.path().display()).into(),
        Err(_) => error,
    }
}

/// Refuses a model that was made for other observations, pixels or actions than those of the experiment that `config` holds.
pub(super) fn same_spaces(
    experiment: &Experiment,
    env: &dyn Env,
    blueprint: &Blueprint,
    config: &Path,
) -> Result<(), Failure> {
    let config = config.display();
    let (found, expected) = (experiment.spaces(env), &blueprint.spaces);
    if found != *expected {
        return Err(format!("{config}: env: {found}; the model was made for {expected}").into());
    }
    let (found, expected) = (experiment.pixels, PixelStatistics::of(&blueprint.statistics));
    if found != expected {
        let [found, expected] = [found, expected].map(|pixels| serde_json::to_string(&pixels).unwrap_or_default());
        return Err(format!("{config}: pixels: {found}; the model was made for {expected}").into());
    }
    match (experiment.actions, blueprint.statistics.takes_raw_actions()) {
        (ActionStatistics::Raw, true) | (ActionStatistics::ZScore, false) => Ok(()),
        (_, true) => Err(format!("{config}: actions: \"z-score\"; the model was made for \"raw\"").into()),
        (_, false) => Err(format!("{config}: actions: \"raw\"; the model was made for \"z-score\"").into()),
    }
}

/// A run goes on with the architecture it has: what the experiment says of it must still be true. The loss is another thing: its
/// weights may change.
pub(super) fn same_architecture(experiment: &Experiment, stored: &ModelConfig, config: &Path) -> Result<(), Failure> {
    let asked = experiment.model();
    // Through text, as the stored one went: reading a number may round it.
    let parts = |model: &ModelConfig| -> Result<[(&str, String); 6], Failure> {
        Ok([
            ("encoder", serde_json::to_string(&model.encoder)?),
            ("proprioception", serde_json::to_string(&model.proprioception)?),
            ("predictor", serde_json::to_string(&model.predictor)?),
            ("latent_variable", serde_json::to_string(&model.latent_variable)?),
            ("prediction.shared_norm", model.prediction.shared_norm.to_string()),
            ("target", serde_json::to_string(&model.target)?),
        ])
    };
    let pairs = parts(&asked)?.into_iter().zip(parts(stored)?);
    match pairs.map(|((key, asked), (_, stored))| (key, asked, stored)).find(|(_, asked, stored)| asked != stored) {
        Some((key, asked, stored)) => Err(format!(
            "{}: {key}: {asked}; the checkpoint has {stored}, which cannot be changed any more",
            config.display()
        )
        .into()),
        None => Ok(()),
    }
}

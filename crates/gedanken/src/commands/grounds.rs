//! The grounds of a protocol: its environment, and the recordings that its tasks may be cut from. No model is needed for them.

use std::path::Path;
use std::sync::Arc;

use gedanken_data::{Source, Split};
use gedanken_env::Env;
use gedanken_eval::{EvalError, Tasks, TasksFrom};
use gedanken_run::RunFolder;

use super::opened::{same_meaning, same_version};
use super::{Failure, read};
use crate::config::EnvOverrides;
use crate::{Experiment, Parts};

/// The grounds of an experiment's protocol, for actors that are not its model.
pub struct Grounds {
    /// The experiment, every default in place.
    pub experiment: Experiment,
    /// The environment, with the protocol's options.
    pub env: Box<dyn Env>,
    /// The episodes that recorded tasks are cut from.
    pub source: Option<Arc<dyn Source>>,
}

impl Grounds {
    /// Those of an experiment's TOML file, or of a run (its folder or one of its checkpoints); `overrides` are `KEY=VALUE`, as behind
    /// `--set`.
    ///
    /// # Errors
    /// A sentence: a file that is no experiment, an impossible value, an environment or recordings that are not there.
    pub fn open(place: &Path, overrides: &[String], parts: &Parts) -> Result<Self, Failure> {
        let config = if place.is_file() { place.to_owned() } else { RunFolder::open(place)?.config() };
        same_version(&config)?;
        let (experiment, _) = read(&config, overrides, parts)?;
        let [env, recorder] = environments(&experiment, &config, parts)?;
        let source = recordings(&experiment, env.as_ref(), recorder.as_ref())?;
        Ok(Self { experiment, env, source })
    }

    /// The first `count` tasks of the protocol.
    ///
    /// # Errors
    /// An environment without a task, or what [`Tasks::recorded`] says.
    pub fn tasks(&self, count: usize) -> Result<Tasks<'_>, EvalError> {
        self.env.spec().require_task()?;
        let (env, config) = (self.env.as_ref(), &self.experiment.eval);
        match &self.source {
            Some(source) => Tasks::recorded(env, config, count, source.as_ref()),
            None => Ok(Tasks::of(env, config, count)),
        }
    }
}

/// The environment with the protocol's options, and the training's own, of which recordings are.
pub(super) fn environments(
    experiment: &Experiment,
    config: &Path,
    parts: &Parts,
) -> Result<[Box<dyn Env>; 2], Failure> {
    let overrides: EnvOverrides = serde_json::from_value(serde_json::Value::Object(experiment.eval.env.clone()))?;
    let env = experiment.env.with(&overrides).make(&parts.environments)?;
    let recorder = experiment.env.make(&parts.environments)?;
    same_meaning(env.spec(), recorder.spec(), &format!("{}: eval.env", config.display()))?;
    Ok([env, recorder])
}

/// The episodes that recorded tasks are cut from: those of the training's own environment, whatever is shifted in evaluation, and of the
/// protocol's seed. None where tasks are drawn by resets.
pub(super) fn recordings(
    experiment: &Experiment,
    env: &dyn Env,
    recorder: &dyn Env,
) -> Result<Option<Arc<dyn Source>>, Failure> {
    let replays = env.spec().recorded.is_some();
    if experiment.eval.tasks_from == TasksFrom::Reset && !replays {
        return Ok(None);
    }
    let source = experiment.data.open_episodes(recorder, Split::Validation, experiment.eval.seed)?;
    if replays {
        let (frameskip, eval) = (experiment.data.window.frameskip, &experiment.eval);
        let steps = experiment.planner.plan.horizon.min(eval.budget.div_ceil(frameskip)).max(1) * frameskip;
        let longest = source.lengths().unwrap_or_default().into_iter().max().unwrap_or(0).saturating_sub(1);
        if longest < steps {
            let horizon = experiment.planner.plan.horizon;
            return Err(format!(
                "planner.horizon: {horizon} blocks of data.window.frameskip = {frameskip} control steps; the longest episode kept from training has {longest}"
            )
            .into());
        }
        return Ok(Some(source));
    }
    // What is wrong with them is better known before a training than after it.
    Tasks::recorded(env, &experiment.eval, 1, source.as_ref())?;
    Ok(Some(source))
}

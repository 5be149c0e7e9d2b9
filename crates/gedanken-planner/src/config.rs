//! One flat set of settings for every planner.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Bounds, Cem, Mppi, PlanError, Planner};

/// How to plan. Presets: [`PlannerConfig::eb_jepa_cem`], [`PlannerConfig::eb_jepa_mppi`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlannerConfig {
    /// Which planner.
    pub kind: Kind,
    /// Actions a plan looks ahead; near the end of an episode only as many as are left.
    #[schemars(range(min = 1))]
    pub horizon: usize,
    /// Rounds of sampling and refitting.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Action sequences tried per round and task.
    #[schemars(range(min = 2))]
    pub samples: usize,
    /// Best sequences of a round that the next distribution is fitted to. Left out: an eighth of the samples, at least two,
    /// for CEM; all of them for MPPI.
    #[schemars(range(min = 2))]
    pub elites: Option<usize>,
    /// Best sequences of a round that take part in the next round too; the warm start takes part in the first.
    #[schemars(range(min = 0))]
    pub keep: usize,
    /// Standard deviation of the first round, in the actions' units.
    #[schemars(range(min = 0.0))]
    pub init_std: f32,
    /// Least standard deviation of the later rounds, in the actions' units. MPPI at a small temperature lives on it.
    #[schemars(range(min = 0.0))]
    pub min_std: f32,
    /// Share of the old mean and standard deviation in the new ones: 0 forgets them, 1 would never learn.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f32,
    /// Correlation of the noise of consecutive control steps: 0 is white, near 1 pushes one way for long.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smoothness: f32,
    /// MPPI: the energy difference over which a sequence's weight falls by e. Left to CEM it does nothing.
    #[schemars(range(min = 0.0))]
    pub temperature: f32,
    /// Which sequence is the plan.
    pub returns: Returned,
    /// Which imagined steps count.
    pub over: Over,
    /// Greatest Euclidean norm of a control step's action, in place of the environment's own limit.
    #[schemars(range(min = 0.0))]
    pub max_norm: Option<f32>,
    /// Actions executed before the next plan.
    #[schemars(range(min = 1))]
    pub replan_every: usize,
    /// Whether a plan starts from what is left of the one before, or from zero actions.
    pub warm_start: bool,
    /// Most futures imagined at once, which bounds the memory; results do not depend on it.
    #[schemars(range(min = 1))]
    pub max_rows: usize,
}

/// Which planner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Cross-entropy method: refit a Gaussian to the best sequences.
    #[default]
    Cem,
    /// Model-predictive path integral control: refit it to sequences weighted by their energies.
    Mppi,
}

/// Which sequence a sampling planner returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Returned {
    /// The mean of the last distribution, or the best sequence where the mean's energy is not finite.
    #[default]
    Mean,
    /// The sequence of the lowest energy seen.
    Best,
    /// One of the last round's elites, drawn by their weights.
    Elite,
}

/// Which imagined steps' energies a plan's energy is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// All, summed: arriving early pays.
    #[default]
    Sum,
    /// All, averaged: as the sum, in units that do not depend on the horizon.
    Mean,
    /// The last alone: only where a plan ends matters.
    Last,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        PlannerConfig {
            kind: Kind::Cem,
            horizon: 16,
            iterations: 3,
            samples: 64,
            elites: None,
            keep: 1,
            init_std: 1.0,
            min_std: 0.05,
            momentum: 0.0,
            smoothness: 0.5,
            temperature: 0.1,
            returns: Returned::Mean,
            over: Over::Sum,
            max_norm: None,
            replan_every: 4,
            warm_start: true,
            max_rows: 1024,
        }
    }
}

impl PlannerConfig {
    /// How many sequences the next distribution is fitted to: `elites`, or the planner's default.
    pub fn elites(&self) -> usize {
        self.elites.unwrap_or(match self.kind {
            Kind::Cem => (self.samples / 8).max(2),
            Kind::Mppi => self.samples,
        })
    }

    /// The planner, for actions within `bounds`; `max_norm` replaces their greatest norm.
    ///
    /// # Errors
    /// What [`PlannerConfig::validate`] says, or bounds that do not go with `max_norm`.
    pub fn init(&self, bounds: Bounds) -> Result<Box<dyn Planner>, PlanError> {
        Ok(match self.kind {
            Kind::Cem => Box::new(Cem::new(self, bounds)?),
            Kind::Mppi => Box::new(Mppi::new(self, bounds)?),
        })
    }

    /// Whether the settings can work.
    ///
    /// # Errors
    /// The first setting that cannot, and why.
    pub fn validate(&self) -> Result<(), PlanError> {
        let check = |ok: bool, field, reason: String| if ok { Ok(()) } else { Err(PlanError::config(field, reason)) };
        let at_least = |value: usize, least: usize, field| {
            check(value >= least, field, format!("{value} is too few; expected {least} or more"))
        };
        let between = |value: f32, ok: bool, field, range| {
            check(value.is_finite() && ok, field, format!("{value} is out of range; expected {range}"))
        };
        at_least(self.horizon, 1, "horizon")?;
        at_least(self.iterations, 1, "iterations")?;
        at_least(self.samples, 2, "samples")?;
        at_least(self.elites(), 2, "elites")?;
        at_least(self.replan_every, 1, "replan_every")?;
        at_least(self.max_rows, 1, "max_rows")?;
        let (elites, samples) = (self.elites(), self.samples);
        check(elites <= samples, "elites", format!("{elites} elites of {samples} samples; expected at most as many"))?;
        let keep = self.keep;
        check(keep <= elites, "keep", format!("{keep} kept of {elites} elites; expected at most as many"))?;
        check(keep < samples, "keep", format!("{keep} kept of {samples} samples; nothing new would be tried"))?;
        let (every, horizon) = (self.replan_every, self.horizon);
        check(every <= horizon, "replan_every", format!("{every} is more than the horizon of {horizon} actions"))?;
        between(self.init_std, self.init_std > 0.0, "init_std", "a positive number")?;
        between(self.min_std, self.min_std >= 0.0, "min_std", "0 or more")?;
        between(self.momentum, (0.0..1.0).contains(&self.momentum), "momentum", "0 to below 1")?;
        between(self.smoothness, (0.0..1.0).contains(&self.smoothness), "smoothness", "0 to below 1")?;
        between(self.temperature, self.temperature > 0.0, "temperature", "a positive number")?;
        match self.max_norm {
            Some(norm) => between(norm, norm > 0.0, "max_norm", "a positive number"),
            None => Ok(()),
        }
    }
}

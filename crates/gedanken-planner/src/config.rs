//! One flat set of settings for every planner.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gradient::Gradient;
use crate::search::Sampling;
use crate::{Bounds, PlanError, Planner, cem, icem, mppi, shooting};

/// How to plan. Presets: [`PlannerConfig::eb_jepa_cem`], [`PlannerConfig::eb_jepa_mppi`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlannerConfig {
    /// Which planner.
    pub kind: Kind,
    /// Actions a plan looks ahead; near the end of an episode only as many as are left.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub horizon: usize,
    /// Rounds of sampling and refitting, or steps of a descent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iterations: usize,
    /// Action sequences tried per round and task; a descent can do with one.
    #[schemars(range(min = 1, max = 1_000_000))]
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
    /// MPPI: whether the standard deviation follows the weighted sequences, or stays `init_std`.
    pub update_std: bool,
    /// iCEM: exponent of the noise's power spectrum along a sequence; 0 is white, 2 Brownian. It has this in place of
    /// `smoothness`.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub color: f32,
    /// iCEM: every round has this many times fewer samples than the one before.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub decay: f32,
    /// Gradient, Adam and `polish`: length of the first step per number of the sequence, in the actions' units; it falls to
    /// nothing over the iterations.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f32,
    /// Random, CEM, iCEM, MPPI: steps of Adam that the last round's elites take down the gradient in the end; the best sequence
    /// is the plan then. 0: none.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub polish: usize,
    /// A task's search ends when its lowest energy has fallen, in the last `patience` rounds, by no more than this share of what
    /// the first round's mean and best differed by: with a single sample, when it has not fallen. 0: never before its budget.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f32,
    /// Rounds over which the energy has to fall.
    #[schemars(range(min = 1))]
    pub patience: usize,
    /// Model evaluations of one plan of one task that no further round may exceed. Default: no limit but the iterations.
    #[schemars(range(min = 1))]
    pub max_evaluations: Option<u64>,
    /// Milliseconds after which a plan begins no further round. A plan depends on the machine then. Default: no limit.
    #[schemars(range(min = 0.0))]
    pub max_milliseconds: Option<f64>,
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
    /// Most futures imagined in one piece, which bounds the memory: a CPU's threads imagine a piece each, the gradients of so many
    /// futures in all. Results depend on it in the last bits of a product at most.
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
    /// CEM with coloured noise, fewer and fewer samples, elites kept and shifted.
    Icem,
    /// Model-predictive path integral control: refit it to sequences weighted by their energies.
    Mppi,
    /// Random shooting: the best of so many sequences.
    Random,
    /// Down the gradient of the energy, through the model, from `samples` starts.
    Gradient,
    /// The same by Adam.
    Adam,
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

/// Far above any use, and low enough for products of sizes not to overflow.
const MOST: usize = 1_000_000;

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
            update_std: true,
            color: 2.0,
            decay: 1.25,
            learning_rate: 0.2,
            polish: 0,
            tolerance: 0.0,
            patience: 2,
            max_evaluations: None,
            max_milliseconds: None,
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
            Kind::Mppi => self.samples,
            _ => (self.samples / 8).max(2).min(self.samples),
        })
    }

    /// Whether it goes down a gradient, and so needs a world and an objective that have one.
    pub fn needs_gradient(&self) -> bool {
        matches!(self.kind, Kind::Gradient | Kind::Adam) || self.polish > 0
    }

    /// The same for a world without one: CEM in place of a descent, and no polish.
    #[must_use]
    pub fn without_gradient(&self) -> Self {
        let slides = matches!(self.kind, Kind::Gradient | Kind::Adam);
        if !slides {
            return Self { polish: 0, ..self.clone() };
        }
        let (samples, keep) = (self.samples.max(16), self.keep.min(1));
        Self { kind: Kind::Cem, samples, keep, elites: None, polish: 0, ..self.clone() }
    }

    /// The planner, for actions within `bounds`; `max_norm` replaces their greatest norm.
    ///
    /// # Errors
    /// What [`PlannerConfig::validate`] says, or bounds that do not go with `max_norm`.
    pub fn init(&self, bounds: Bounds) -> Result<Box<dyn Planner>, PlanError> {
        let style = match self.kind {
            Kind::Gradient | Kind::Adam => return Ok(Box::new(Gradient::new(self, bounds)?)),
            Kind::Cem => cem::style(self),
            Kind::Icem => icem::style(self),
            Kind::Mppi => mppi::style(self),
            Kind::Random => shooting::style(self),
        };
        Ok(Box::new(Sampling::new(self, bounds, style)?))
    }

    /// The settings, and the bounds with `max_norm` in them, where both can work.
    ///
    /// # Errors
    /// What [`PlannerConfig::validate`] and [`Bounds::max_norm`] say.
    pub(crate) fn checked(&self, bounds: Bounds) -> Result<(Self, Bounds), PlanError> {
        self.validate()?;
        let bounds = if self.max_norm.is_some() { bounds.max_norm(self.max_norm)? } else { bounds };
        Ok((self.clone(), bounds))
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
        let slides = matches!(self.kind, Kind::Gradient | Kind::Adam);
        at_least(self.samples, if slides { 1 } else { 2 }, "samples")?;
        at_least(self.patience, 1, "patience")?;
        let most =
            |value: usize, field| check(value <= MOST, field, format!("{value} is too many; expected at most {MOST}"));
        most(self.horizon, "horizon")?;
        most(self.iterations, "iterations")?;
        most(self.samples, "samples")?;
        most(self.polish, "polish")?;
        at_least(self.replan_every, 1, "replan_every")?;
        at_least(self.max_rows, 1, "max_rows")?;
        if !slides {
            at_least(self.elites(), 2, "elites")?;
            let (elites, samples, keep) = (self.elites(), self.samples, self.keep);
            check(
                elites <= samples,
                "elites",
                format!("{elites} elites of {samples} samples; expected at most as many"),
            )?;
            check(keep <= elites, "keep", format!("{keep} kept of {elites} elites; expected at most as many"))?;
            check(keep < samples, "keep", format!("{keep} kept of {samples} samples; nothing new would be tried"))?;
        }
        let (every, horizon) = (self.replan_every, self.horizon);
        check(every <= horizon, "replan_every", format!("{every} is more than the horizon of {horizon} actions"))?;
        between(self.init_std, self.init_std > 0.0, "init_std", "a positive number")?;
        between(self.min_std, self.min_std >= 0.0, "min_std", "0 or more")?;
        between(self.momentum, (0.0..1.0).contains(&self.momentum), "momentum", "0 to below 1")?;
        between(self.smoothness, (0.0..1.0).contains(&self.smoothness), "smoothness", "0 to below 1")?;
        between(self.color, (0.0..=10.0).contains(&self.color), "color", "0 to 10")?;
        between(self.decay, (1.0..=100.0).contains(&self.decay), "decay", "1 to 100")?;
        between(self.learning_rate, self.learning_rate > 0.0, "learning_rate", "a positive number")?;
        between(self.tolerance, (0.0..=1.0).contains(&self.tolerance), "tolerance", "0 to 1")?;
        if let Some(limit) = self.max_milliseconds {
            check(limit > 0.0, "max_milliseconds", format!("{limit} is out of range; expected a positive number"))?;
        }
        between(self.temperature, self.temperature > 0.0, "temperature", "a positive number")?;
        match self.max_norm {
            Some(norm) => between(norm, norm > 0.0, "max_norm", "a positive number"),
            None => Ok(()),
        }
    }
}

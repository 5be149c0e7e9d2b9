//! A planner: a strategy, and the keys that every planner has.

use std::sync::Arc;

use gedanken_parts::{Catalog, PartError, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Bounds, Cem, PlanError, Plans, Problem, Strategy, Width, search};

/// Keys of every planner, whatever its strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PlanConfig {
    /// Actions a plan looks ahead; near the end of an episode only as many as are left.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub horizon: usize,
    /// Actions executed before the next plan.
    #[schemars(range(min = 1))]
    pub replan_every: usize,
    /// Control steps executed before the next plan, in place of `replan_every`: where an action is a block of several control steps, the agent
    /// may look and plan again within one. The rest of the plan moves up by as many.
    #[schemars(range(min = 1))]
    pub replan_steps: Option<usize>,
    /// A plan starts from the rest of the one before, not from the middle of the actions' box.
    pub warm_start: bool,
    /// A search starts around what the world proposes, its actor's sequence, and tries the rest of the plan before beside it. A world
    /// that proposes nothing is searched as without.
    pub proposals: bool,
    /// Which imagined steps count.
    pub over: Over,
    /// Futures that each sequence is judged by, in a world that thinks several possible (a model with a `[latent_variable]`): drawn once a plan,
    /// the same for all sequences. 1: the likeliest future alone.
    #[schemars(range(min = 1, max = 65536))]
    pub scenarios: usize,
    /// Share of the scenarios, the worst ones, that a sequence's energy and its violation of the guardrails are the mean of: 1 for the
    /// expectation, 0.1 for the conditional value at risk of a tenth.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub risk: f32,
    /// Greatest Euclidean norm of a control step's action, in place of the environment's own limit.
    #[schemars(range(min = 0.0))]
    pub max_norm: Option<f32>,
    /// Steps of Adam that the last round's elites take down the gradient in the end; the best sequence is the plan then. 0: none.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub polish: usize,
    /// Polishing: length of the first step per number of the sequence: in the actions' units, or `{ share = 0.2 }` of half the width of their
    /// box; it falls to nothing over the steps.
    pub polish_rate: Width,
    /// A task's search ends when its lowest energy has fallen, in the last `patience` rounds, by no more than this share of the first
    /// round's mean minus best energy. 0: never before its budget.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f32,
    /// Rounds over which the energy has to fall.
    #[schemars(range(min = 1))]
    pub patience: usize,
    /// Model evaluations of one plan of one task that no further round may exceed. Default: no limit but the rounds.
    #[schemars(range(min = 1))]
    pub max_evaluations: Option<u64>,
    /// Milliseconds after which a plan begins no further round. A plan depends on the machine then. Default: no limit.
    #[schemars(range(min = 0.0))]
    pub max_milliseconds: Option<f64>,
    /// Most futures imagined in one piece, which bounds the memory: a CPU's threads imagine a piece each, the gradients of so many
    /// futures in all. Results depend on it in the last bits of a product at most.
    #[schemars(range(min = 1))]
    pub max_rows: usize,
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

impl Default for PlanConfig {
    fn default() -> Self {
        PlanConfig {
            horizon: 16,
            replan_every: 4,
            replan_steps: None,
            warm_start: true,
            proposals: false,
            over: Over::Sum,
            scenarios: 1,
            risk: 1.0,
            max_norm: None,
            polish: 0,
            polish_rate: Width::share(0.2),
            tolerance: 0.0,
            patience: 2,
            max_evaluations: None,
            max_milliseconds: None,
            max_rows: 1024,
        }
    }
}

impl PlanConfig {
    /// EB-JEPA's on Two-Rooms: the summed energy over 90 steps, actions scaled to a norm of 2.45, nothing remembered, replanned at every
    /// step.
    pub fn eb_jepa() -> Self {
        PlanConfig {
            horizon: 90,
            replan_every: 1,
            warm_start: false,
            over: Over::Sum,
            max_norm: Some(2.45),
            ..PlanConfig::default()
        }
    }

    /// Control steps executed before the next plan, where an action is a block of `frameskip` of them: no more than a plan has.
    pub fn steps_between_plans(&self, frameskip: usize) -> usize {
        self.replan_steps.unwrap_or(self.replan_every * frameskip).min(self.horizon * frameskip)
    }

    /// Checks the keys.
    ///
    /// # Errors
    /// The first key that cannot, and why.
    pub fn check(&self) -> Result<(), PlanError> {
        at_least(self.horizon, 1, "horizon")?;
        at_least(self.patience, 1, "patience")?;
        at_least(self.replan_every, 1, "replan_every")?;
        at_least(self.max_rows, 1, "max_rows")?;
        at_least(self.scenarios, 1, "scenarios")?;
        between(self.risk, self.risk > 0.0 && self.risk <= 1.0, "risk", "more than 0, at most 1")?;
        let (every, horizon) = (self.replan_every, self.horizon);
        if every > horizon {
            let reason = format!("{every} is more than the horizon of {horizon} actions");
            return Err(PlanError::config("replan_every", reason));
        }
        at_least(self.replan_steps.unwrap_or(1), 1, "replan_steps")?;
        self.polish_rate.check("polish_rate", false)?;
        between(self.tolerance, (0.0..=1.0).contains(&self.tolerance), "tolerance", "0 to 1")?;
        if let Some(limit) = self.max_milliseconds.filter(|limit| limit.is_nan() || *limit <= 0.0) {
            let reason = format!("{limit} is out of range; expected a positive number");
            return Err(PlanError::config("max_milliseconds", reason));
        }
        self.max_norm.map_or(Ok(()), |norm| between(norm, norm > 0.0, "max_norm", "a positive number"))
    }
}

/// The `[planner]` table: the keys of every planner, `kind`, and the keys of that strategy alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PlannerConfig {
    /// Keys of every planner.
    #[serde(flatten)]
    pub plan: PlanConfig,
    /// The strategy and its own keys.
    #[serde(flatten)]
    pub strategy: Table,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        PlannerConfig { plan: PlanConfig::default(), strategy: Table { kind: "cem".to_owned(), ..Table::default() } }
    }
}

impl PlannerConfig {
    /// The planner, with a strategy of this list.
    ///
    /// # Errors
    /// No such strategy, a key that it does not have, or what [`Planner::new`] says.
    pub fn init(&self, strategies: &Catalog<dyn Strategy>) -> Result<Planner, PlanError> {
        let Table { kind, keys } = &self.strategy;
        let schema = strategies.entry(kind)?.schema();
        if let Some(key) = keys.keys().find(|key| schema["properties"].get(key).is_none()) {
            return Err(PlanError::config(key, format!("{kind} has no such key")));
        }
        let strategy = strategies.make(&self.strategy).map_err(|error| match error {
            PartError::Table { name, message } => match keys.keys().find(|key| message.starts_with(&format!("{key} ")))
            {
                Some(key) => PlanError::config(key, message),
                None => PartError::Table { name, message }.into(),
            },
            other => other.into(),
        })?;
        Planner::new(strategy, self.plan.clone())
    }

    /// The same with every missing key at its default.
    ///
    /// # Errors
    /// No such strategy, or a value of the wrong type.
    pub fn complete(&self, strategies: &Catalog<dyn Strategy>) -> Result<Self, PartError> {
        Ok(PlannerConfig { plan: self.plan.clone(), strategy: strategies.complete(&self.strategy)? })
    }
}

/// A strategy, and how it is used. Cheap to clone.
#[derive(Clone)]
pub struct Planner {
    plan: PlanConfig,
    strategy: Arc<dyn Strategy>,
}

impl Default for Planner {
    /// CEM, every key at its default.
    fn default() -> Self {
        Planner { plan: PlanConfig::default(), strategy: Arc::new(Cem::default()) }
    }
}

impl Planner {
    /// A planner by this strategy.
    ///
    /// # Errors
    /// The first key that cannot work: see [`PlanConfig::check`] and [`Strategy::check`].
    pub fn new(strategy: Box<dyn Strategy>, plan: PlanConfig) -> Result<Self, PlanError> {
        plan.check()?;
        strategy.check()?;
        at_least(strategy.samples(0), 1, "samples")?;
        Ok(Planner { plan, strategy: strategy.into() })
    }

    /// The keys of every planner.
    pub fn settings(&self) -> &PlanConfig {
        &self.plan
    }

    /// The strategy.
    pub fn strategy(&self) -> &dyn Strategy {
        &*self.strategy
    }

    /// All keys, as a report shows them.
    pub fn config(&self) -> PlannerConfig {
        PlannerConfig { plan: self.plan.clone(), strategy: self.strategy.table() }
    }

    /// One plan for every task: the action sequence of the lowest energy that the search finds. The same problem gives the same plans, and a
    /// task's plan does not depend on the tasks beside it but for the last bits of products, which may depend on how many rows a world is
    /// asked for at once.
    ///
    /// # Errors
    /// A problem without tasks or steps, shapes that do not fit, bounds that do not go with `max_norm`, a task without any finite energy,
    /// or a device that fails.
    pub fn plan(&self, problem: &Problem) -> Result<Plans, PlanError> {
        search::plan(&self.plan, &*self.strategy, problem)
    }

    /// A warning of a first width that cannot reach the ends of a box however many rounds there are, as a sentence that names the key: with
    /// widths that are shares of the box there is none.
    pub fn too_narrow(&self, bounds: &Bounds) -> Option<String> {
        let keys = self.strategy.table().keys;
        let width = |key: &str| serde_json::from_value::<Width>(keys.get(key)?.clone()).ok();
        let (width, step) = (width("init_std")?, width("learning_rate").unwrap_or(Width::Units(0.0)));
        let (middle, halves, rounds) = (bounds.middle(), bounds.half_widths(), self.strategy.style().rounds as f32);
        // A normal number is hardly ever beyond four standard deviations.
        let reach = |half: f32| rounds * (4.0 * width.at(half) + step.at(half));
        let (dimension, half) = halves.into_iter().enumerate().find(|(_, half)| reach(*half) < *half)?;
        Some(format!(
            "planner.init_std: {}: number {dimension} of an action goes up to {half} from {}, and in {rounds} rounds plans reach {}; left \
             out, the width follows from the bounds",
            width.at(half),
            middle[dimension],
            reach(half)
        ))
    }

    /// True if it goes down a gradient, and so needs a world and an objective that have one.
    pub fn needs_gradient(&self) -> bool {
        self.strategy.style().gradient || self.plan.polish > 0
    }

    /// The same for a world without a gradient: CEM in place of a descent, with those of its keys that CEM has too, and no polish.
    #[must_use]
    pub fn without_gradient(&self) -> Self {
        let plan = PlanConfig { polish: 0, ..self.plan.clone() };
        if !self.strategy.style().gradient {
            return Planner { plan, strategy: self.strategy.clone() };
        }
        let keys = serde_json::Value::Object(self.strategy.table().keys);
        let mut cem: Cem = serde_json::from_value(keys).unwrap_or_default();
        cem.sampling.samples = cem.sampling.samples.max(16);
        Planner { plan, strategy: Arc::new(cem) }
    }
}

pub(crate) fn at_least(value: usize, least: usize, key: &str) -> Result<(), PlanError> {
    match value >= least {
        true => Ok(()),
        false => Err(PlanError::config(key, format!("{value} is too few; expected {least} or more"))),
    }
}

/// An error unless `value` is finite and `ok`; `range` says what would be.
pub(crate) fn between(value: f32, ok: bool, key: &str, range: &str) -> Result<(), PlanError> {
    match value.is_finite() && ok {
        true => Ok(()),
        false => Err(PlanError::config(key, format!("{value} is out of range; expected {range}"))),
    }
}

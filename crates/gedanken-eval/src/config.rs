//! A protocol: everything that a success rate depends on, beside the model.

use crate::{GuardrailConfig, Objectives};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A protocol. Its tasks are functions of `seed` alone (recorded ones of the data too): the same for every model, every run and every
/// floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Tasks. Default 200.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tasks: usize,
    /// Seed of the tasks and of the agent's random numbers. Default 20000.
    pub seed: u64,
    /// Seeds of a whole evaluation: `seed`, `seed + 1`, …, each with its own `tasks` tasks and random numbers of the agent. Default 1.
    #[schemars(range(min = 1, max = 1000))]
    pub seeds: usize,
    /// Where a task's start and goal come from. Default `reset`.
    pub tasks_from: TasksFrom,
    /// Recorded tasks: control steps from the start to the goal in the episode that they are cut from. Default 25.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub goal_offset: usize,
    /// Recorded tasks: drawn by episodes or by frames. Default `episodes`.
    pub draw: Draw,
    /// Recorded tasks: draw one again that is solved at its start. The field's protocols keep them. Default false.
    pub skip_solved: bool,
    /// Control steps of an episode. Default 200.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub budget: usize,
    /// When a task counts as done. Both are in the report; this one is its headline. Default `final`.
    pub rule: Rule,
    /// Distance below which a task is done, in the environment's unit. Default: the environment's own radius.
    #[schemars(range(min = 0.0))]
    pub radius: Option<f64>,
    /// The energy that plans minimise: one objective by its name, or a table of weights such as `{ latent = 1.0, effort = 0.01 }`.
    /// Default `learned`.
    pub objective: Objectives,
    /// The agent stops acting when the objective says that the goal is nearer than this (learned: control steps; latent: mean
    /// squared difference). Default: it never stops.
    #[schemars(range(min = 0.0))]
    pub arrived: Option<f64>,
    /// Tasks of the evaluations during training; 0 plans only at the end. Default 32.
    #[schemars(range(max = 1_000_000))]
    pub tasks_in_training: usize,
    /// Films of the first tasks of an evaluation. Default 4.
    #[schemars(range(max = 1_000_000))]
    pub films: usize,
    /// Floors and ceilings in the final evaluation. Default true.
    pub baselines: bool,
    /// The whole ladder of blame in the final evaluation, to say which part of the model holds it back: also a row with true dynamics, for
    /// which imagined frames are drawn and encoded, and a privileged one. Default false.
    pub ladder: bool,
    /// The ladder's privileged row: updates of its predictor of true labels. 0 leaves the row out. Default 4000.
    #[schemars(range(max = 1_000_000))]
    pub privileged_updates: u64,
    /// Constraints on every plan. The report has a row without them too. Default: none.
    pub guardrails: Vec<GuardrailConfig>,
    /// Options and factors of the environment that are different in evaluation.
    pub env: serde_json::Map<String, serde_json::Value>,
}

/// Where a task's start and goal come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TasksFrom {
    /// The environment draws them.
    #[default]
    Reset,
    /// Two states of a validation episode of the experiment's own data, `goal_offset` control steps apart.
    Recorded,
}

/// The unit that recorded tasks are drawn by; no task is drawn twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// An episode, every one alike, then a frame of it.
    #[default]
    Episodes,
    /// A frame, every one alike, so that a longer episode gives more tasks: LeWorldModel's rule.
    Frames,
}

/// When a task counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// At the end of the episode.
    #[default]
    Final,
    /// At any moment of it ("latched").
    Ever,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            tasks: 200,
            seed: 20_000,
            seeds: 1,
            tasks_from: TasksFrom::Reset,
            goal_offset: 25,
            draw: Draw::Episodes,
            skip_solved: false,
            budget: 200,
            rule: Rule::Final,
            radius: None,
            objective: Objectives::default(),
            arrived: None,
            tasks_in_training: 32,
            films: 4,
            baselines: true,
            ladder: false,
            privileged_updates: 4000,
            guardrails: Vec::new(),
            env: serde_json::Map::new(),
        }
    }
}

impl EvalConfig {
    /// All seeds of tasks and agent.
    pub fn task_seeds(&self) -> impl Iterator<Item = u64> {
        let first = self.seed;
        (0..self.seeds.max(1) as u64).map(move |number| first.wrapping_add(number))
    }
}

//! A protocol: everything that a success rate depends on, beside the model.

use crate::GuardrailConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a model is evaluated. The tasks are functions of `seed` alone (recorded ones of the data too): the same for every model,
/// every run and every floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Tasks. Default 200.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tasks: usize,
    /// Seed of the tasks and of the agent's random numbers. Default 20000.
    pub seed: u64,
    /// Where a task's start and goal come from. Default `reset`.
    pub tasks_from: TasksFrom,
    /// Recorded tasks: control steps from the start to the goal in the episode that they are cut from. Default 25.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub goal_offset: usize,
    /// Recorded tasks: whether one that is solved at its start is drawn again. The field's protocols keep them. Default false.
    pub skip_solved: bool,
    /// Control steps of an episode. Default 200.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub budget: usize,
    /// When a task counts as done. Both are in the report; this one is its headline. Default `final`.
    pub rule: Rule,
    /// Distance below which a task is done, in the environment's unit. Default: the environment's own radius.
    #[schemars(range(min = 0.0))]
    pub radius: Option<f64>,
    /// What the plans minimise. Default `learned`.
    pub objective: ObjectiveKind,
    /// A weighted sum of objectives in place of `objective`, where any of their weights is not 0; and what actions cost.
    /// Default: neither.
    pub objectives: ObjectiveWeights,
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
    /// Whether floors and ceilings run in the final evaluation. Default true.
    pub baselines: bool,
    /// What every plan must keep. The report has a row without them too. Default: nothing.
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

/// What the plans minimise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveKind {
    /// The learned goal distance.
    #[default]
    Learned,
    /// The mean squared difference of latents.
    Latent,
    /// The mean absolute difference of latents.
    LatentL1,
    /// One less the cosine of latents.
    LatentCosine,
    /// The mean squared difference of the labels that the probe reads, in standard deviations. It needs labels: not for a result
    /// from pixels alone.
    Probe,
    /// The same of the labels that the agent feels: proprioception, as DINO-WM weighs it beside the picture.
    Proprioception,
}

/// Weights of objectives; those of 0 are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveWeights {
    /// Of the learned goal distance, control steps.
    #[schemars(range(min = 0.0))]
    pub learned: f64,
    /// Of the mean squared difference of latents.
    #[schemars(range(min = 0.0))]
    pub latent: f64,
    /// Of the mean absolute difference of latents.
    #[schemars(range(min = 0.0))]
    pub latent_l1: f64,
    /// Of one less the cosine of latents.
    #[schemars(range(min = 0.0))]
    pub latent_cosine: f64,
    /// Of the mean squared difference of the labels that the probe reads, in standard deviations.
    #[schemars(range(min = 0.0))]
    pub probe: f64,
    /// The same of the labels that the agent feels, for a model with proprioception: DINO-WM plans by it beside the picture.
    #[schemars(range(min = 0.0))]
    pub proprioception: f64,
    /// Of the disagreement of the model's ensemble (variance of latents), the mean over a plan's steps.
    #[schemars(range(min = 0.0))]
    pub uncertainty: f64,
    /// Of the actions' mean square, in the environment's units.
    #[schemars(range(min = 0.0))]
    pub effort: f64,
    /// Of the mean square of the actions' change from one control step to the next.
    #[schemars(range(min = 0.0))]
    pub smoothness: f64,
}

impl EvalConfig {
    /// Every objective that plans minimise, with its weight; what ways cost by themselves apart.
    pub fn weighted(&self) -> Vec<(ObjectiveKind, f64)> {
        let w = &self.objectives;
        let all = [
            (ObjectiveKind::Learned, w.learned),
            (ObjectiveKind::Latent, w.latent),
            (ObjectiveKind::LatentL1, w.latent_l1),
            (ObjectiveKind::LatentCosine, w.latent_cosine),
            (ObjectiveKind::Probe, w.probe),
            (ObjectiveKind::Proprioception, w.proprioception),
        ];
        let some: Vec<_> = all.into_iter().filter(|(_, weight)| *weight > 0.0).collect();
        // What a way costs by itself is no goal.
        if some.is_empty() { vec![(self.objective, 1.0)] } else { some }
    }

    /// Whether plans ask what the model does not know.
    pub fn needs_ensemble(&self) -> bool {
        let asks = |guardrail: &GuardrailConfig| matches!(guardrail, GuardrailConfig::Uncertainty(_));
        self.objectives.uncertainty > 0.0 || self.guardrails.iter().any(asks)
    }
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            tasks: 200,
            seed: 20_000,
            tasks_from: TasksFrom::Reset,
            goal_offset: 25,
            skip_solved: false,
            budget: 200,
            rule: Rule::Final,
            radius: None,
            objective: ObjectiveKind::Learned,
            objectives: ObjectiveWeights::default(),
            arrived: None,
            tasks_in_training: 32,
            films: 4,
            baselines: true,
            guardrails: Vec::new(),
            env: serde_json::Map::new(),
        }
    }
}

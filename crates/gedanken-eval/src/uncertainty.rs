//! Uncertainty of the model, as a cost of a way and as a limit on it.

use burn::tensor::Tensor;
use gedanken_model::{Ensemble, Statistics, WorldModel};
use gedanken_planner::{Guardrail, Objective, Trajectory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::region::by_step;

/// The disagreement of a model's ensemble along an imagined way.
#[derive(Clone, Copy)]
pub struct Uncertainty<'a> {
    ensemble: &'a Ensemble,
    statistics: &'a Statistics,
}

impl<'a> Uncertainty<'a> {
    /// Of a model, if it has an ensemble.
    pub fn of(model: &'a WorldModel, statistics: &'a Statistics) -> Option<Self> {
        Some(Self { ensemble: model.ensemble()?, statistics })
    }

    /// Variance of the ensemble's next latents at every step, the mean over a latent's numbers, `[rows, steps]`.
    pub fn along(&self, way: &Trajectory) -> Tensor<2> {
        self.ensemble.disagreement(way.before(), self.statistics.actions(way.actions.clone()))
    }
}

impl Objective for Uncertainty<'_> {
    fn energy(&self, futures: Tensor<4>, _: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        Tensor::zeros([rows, horizon], &futures.device())
    }

    fn way_cost(&self, way: &Trajectory) -> Option<Tensor<1>> {
        Some(self.along(way).mean_dim(1).squeeze_dim(1))
    }

    fn watches_the_way(&self) -> bool {
        true
    }
}

/// A plan stays where the model knows what happens: the disagreement of its ensemble is no more than a level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sureness {
    /// The greatest disagreement, a variance of latents, at every step. Default: calibrated, step by step.
    #[schemars(range(min = 0.0))]
    pub level: Option<f64>,
    /// Calibrated: the share of the steps of the environment's own policies that are no more uncertain. Default 0.95.
    #[schemars(range(min = 0.0, max = 0.998))]
    pub confidence: f64,
}

impl Default for Sureness {
    fn default() -> Self {
        Self { level: None, confidence: 0.95 }
    }
}

/// The guardrail.
pub(crate) struct Sure<'a> {
    pub uncertainty: Uncertainty<'a>,
    /// For the first steps of a plan; later ones have the last one's.
    pub levels: Vec<f32>,
}

impl Guardrail for Sure<'_> {
    fn violation(&self, way: &Trajectory) -> Tensor<2> {
        self.uncertainty.along(way) - by_step(&self.levels, way.latents.dims()[1], &way.latents.device())
    }
}

//! A point on the plane as a world: its latents are its position, `[rows, 1, 2]`, and an action moves it.
#![allow(dead_code, reason = "each test file uses a part")]

use burn::prelude::*;
use gedanken_planner::{Bounds, Guardrail, Problem, Warm, World};
use gedanken_planner::{LatentDistance, Objective, Observations, PlanError, Planner, PlannerConfig, Plans};

/// Every action is executed as it is.
pub struct Plane;

impl World for Plane {
    fn encode(&self, observations: &Observations) -> Tensor<3> {
        points(&observations.labels)
    }

    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        (latents + actions.cumsum(1)).unsqueeze_dim(2)
    }
}

/// Latents `[rows, 1, 2]` on the CPU from coordinates.
pub fn points(coordinates: &[f32]) -> Tensor<3> {
    Tensor::from_data(TensorData::new(coordinates.to_vec(), [coordinates.len() / 2, 1, 2]), &Device::flex())
}

/// NaN for every future that ever leaves the half-plane `x <= limit`.
pub struct NanBeyond(pub f32);

impl Objective for NanBeyond {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let x = futures.clone().narrow(3, 0, 1).flatten::<3>(2, 3).squeeze_dim::<2>(2);
        let outside = x.greater_elem(self.0);
        LatentDistance::default().energy(futures, goals).mask_fill(outside, f32::NAN)
    }
}

/// The squared distance, without a gradient.
pub struct Untracked;

impl Objective for Untracked {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let futures = if futures.is_autodiff() { futures.inner() } else { futures };
        LatentDistance::default().energy(futures, goals)
    }
}

/// Stay out of a disc: its middle and its radius.
pub struct Disc(pub [f32; 2], pub f32);

impl Guardrail for Disc {
    fn violation(&self, futures: Tensor<4>, _: Tensor<3>) -> Tensor<2> {
        let middle = Tensor::<4>::from_data([[[self.0]]], &futures.device());
        let distance: Tensor<2> = (futures - middle).square().sum_dim(3).sqrt().flatten::<3>(2, 3).squeeze_dim(2);
        -(distance - self.1)
    }
}

/// Plans from `start` to `goals`, one task per pair of coordinates; `steps_left` is 100.
pub struct Ask<'a> {
    pub start: &'a [f32],
    pub goals: &'a [f32],
    pub seeds: &'a [u64],
    pub objective: &'a dyn Objective,
    pub guardrails: &'a [Box<dyn Guardrail + 'a>],
    pub steps_left: usize,
    pub step: u64,
    pub warm: Option<Warm<'a>>,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        let objective = &LatentDistance { norm: gedanken_planner::Norm::L2 };
        Ask {
            start: &[0.0, 0.0],
            goals: &[3.0, 4.0],
            seeds: &[7],
            objective,
            guardrails: &[],
            steps_left: 100,
            step: 0,
            warm: None,
        }
    }
}

impl Ask<'_> {
    pub fn plan(&self, planner: &dyn Planner) -> Result<Plans, PlanError> {
        planner.plan(&Problem {
            world: &Plane,
            objective: self.objective,
            guardrails: self.guardrails,
            start: points(self.start),
            goals: points(self.goals),
            steps_left: self.steps_left,
            seeds: self.seeds,
            step: self.step,
            warm: self.warm,
        })
    }

    pub fn with(&self, config: &PlannerConfig) -> Result<Plans, PlanError> {
        self.plan(&*config.init(plane_bounds())?)
    }
}

/// Steps of at most 1 in any direction.
pub fn plane_bounds() -> Bounds {
    Bounds::unbounded(2).and_then(|bounds| bounds.max_norm(Some(1.0))).unwrap()
}

/// A search that finds the optimum of the plane.
pub fn thorough() -> PlannerConfig {
    PlannerConfig { horizon: 8, iterations: 20, samples: 200, min_std: 0.0, ..PlannerConfig::default() }
}

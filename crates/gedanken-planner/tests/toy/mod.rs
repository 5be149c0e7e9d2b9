//! A point on the plane as a world: its latents are its position, `[rows, 1, 2]`, and an action moves it.
#![allow(dead_code, reason = "each test file uses a part")]

use burn::prelude::*;
use gedanken_planner::{Bounds, Guardrail, Problem, Trajectory, Warm, World, strategies};
use gedanken_planner::{LatentDistance, Objective, PlanError, Planner, PlannerConfig, Plans};
use serde_json::{Value, json};

/// Every action is executed as it is.
pub struct Plane;

impl World for Plane {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        (latents + actions.cumsum(1)).unsqueeze_dim(2)
    }
}

/// The plane, and an actor on it who goes straight to the goal.
pub struct Guided;

impl World for Guided {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        Plane.rollout(latents, actions)
    }

    fn propose(&self, latents: Tensor<3>, goals: Tensor<3>, horizon: usize) -> Option<Tensor<3>> {
        Some(((goals - latents) / horizon as f32).repeat_dim(1, horizon))
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
    fn violation(&self, way: &Trajectory) -> Tensor<2> {
        let middle = Tensor::<4>::from_data([[[self.0]]], &way.latents.device());
        let distance: Tensor<2> =
            (way.latents.clone() - middle).square().sum_dim(3).sqrt().flatten::<3>(2, 3).squeeze_dim(2);
        -(distance - self.1)
    }
}

/// Ways below `y = 1.5` are in the dark: the mean of the depth of the latents in which actions are taken.
pub struct Lit;

impl Objective for Lit {
    fn energy(&self, futures: Tensor<4>, _: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        Tensor::zeros([rows, horizon], &futures.device())
    }

    fn way_cost(&self, way: &Trajectory) -> Option<Tensor<1>> {
        let depth = (-(way.before().narrow(3, 1, 1) - 1.5)).clamp_min(0.0);
        Some(depth.flatten::<2>(1, 3).mean_dim(1).squeeze_dim(1))
    }

    fn watches_the_way(&self) -> bool {
        true
    }
}

/// The way of actions `[rows, steps, 2]`, or of any others, that move nothing.
pub fn way(actions: Tensor<3>) -> Trajectory {
    let ([rows, steps, _], device) = (actions.dims(), actions.device());
    Trajectory {
        start: Tensor::zeros([rows, 1, 2], &device),
        latents: Tensor::zeros([rows, steps, 1, 2], &device),
        actions,
    }
}

/// Plans from `start` to `goals`, one task per pair of coordinates; `steps_left` is 100.
pub struct Ask<'a> {
    pub world: &'a dyn World,
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
            world: &Plane,
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
    pub fn plan(&self, planner: &Planner) -> Result<Plans, PlanError> {
        planner.plan(&Problem {
            world: self.world,
            objective: self.objective,
            guardrails: self.guardrails,
            bounds: &plane_bounds(),
            start: points(self.start),
            goals: points(self.goals),
            steps_left: self.steps_left,
            seeds: self.seeds,
            step: self.step,
            warm: self.warm,
        })
    }

    pub fn with(&self, config: &PlannerConfig) -> Result<Plans, PlanError> {
        self.plan(&config.init(&strategies())?)
    }
}

/// Steps of at most 1 in any direction.
pub fn plane_bounds() -> Bounds {
    Bounds::unbounded(2).and_then(|bounds| bounds.max_norm(Some(1.0))).unwrap()
}

/// A `[planner]` table.
pub fn planner(keys: Value) -> PlannerConfig {
    serde_json::from_value(keys).unwrap()
}

/// The table with some keys on top; those of strategies that its own does not have are left out.
pub fn set(config: &PlannerConfig, keys: Value) -> PlannerConfig {
    let mut table = serde_json::to_value(config).unwrap();
    table.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let mut config: PlannerConfig = serde_json::from_value(table).unwrap();
    let schema = strategies().entry(&config.strategy.kind).unwrap().schema();
    config.strategy.keys.retain(|key, _| schema["properties"].get(key).is_some());
    config
}

/// A search of this kind that finds the optimum of the plane.
pub fn thorough_of(kind: &str) -> PlannerConfig {
    let keys = json!({ "horizon": 8, "iterations": 20, "samples": 200, "min_std": 0.0, "noise": 0.0 });
    set(&planner(json!({ "kind": kind })), keys)
}

/// A search by CEM that finds the optimum of the plane.
pub fn thorough() -> PlannerConfig {
    thorough_of("cem")
}

//! Objectives: energies that plans minimise.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Trajectory;

/// A measure of how far an imagined step is from the goal.
pub trait Objective: Sync {
    /// The energy of each imagined step: futures `[rows, horizon, tokens, dim]` and goals `[rows, tokens, dim]` give
    /// `[rows, horizon]`. Whether the planner sums over the horizon or looks at the last step is the planner's
    /// ([`Over`](crate::Over)); for the last step it hands over futures of horizon 1.
    ///
    /// An energy that is not finite counts as infinitely bad.
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2>;

    /// Cost of a way by itself, wherever it should end, `[rows]`: added to a plan's energy once, whichever of its steps count. None by
    /// default.
    fn way_cost(&self, _way: &Trajectory) -> Option<Tensor<1>> {
        None
    }

    /// True if [`Objective::way_cost`] looks at the latents of the way. Where nothing does, the way that it is shown may hold the last
    /// latents alone, and a world is spared keeping the others. False by default.
    fn watches_the_way(&self) -> bool {
        false
    }
}

/// Distance of latents, averaged over `tokens * dim`: the goal cost of PLDM (Sobal et al., 2025) and EB-JEPA.
///
/// It knows nothing of walls: two sides of one are close to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatentDistance {
    /// The measure of differences.
    pub norm: Norm,
}

/// A measure of differences of latents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Mean of the squares.
    #[default]
    L2,
    /// Mean of the absolute values.
    L1,
    /// One less the cosine of the angle between the two, all tokens together.
    Cosine,
}

impl Objective for LatentDistance {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let (futures, goals) = (futures.flatten::<3>(2, 3), goals.flatten::<2>(1, 2).unsqueeze_dim::<3>(1));
        let cost = match self.norm {
            Norm::L2 => (futures - goals).square().mean_dim(2),
            Norm::L1 => (futures - goals).abs().mean_dim(2),
            Norm::Cosine => {
                let length = |x: Tensor<3>| x.square().sum_dim(2).sqrt() + 1e-12;
                let lengths = length(futures.clone()) * length(goals.clone());
                -((futures * goals).sum_dim(2) / lengths - 1.0)
            }
        };
        cost.squeeze_dim::<2>(2)
    }
}

/// Cost of the actions by themselves: their effort, and their change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionCost {
    /// Weight of the mean square of a control step's numbers.
    pub effort: f32,
    /// Weight of the mean square of their change from one control step to the next.
    pub smoothness: f32,
    /// Numbers of one control step's action.
    pub dims: usize,
}

impl Objective for ActionCost {
    fn energy(&self, futures: Tensor<4>, _: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        Tensor::zeros([rows, horizon], &futures.device())
    }

    fn way_cost(&self, way: &Trajectory) -> Option<Tensor<1>> {
        let [rows, horizon, numbers] = way.actions.dims();
        let steps = horizon * numbers / self.dims;
        let actions = way.actions.clone().reshape([rows, steps, self.dims]);
        let mean = |x: Tensor<3>| x.square().flatten::<2>(1, 2).mean_dim(1).squeeze_dim::<1>(1);
        let effort = mean(actions.clone()) * self.effort;
        if steps < 2 {
            return Some(effort);
        }
        let change = actions.clone().narrow(1, 1, steps - 1) - actions.narrow(1, 0, steps - 1);
        Some(effort + mean(change) * self.smoothness)
    }
}

/// Several objectives, each with its weight.
pub struct WeightedSum<'a>(pub Vec<(f32, Box<dyn Objective + 'a>)>);

impl Objective for WeightedSum<'_> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        let none = Tensor::zeros([rows, horizon], &futures.device());
        self.0.iter().fold(none, |sum, (weight, term)| sum + term.energy(futures.clone(), goals.clone()) * *weight)
    }

    fn way_cost(&self, way: &Trajectory) -> Option<Tensor<1>> {
        let costs = self.0.iter().filter_map(|(weight, term)| Some(term.way_cost(way)? * *weight));
        costs.reduce(|sum, cost| sum + cost)
    }

    fn watches_the_way(&self) -> bool {
        self.0.iter().any(|(_, term)| term.watches_the_way())
    }
}

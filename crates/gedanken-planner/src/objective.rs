//! What a plan minimises.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measure of how far an imagined step is from the goal.
pub trait Objective {
    /// The energy of each imagined step: futures `[rows, horizon, tokens, dim]` and goals `[rows, tokens, dim]` give
    /// `[rows, horizon]`. Whether the planner sums over the horizon or looks at the last step is the planner's
    /// ([`Over`](crate::Over)); for the last step it hands over futures of horizon 1.
    ///
    /// What is not finite counts as infinitely bad.
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2>;
}

/// Distance of latents, averaged over `tokens * dim`: the goal cost of PLDM (Sobal et al., 2025) and EB-JEPA.
///
/// It knows nothing of walls: two sides of one are close to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatentDistance {
    /// How differences are measured.
    pub norm: Norm,
}

/// How differences of latents are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Mean of the squares.
    #[default]
    L2,
    /// Mean of the absolute values.
    L1,
}

impl Objective for LatentDistance {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let difference = futures - goals.unsqueeze_dim::<4>(1);
        let cost = match self.norm {
            Norm::L2 => difference.square(),
            Norm::L1 => difference.abs(),
        };
        cost.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2)
    }
}

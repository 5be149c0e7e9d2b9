//! The straightening term: latents move straight on.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Straightening: consecutive changes of a latent point the same way, so that distances between latents are lengths of ways. Default
/// weight 0.1.
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Straightening {}

impl Term for Straightening {
    fn weight(&self) -> f64 {
        0.1
    }

    fn loss(&self, view: &View) -> Value {
        straightening(view.sequences.clone()).into()
    }
}

/// Lengths below this have no direction.
const STILL: f64 = 1e-6;

/// Mean of `1 - cos(z_{t+1} - z_t, z_{t+2} - z_{t+1})` over batch and frames, all tokens of a frame together.
///
/// `z`: `[batch, time, tokens, dim]`. Returns a scalar `[1]`; 0 for windows of fewer than three frames.
///
/// Source: temporal straightening (arXiv:2603.12231), its curvature loss.
pub fn straightening(z: Tensor<4>) -> Tensor<1> {
    let [batch, time, _, _] = z.dims();
    if time < 3 {
        return z.sum() * 0.0;
    }
    let z: Tensor<3> = z.flatten(2, 3);
    let change = z.clone().narrow(1, 1, time - 1) - z.narrow(1, 0, time - 1);
    let length = (change.clone().square().sum_dim(2) + STILL * STILL).sqrt();
    let way = change / length;
    let cosine = (way.clone().narrow(1, 1, time - 2) * way.narrow(1, 0, time - 2)).sum();
    -(cosine / (batch * (time - 2)) as f64) + 1.0
}

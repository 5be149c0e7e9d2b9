//! The time similarity term: consecutive frames should be close.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Time similarity (PLDM): consecutive frames stay close. Default weight 12.
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeSimilarity {}

impl Term for TimeSimilarity {
    fn weight(&self) -> f64 {
        12.0
    }

    fn loss(&self, view: &View) -> Value {
        time_similarity(view.sequences.clone()).into()
    }
}

/// Mean of `(z_{t+1} - z_t)^2` over batch, consecutive frames, tokens and features.
///
/// `z`: `[batch, time, tokens, dim]`. Returns a scalar `[1]`; 0 for a window of a single frame. The gradient flows into both
/// frames of a pair.
///
/// Source: PLDM (arXiv:2502.14819), the temporal smoothness term of its objective.
pub fn time_similarity(z: Tensor<4>) -> Tensor<1> {
    let [batch, time, tokens, dim] = z.dims();
    let pairs = time.saturating_sub(1);
    let step = z.clone().slice_dim(1, time - pairs..time) - z.slice_dim(1, 0..pairs);
    step.square().sum() / (batch * pairs * tokens * dim).max(1) as f64
}

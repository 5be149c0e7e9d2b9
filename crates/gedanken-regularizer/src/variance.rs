//! The variance term: every feature must vary over the samples.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Variance (VICReg): every feature keeps varying over the samples. Default weight 16, EB-JEPA's best for Two-Rooms with random
/// walls; its authors advise to search anew, within a third and three times, for each environment.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Variance {
    /// The standard deviation that every feature must reach, in latent units; above it the term is 0. Default 1.
    #[schemars(range(min = 0.0))]
    pub margin: f64,
}

impl Default for Variance {
    fn default() -> Self {
        Self { margin: 1.0 }
    }
}

impl Term for Variance {
    fn weight(&self) -> f64 {
        16.0
    }

    fn loss(&self, view: &View) -> Value {
        variance(view.samples.clone(), self.margin).into()
    }
}

/// Added to the variance under the root, so that the gradient of a feature that does not vary at all is finite: 1e-4.
pub const EPSILON: f64 = 1e-4;

/// Mean over the features of `relu(margin - std)`, `std = sqrt(var + 1e-4)` with the unbiased variance over the samples.
///
/// `x`: `[samples, features]`, batch and time pooled by the caller. Returns a scalar `[1]`, 0 where every feature's standard
/// deviation is at least `margin`. At least two samples are needed for a variance; a single one counts as variance 0.
///
/// Source: VICReg (arXiv:2105.04906), eq. 1 and 2.
pub fn variance(x: Tensor<2>, margin: f64) -> Tensor<1> {
    let samples = x.dims()[0];
    let centred = x.clone() - x.mean_dim(0);
    let var = centred.square().sum_dim(0) / degrees(samples);
    (-(var + EPSILON).sqrt() + margin).clamp_min(0.0).mean()
}

/// The denominator of an unbiased (co)variance, `samples - 1`, at least 1.
pub(crate) fn degrees(samples: usize) -> f64 {
    samples.saturating_sub(1).max(1) as f64
}

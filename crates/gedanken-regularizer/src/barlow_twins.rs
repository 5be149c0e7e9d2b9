//! The Barlow Twins term: a prediction and its target agree feature by feature, and no two features say the same.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Barlow Twins: predicted latents and their targets, each feature standardised over the batch, correlate with themselves and
/// with nothing else. Default weight 1.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BarlowTwins {
    /// Weight of the correlations between different features, beside those of a feature with itself. Default 0.0051, the paper's.
    #[schemars(range(min = 0.0))]
    pub redundancy: f64,
}

impl Default for BarlowTwins {
    fn default() -> Self {
        Self { redundancy: 0.0051 }
    }
}

impl Term for BarlowTwins {
    fn loss(&self, view: &View) -> Value {
        let (predictions, targets) = view.pairs();
        barlow_twins(predictions.flatten(0, 2), targets.flatten(0, 2), self.redundancy).into()
    }
}

/// Added to the variance under the root, as batch norms do: 1e-5.
const EPSILON: f64 = 1e-5;

/// `[sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2] / D`, with `C = A^T B / N` the cross-correlation of two views whose
/// features are standardised over the samples (biased variance).
///
/// `a`, `b`: `[samples, features]`. Returns a scalar `[1]`.
///
/// Source: Barlow Twins (Zbontar et al., 2021, arXiv:2103.03230), eq. 1 and 2; divided by the features, so that the weight does
/// not depend on the width.
pub fn barlow_twins(a: Tensor<2>, b: Tensor<2>, redundancy: f64) -> Tensor<1> {
    let [samples, features] = a.dims();
    let standardised = |x: Tensor<2>| {
        let centred = x.clone() - x.mean_dim(0);
        let variance = centred.clone().square().mean_dim(0);
        centred / (variance + EPSILON).sqrt()
    };
    // Scaled before the product, so that its entries stay in range in half precision too.
    let scale = (samples.max(1) as f64).sqrt();
    let correlation = (standardised(a) / scale).transpose().matmul(standardised(b) / scale);
    let eye = Tensor::<2>::eye(features, &correlation.device()).cast(correlation.dtype());
    let own = (correlation.clone() * eye.clone()).sum_dim(1);
    let all = correlation.square();
    let others = (all.clone() - all * eye).sum();
    ((-own + 1.0).square().sum() + others * redundancy) / features as f64
}

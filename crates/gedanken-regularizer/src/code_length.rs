//! Code length: the nats of the errors of predicted latents.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::coding_rate::log_determinant;
use crate::{Term, Value, View};

/// Code length: the nats that the errors of predicted latents take, in place of their mean square, for phases on kept latents. Default weight 1.
///
/// In a mean square the directions that cannot be predicted outweigh those that can. Here halving the error of any direction is worth the same.
/// Latents that still learn would shrink under it.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CodeLength {
    /// Squared error to which a direction is coded: below it, nothing is gained. Default 0.001.
    #[schemars(range(min = 0.000001))]
    pub distortion: f64,
}

impl Default for CodeLength {
    fn default() -> Self {
        Self { distortion: 1e-3 }
    }
}

impl Term for CodeLength {
    fn loss(&self, view: &View) -> Value {
        let (predictions, targets) = view.pairs();
        code_length(predictions - targets, self.distortion).into()
    }
}

/// `logdet(I + E^T E / (N distortion)) / (2 D)` of the errors `E` of every step, the mean over steps: nats a feature.
///
/// `errors`: `[windows, steps, tokens, dim]`, windows and tokens are the `N` samples, `dim` the `D` features. Returns a scalar `[1]`. The
/// determinant and its slope are computed on the host, in double precision.
///
/// It is the rate that a Gaussian of the errors' covariance takes (Cover and Thomas, Elements of Information Theory, 10.3), which
/// [`coding_rate`](crate::coding_rate) counts for latents; but for constants it is the likelihood of a Gaussian with one covariance for each
/// step, at its best.
pub fn code_length(errors: Tensor<4>, distortion: f64) -> Tensor<1> {
    let [windows, steps, tokens, dim] = errors.dims();
    let samples = (windows * tokens).max(1) as f64;
    let (mut total, mut tangents) = (0.0, Vec::new());
    for step in 0..steps {
        let errors = errors.clone().narrow(1, step, 1).reshape([(windows * tokens) as i32, dim as i32]);
        let still: Tensor<2> = errors.clone().detach();
        let gram = still.clone().transpose().matmul(still.clone()) / samples;
        let (half, inverse) = log_determinant(gram, distortion);
        total += half - dim as f64 * distortion.ln() / 2.0;
        // With the slope `E (distortion I + E^T E / N)^-1 / N`.
        tangents.push((errors * (still.matmul(inverse) / samples)).sum());
    }
    let scale = 1.0 / (steps.max(1) * dim) as f64;
    let tangent = Tensor::cat(tangents, 0).sum() * scale;
    tangent.clone() - tangent.detach() + total * scale
}

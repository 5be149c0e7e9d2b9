//! The coding rate: how many nats a batch of latents takes to tell apart.

use burn::prelude::*;
use burn::tensor::TensorData;
use nalgebra::{Cholesky, DMatrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Coding rate (MCR², EMP-SSL): the latents of a batch fill as much of their space as they can. Default weight 1.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CodingRate {
    /// Squared error with which directions of latents are coded: differences well below it count for nothing. Default 0.2, EMP-SSL's.
    #[schemars(range(min = 0.000001))]
    pub distortion: f64,
}

impl Default for CodingRate {
    fn default() -> Self {
        Self { distortion: 0.2 }
    }
}

impl Term for CodingRate {
    fn loss(&self, view: &View) -> Value {
        (-coding_rate(view.latents.clone().flatten(0, 1), self.distortion)).into()
    }
}

/// Added to squared lengths, so that a latent at the origin has a direction.
const EPSILON: f64 = 1e-12;

/// `logdet(I + D / (N distortion) Z^T Z) / (2 D)`, the rows of `Z` the samples' directions: the total coding rate in nats a feature.
///
/// `z`: `[samples, features]`. Returns a scalar `[1]`. The determinant and its slope are computed on the host, in double precision.
///
/// Source: MCR² (Yu et al., 2020, arXiv:2006.08558), eq. 1; without labels as in EMP-SSL (Tong et al., 2023, arXiv:2304.03977). Divided
/// by the features, so that the weight does not depend on the width.
pub fn coding_rate(z: Tensor<2>, distortion: f64) -> Tensor<1> {
    let [samples, features] = z.dims();
    let directions = z.clone() / (z.square().sum_dim(1) + EPSILON).sqrt();
    let scale = features as f64 / (samples.max(1) as f64 * distortion);
    let still = directions.clone().detach();
    let gram = still.clone().transpose().matmul(still.clone());
    let (rate, inverse) = log_determinant(gram * scale, 1.0);
    let rate = rate / features as f64;
    // The value, with the slope `scale Z (I + scale Z^T Z)^-1 / D` as its gradient: the two sums cancel.
    let tangent = (directions * still.matmul(inverse) * (scale / features as f64)).sum();
    tangent.clone() - tangent.detach() + rate
}

/// Half the logarithm of `det(ridge I + matrix)` and its inverse, of a matrix that is symmetric and not negative: computed on the host, in
/// double precision. Not a number, and zeros, where the matrix is not finite.
pub(crate) fn log_determinant(matrix: Tensor<2>, ridge: f64) -> (f64, Tensor<2>) {
    let [size, _] = matrix.dims();
    let (device, kind) = (matrix.device(), matrix.dtype());
    let numbers: Vec<f64> = matrix.into_data().iter::<f64>().collect();
    let matrix = DMatrix::identity(size, size) * ridge + DMatrix::from_vec(size, size, numbers);
    let (half, inverse) = match Cholesky::new(matrix) {
        Some(factor) => (factor.l_dirty().diagonal().map(f64::ln).sum(), factor.inverse()),
        None => (f64::NAN, DMatrix::zeros(size, size)),
    };
    let inverse: Vec<f64> = inverse.iter().copied().collect();
    (half, Tensor::<2>::from_data(TensorData::new(inverse, [size, size]), (&device, kind)))
}

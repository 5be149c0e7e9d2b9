//! The covariance term: no two features may say the same.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::variance::degrees;
use crate::{Term, Value, View};

/// Covariance (VICReg): no two features say the same. Default weight 8.
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Covariance {}

impl Term for Covariance {
    fn weight(&self) -> f64 {
        8.0
    }

    fn loss(&self, view: &View) -> Value {
        covariance(view.samples.clone()).into()
    }
}

/// Mean of the squared off-diagonal entries of the features' covariance matrix `C` (unbiased, `D (D - 1)` entries).
///
/// `x`: `[samples, features]`, batch and time pooled by the caller. Returns a scalar `[1]`; 0 for a single feature.
///
/// The sum over the off-diagonal is `||C||_F^2 - sum_j C_jj^2`, and with centred samples `X` the norm is the same for
/// `C = X^T X / (N - 1)` (`D x D`) and for the Gram matrix `X X^T / (N - 1)` (`N x N`), because both have the same non-zero
/// eigenvalues. The smaller of the two is computed: a map latent of 1,352 features needs no 1,352 x 1,352 matrix when
/// the batch has fewer samples.
///
/// Source: VICReg (arXiv:2105.04906), eq. 3 and 4; VICReg divides by `D`, here by `D (D - 1)` as EB-JEPA's and PLDM's code
/// do: a mean, so that the coefficient does not depend on the width.
pub fn covariance(x: Tensor<2>) -> Tensor<1> {
    let [samples, features] = x.dims();
    // Scaled before the product, so that its entries stay in range in half precision too.
    let scaled = (x.clone() - x.mean_dim(0)) / degrees(samples).sqrt();
    let diagonal = scaled.clone().square().sum_dim(0).square().sum();
    let entries = (features * features.saturating_sub(1)).max(1);
    (squared_norm_of_product(scaled) - diagonal) / entries as f64
}

/// `||X^T X||_F^2 = ||X X^T||_F^2`.
///
/// It is `<X, K>` with `K = X X^T X`, and its gradient is `4 K`: one more product, where differentiating the square of the first
/// one takes two. So `K` is a constant here, and only the value and its first derivative are right.
fn squared_norm_of_product(x: Tensor<2>) -> Tensor<1> {
    let [samples, features] = x.dims();
    let constant = x.clone().detach();
    let turned = constant.clone().transpose();
    let k = if samples < features {
        constant.clone().matmul(turned).matmul(constant)
    } else {
        constant.clone().matmul(turned.matmul(constant))
    };
    let norm = (x * k).sum();
    norm.clone() * 4.0 - norm.detach() * 3.0
}

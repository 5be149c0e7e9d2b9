//! The energy score of several predicted futures.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Energy score: the futures of the predictor's latent variable and their odds as a whole are as near to what came as their distribution
/// allows (Gneiting and Raftery, 2007): least where it is the true one, so no future is an average of others. In place of `prediction` and
/// `information`. Needs a `[latent_variable]`. Default weight 1.
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnergyScore {}

impl Term for EnergyScore {
    fn loss(&self, view: &View) -> Value {
        view.energy_score().unwrap_or_else(|| Tensor::zeros([1], &view.latents.device())).into()
    }

    fn teaches_variable(&self) -> bool {
        true
    }
}

/// `sum_k p_k |b_k - y| - 1/2 sum_kl p_k p_l |b_k - b_l|`, the mean over rows, `[1]`, for futures `b_k` with the odds `p` `[rows, count]`
/// and what came, `y`, `[rows, numbers]` each; `|.|` is the root of the mean square.
///
/// Source: Gneiting and Raftery, 2007, equation 20; Branch-JEPA (arXiv:2607.05238).
pub fn energy_score(futures: &[Tensor<2>], odds: Tensor<2>, came: Tensor<2>) -> Tensor<1> {
    // Where two are the same, the root has no gradient.
    let apart = |a: &Tensor<2>, b: &Tensor<2>| ((a.clone() - b.clone()).square().mean_dim(1) + 1e-12).sqrt();
    let of = |branch: usize| odds.clone().narrow(1, branch, 1);
    let mut score: Tensor<2> = odds.clone().narrow(1, 0, 1) * 0.0;
    for (k, future) in futures.iter().enumerate() {
        score = score + of(k) * apart(future, &came);
        for (l, other) in futures.iter().enumerate().skip(k + 1) {
            // Each pair stands twice in the sum.
            score = score - of(k) * of(l) * apart(future, other);
        }
    }
    score.mean()
}

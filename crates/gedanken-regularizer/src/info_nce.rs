//! InfoNCE: a prediction knows its own target among those of the batch.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// InfoNCE: a predicted latent is more like its target than like the targets of the batch's other windows at the same step: the
/// contrastive way not to collapse. Default weight 1.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InfoNce {
    /// Cosines are divided by it. Default 0.1.
    #[schemars(range(min = 0.000001))]
    pub temperature: f64,
}

impl Default for InfoNce {
    fn default() -> Self {
        Self { temperature: 0.1 }
    }
}

impl Term for InfoNce {
    fn loss(&self, view: &View) -> Value {
        let (predictions, targets) = view.pairs();
        let by_step = |x: Tensor<4>| x.flatten::<3>(2, 3).swap_dims(0, 1);
        info_nce(by_step(predictions), by_step(targets), self.temperature).into()
    }
}

/// Added to squared lengths, so that a latent at the origin has a direction.
const EPSILON: f64 = 1e-12;

/// Mean over groups and rows of `-log softmax_j(cos(a_i, b_j) / temperature)` at `j = i`.
///
/// `a`, `b`: `[groups, rows, features]`; rows are compared with those of their group. Returns a scalar `[1]`.
///
/// Source: CPC (van den Oord et al., 2018, arXiv:1807.03748), eq. 4, with cosines as in SimCLR.
pub fn info_nce(a: Tensor<3>, b: Tensor<3>, temperature: f64) -> Tensor<1> {
    let [groups, rows, _] = a.dims();
    let direction = |x: Tensor<3>| x.clone() / (x.square().sum_dim(2) + EPSILON).sqrt();
    let likeness = direction(a).matmul(direction(b).swap_dims(1, 2)) / temperature;
    let own = Tensor::<2>::eye(rows, &likeness.device()).cast(likeness.dtype()).unsqueeze_dim(0);
    -(log_softmax(likeness, 2) * own).sum() / (groups * rows).max(1) as f64
}

//! A term of the loss without weights of its own: it is its own config.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken::regularizer::{Term, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Barlow Twins: predicted latents and their targets, each feature standardised over the batch, correlate with themselves and
/// with nothing else.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Barlow {
    /// Weight of the correlations between different features. Default 0.0051.
    pub redundancy: f64,
}

impl Default for Barlow {
    fn default() -> Self {
        Self { redundancy: 0.0051 }
    }
}

impl Term for Barlow {
    fn loss(&self, view: &View) -> Value {
        let (predictions, targets) = view.pairs();
        let standardised = |x: Tensor<4>| {
            let x: Tensor<2> = x.flatten(0, 2);
            let centred = x.clone() - x.mean_dim(0);
            centred.clone() / (centred.square().mean_dim(0) + 1e-5).sqrt()
        };
        let (a, b) = (standardised(predictions), standardised(targets));
        let [samples, features] = a.dims();
        let correlation = a.transpose().matmul(b) / samples as f64;
        let eye = Tensor::<2>::eye(features, &correlation.device());
        let own = ((correlation.clone() * eye.clone()).sum_dim(1) - 1.0).square().sum();
        let others = (correlation * (-eye + 1.0)).square().sum();
        ((own + others * self.redundancy) / features as f64).into()
    }
}

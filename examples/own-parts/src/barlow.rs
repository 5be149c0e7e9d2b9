//! A term of the loss without weights of its own: it is its own config.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken::nn::Shown;
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

impl Barlow {
    /// Cross-correlation of predictions and targets, `[features, features]`.
    fn correlation(view: &View) -> Tensor<2> {
        let (predictions, targets) = view.pairs();
        let standardised = |x: Tensor<4>| {
            let x: Tensor<2> = x.flatten(0, 2);
            let centred = x.clone() - x.mean_dim(0);
            centred.clone() / (centred.square().mean_dim(0) + 1e-5).sqrt()
        };
        let (a, b) = (standardised(predictions), standardised(targets));
        let samples = a.dims()[0] as f64;
        a.transpose().matmul(b) / samples
    }
}

impl Term for Barlow {
    fn loss(&self, view: &View) -> Value {
        let correlation = Self::correlation(view);
        let features = correlation.dims()[0];
        let eye = Tensor::<2>::eye(features, &correlation.device());
        let own = ((correlation.clone() * eye.clone()).sum_dim(1) - 1.0).square().sum();
        let others = (correlation * (-eye + 1.0)).square().sum();
        ((own + others * self.redundancy) / features as f64).into()
    }

    /// The correlations as a picture in TensorBoard: a white diagonal on black is the aim.
    fn show(&self, view: &View) -> Vec<Shown> {
        let pixels = Self::correlation(view).abs().unsqueeze::<3>().repeat_dim(0, 3);
        vec![Shown::Picture { name: "barlow/correlation".to_owned(), pixels }]
    }
}

//! A target: the encoder's own latents, normalised, without a gradient.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken::model::targets::{Target, TargetConfig};
use gedanken::model::{Perception, Seen};
use gedanken::nn::{Part, TrainBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each token of the encoder's own latents brought to mean 0 and variance 1, without a gradient, as V-JEPA's targets are (Bardes et
/// al., 2024, arXiv:2404.08471, its code's `layer_norm`).
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Normalized {}

impl TargetConfig for Normalized {
    fn init(&self, _: &dyn Fn() -> Perception) -> Part<dyn Target> {
        (Box::new(self.clone()) as Box<dyn Target>).into()
    }
}

impl Target for Normalized {
    fn latents(&self, online: Tensor<4>, _: Seen, _: &TrainBatch) -> Tensor<4> {
        let latents = online.detach();
        let centered = latents.clone() - latents.mean_dim(3);
        centered.clone() / (centered.powf_scalar(2.0).mean_dim(3) + 1e-6).sqrt()
    }
}

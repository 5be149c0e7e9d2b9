//! A target: the encoder's own latents, without a gradient.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken::model::targets::{Target, TargetConfig};
use gedanken::model::{Perception, Seen};
use gedanken::nn::{Part, TrainBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The encoder's own latents, without a gradient: SimSiam's stop-gradient (Chen and He, 2021, arXiv:2011.10566).
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stopped {}

impl TargetConfig for Stopped {
    fn init(&self, _: &dyn Fn() -> Perception) -> Part<dyn Target> {
        (Box::new(self.clone()) as Box<dyn Target>).into()
    }
}

impl Target for Stopped {
    fn latents(&self, online: Tensor<4>, _: Seen, _: &TrainBatch) -> Tensor<4> {
        online.detach()
    }
}

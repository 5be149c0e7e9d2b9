//! The encoder's own latents, as they are.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken_nn::{Part, TrainBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Target, TargetConfig};
use crate::{Perception, Seen};

/// The encoder's own latents, which take no gradient as targets: predictions come to them, they do not come to predictions (SimSiam,
/// arXiv:2011.10566).
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StopGradient {}

impl TargetConfig for StopGradient {
    fn init(&self, _: &dyn Fn() -> Perception) -> Part<dyn Target> {
        (Box::new(self.clone()) as Box<dyn Target>).into()
    }
}

impl Target for StopGradient {
    fn latents(&self, online: Tensor<4>, _: Seen, _: &TrainBatch) -> Tensor<4> {
        online.detach()
    }
}

//! The encoder's own latents.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken_nn::{Part, TrainBatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Target, TargetConfig};
use crate::{Perception, Seen};

/// The encoder's own latents. Gradients flow into them too: it is the regulariser that keeps them from collapsing (Sobal et al.,
/// 2025; Bardes et al., 2022).
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Online {}

impl TargetConfig for Online {
    fn init(&self, _: &dyn Fn() -> Perception) -> Part<dyn Target> {
        (Box::new(self.clone()) as Box<dyn Target>).into()
    }
}

impl Target for Online {
    fn latents(&self, online: Tensor<4>, _: Seen, _: &TrainBatch) -> Tensor<4> {
        online
    }
}

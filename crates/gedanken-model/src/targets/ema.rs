//! A slow encoder's latents.

use burn::module::Module;
use burn::tensor::Tensor;
use gedanken_nn::{Part, Progress, Ramp, Schedule, Shape, Slow, TrainBatch};
use gedanken_regularizer::sequences;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Target, TargetConfig};
use crate::{Perception, Seen};

/// Latents of a target encoder: an exponential moving average of the encoder, with the proprioception and the norm behind it
/// (BYOL, arXiv:2006.07733; V-JEPA, arXiv:2404.08471). Targets take no gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// Share of itself that the target keeps at every update, a number or a schedule. Default
    /// `{ from = 0.996, to = 1.0, shape = "cosine" }`, BYOL's; V-JEPA has `{ from = 0.998, to = 1.0 }`.
    pub momentum: Schedule,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { momentum: Schedule::Ramp(Ramp { from: 0.996, to: 1.0, steps: None, shape: Shape::Cosine }) }
    }
}

impl TargetConfig for EmaConfig {
    fn looks(&self) -> bool {
        true
    }

    fn init(&self, perception: &dyn Fn() -> Perception) -> Part<dyn Target> {
        let ema = Ema { slow: Slow::like(perception()), momentum: self.momentum.clone() };
        (Box::new(ema) as Box<dyn Target>).into()
    }
}

/// The target encoder.
#[derive(Module, Debug)]
pub struct Ema {
    slow: Slow<Perception>,
    #[module(skip)]
    momentum: Schedule,
}

impl Target for Ema {
    fn latents(&self, _: Tensor<4>, seen: Seen, batch: &TrainBatch) -> Tensor<4> {
        sequences(batch, self.slow.get().encode(seen)).detach()
    }

    fn begin(&mut self, online: &Perception) {
        self.slow.follow(online, 1.0);
    }

    fn after_update(&mut self, online: &Perception, progress: Progress) {
        self.slow.follow(online, 1.0 - self.momentum.at(progress));
    }
}

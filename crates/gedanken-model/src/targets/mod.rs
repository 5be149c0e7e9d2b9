//! Latents that predictions should meet: one file per kind.

mod ema;
mod online;
mod stop_gradient;

use burn::tensor::Tensor;
use gedanken_nn::{AnyModule, Part, Progress, TrainBatch};
use gedanken_parts::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Perception, Seen};

pub use ema::{Ema, EmaConfig};
pub use online::Online;
pub use stop_gradient::StopGradient;

/// Makes the latents that predictions should meet.
pub trait Target: AnyModule {
    /// Targets for the frames of windows with these latents of the online encoder, `[windows, time, tokens, dim]` both; `seen` are
    /// all frames of the batch.
    fn latents(&self, online: Tensor<4>, seen: Seen, batch: &TrainBatch) -> Tensor<4>;

    /// Called once, when the weights of a new model have been drawn.
    fn begin(&mut self, _: &Perception) {}

    /// Called after every update of the weights.
    fn after_update(&mut self, _: &Perception, _: Progress) {}
}

/// A target as an experiment writes it, `[target]`.
pub trait TargetConfig: std::fmt::Debug + Send + Sync {
    /// True if its latents are made of pictures, which a phase on kept latents does not have. Default false.
    fn looks(&self) -> bool {
        false
    }

    /// A new target. `perception` makes further ones like the model's own, with weights of their own, to be drawn later.
    fn init(&self, perception: &dyn Fn() -> Perception) -> Part<dyn Target>;
}

/// The line that puts a target into a list.
pub fn target<C>(kind: &'static str) -> Entry<dyn TargetConfig>
where
    C: TargetConfig + Serialize + DeserializeOwned + JsonSchema + Default + 'static,
{
    Entry::new(kind, |config: C| Ok(Box::new(config) as Box<dyn TargetConfig>))
}

/// All targets.
pub fn targets() -> Catalog<dyn TargetConfig> {
    Catalog::new("target")
        .with(target::<Online>("online"))
        .with(target::<StopGradient>("stop-gradient"))
        .with(target::<EmaConfig>("ema"))
}

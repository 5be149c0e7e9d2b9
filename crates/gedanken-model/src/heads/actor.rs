//! The actor: proposes actions that lead from one latent to another, for plans to start from.
//!
//! It imitates what led from a frame of an episode to a later one: hindsight makes every later frame a goal that was reached (GC-IDM,
//! 2605.08732; INTACT, 2607.26056, trains one beside the model). What it proposes lies where the predictor knows what happens.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Linear, NormLinear, Part};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Actor: the mean squared error of the action that was taken in a frame, read from its latent, that of a later frame of the window, and
/// the steps between them; all latents detached. Plans can start from its proposals: `planner.proposals`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActorConfig {
    /// Width of the layers. Default 512.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// Hidden layers. Default 3.
    #[schemars(range(min = 1, max = 64))]
    pub layers: usize,
}

impl Default for ActorConfig {
    fn default() -> Self {
        Self { hidden: 512, layers: 3 }
    }
}

impl TermConfig for ActorConfig {
    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        (Box::new(Actor::new(setting.latent, setting.spaces.action, self, device)) as Box<dyn Term>).into()
    }
}

/// Hidden layers of linear, layer norm and GELU; linear.
#[derive(Module, Debug)]
pub struct Actor {
    layers: Vec<NormLinear>,
    output: Linear,
}

impl Actor {
    /// A new actor for latents of this shape and actions of `action` numbers.
    pub fn new(latent: LatentShape, action: usize, config: &ActorConfig, device: &Device) -> Self {
        let ActorConfig { hidden, layers } = *config;
        let input = 2 * latent.numbers() + 1;
        let widths: Vec<usize> = std::iter::once(input).chain(std::iter::repeat_n(hidden, layers)).collect();
        Self { layers: NormLinear::chain(&widths, device), output: Linear::new(hidden, action, device) }
    }

    /// Latents `[rows, tokens, dim]` and those of goals that are to be reached after so many actions -> the first of these actions, as the
    /// model takes it, `[rows, action]`.
    pub fn act(&self, latents: Tensor<3>, goals: Tensor<3>, steps: usize) -> Tensor<2> {
        let (rows, device) = (latents.dims()[0], latents.device());
        let left = Tensor::full([rows, 1], 1.0 / steps.max(1) as f32, &device);
        let x = Tensor::cat(vec![latents.flatten::<2>(1, 2), goals.flatten::<2>(1, 2), left], 1);
        self.output.forward(self.layers.iter().fold(x, |x, layer| layer.forward(x)))
    }
}

impl Term for Actor {
    fn shapes_latents(&self) -> bool {
        false
    }

    /// All goals of a batch lie equally far ahead, as its seed draws.
    fn loss(&self, view: &View) -> Value {
        let sequences = view.sequences.clone().detach();
        let [windows, time, tokens, dim] = sequences.dims();
        let ahead = 1 + (view.batch.seed % (time as u64 - 1).max(1)) as usize;
        let starts = time - ahead;
        let frames = |from| sequences.clone().narrow(1, from, starts).reshape([windows * starts, tokens, dim]);
        let taken = view.batch.actions.clone().narrow(1, 0, starts).flatten::<2>(0, 1);
        (self.act(frames(0), frames(ahead), ahead) - taken).powi_scalar(2).mean().into()
    }
}

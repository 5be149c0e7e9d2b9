//! A deep MLP of pre-normalised residual blocks.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{
    FeedForward, FeedForwardConfig, GroupNorm, GroupNormConfig, LatentShape, Linear, Noise, Part, Predictor,
    frame_by_frame, row_norm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PredictorConfig, takes_vectors};

/// An MLP of residual blocks, each a layer norm, a linear layer, GELU and a linear layer (pre-norm, as a transformer's): deeper than `deep`
/// and as easily trained. For vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualConfig {
    /// Width of the blocks. Default 512.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// Blocks. Default 6.
    #[schemars(range(min = 1, max = 64))]
    pub blocks: usize,
}

impl Default for ResidualConfig {
    fn default() -> Self {
        Self { hidden: 512, blocks: 6 }
    }
}

/// `z + mlp([z, a])`, where `mlp` is a linear layer in, blocks `x + feed(norm(x))`, a layer norm, and a linear layer out.
#[derive(Module, Debug)]
pub struct Residual {
    input: Linear,
    blocks: Vec<Step>,
    norm: GroupNorm,
    output: Linear,
}

/// A block.
#[derive(Module, Debug)]
struct Step {
    norm: GroupNorm,
    feed: FeedForward,
}

impl ResidualConfig {
    /// A new predictor of vectors of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, dim: usize, action: usize, device: &Device) -> Residual {
        let norm = || GroupNormConfig::new(1, self.hidden).init(device);
        let feed = FeedForwardConfig::new(self.hidden, self.hidden);
        Residual {
            input: Linear::new(dim + action, self.hidden, device),
            blocks: (0..self.blocks).map(|_| Step { norm: norm(), feed: feed.init(device) }).collect(),
            norm: norm(),
            output: Linear::new(self.hidden, dim, device),
        }
    }
}

impl PredictorConfig for ResidualConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        takes_vectors(latent)
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(ResidualConfig::init(self, latent.dim, action, device)) as Box<dyn Predictor>).into()
    }
}

impl Predictor for Residual {
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, _: &mut Noise) -> Tensor<4> {
        frame_by_frame(latents, actions, |latents, actions| self.forward(latents, actions))
    }
}

impl Residual {
    /// Latents `[batch, 1, dim]`, actions `[batch, action]` -> `[batch, 1, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        let x = self.input.forward(Tensor::cat(vec![latents.clone().squeeze_dim(1), actions], 1));
        let step =
            |x: Tensor<2>, block: &Step| x.clone() + block.feed.forward(row_norm(&block.norm, x), &mut Noise::none());
        let x = row_norm(&self.norm, self.blocks.iter().fold(x, step));
        latents + self.output.forward(x).unsqueeze_dim(1)
    }
}

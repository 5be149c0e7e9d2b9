//! A residual MLP with an embedded action.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Mlp, Noise, Part, Predictor, frame_by_frame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PredictorConfig, takes_vectors};

/// A residual MLP with an embedded action. For vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualMlpConfig {
    /// Width of the two hidden layers. Default 512.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// Numbers that an action is embedded into. Default 32.
    #[schemars(range(min = 1, max = 65536))]
    pub action_dim: usize,
}

impl Default for ResidualMlpConfig {
    fn default() -> Self {
        Self { hidden: 512, action_dim: 32 }
    }
}

/// `z + mlp([z, embed(a)])`.
#[derive(Module, Debug)]
pub struct ResidualMlp {
    action: Mlp,
    body: Mlp,
}

impl ResidualMlpConfig {
    /// A new predictor of vectors of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, dim: usize, action: usize, device: &Device) -> ResidualMlp {
        ResidualMlp {
            action: Mlp::new(&[action, self.action_dim, self.action_dim], device),
            body: Mlp::new(&[dim + self.action_dim, self.hidden, self.hidden, dim], device),
        }
    }
}

impl PredictorConfig for ResidualMlpConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        takes_vectors(latent)
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(ResidualMlpConfig::init(self, latent.dim, action, device)) as Box<dyn Predictor>).into()
    }
}

impl Predictor for ResidualMlp {
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, _: &mut Noise) -> Tensor<4> {
        frame_by_frame(latents, actions, |latents, actions| self.forward(latents, actions))
    }
}

impl ResidualMlp {
    /// Latents `[batch, 1, dim]`, actions `[batch, action]` -> `[batch, 1, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        let action = self.action.forward(actions).unsqueeze_dim(1);
        latents.clone() + self.body.forward(Tensor::cat(vec![latents, action], 2))
    }
}

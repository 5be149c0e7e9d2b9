//! A GRU (Cho et al., 2014) whose hidden state is the latent itself, as in PLDM and EB-JEPA.

use burn::module::{Initializer, Module};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Linear, Noise, PackedGru, Part, Predictor, frame_by_frame, gru_step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PredictorConfig, takes_vectors};

/// A GRU whose hidden state is the latent: EB-JEPA's. For vectors. With latents of 512 numbers, actions of 2 and a shared norm, 793,600
/// parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GruConfig {}

/// One GRU layer: a [`gru_step`] of the latent under the action.
#[derive(Module, Debug)]
pub struct Gru {
    /// `[action, 3 dim]`: reset, update, new.
    pub input: Linear,
    /// `[dim, 3 dim]`: reset, update, new.
    pub hidden: Linear,
    #[module(skip)]
    packed: PackedGru,
}

impl GruConfig {
    /// A new predictor; all weights uniform within 1 / sqrt(dim), as PyTorch's.
    pub fn init(&self, dim: usize, action: usize, device: &Device) -> Gru {
        let bound = 1.0 / (dim as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        let linear = |input| LinearConfig::new(input, 3 * dim).with_initializer(uniform.clone()).init(device).into();
        Gru { input: linear(action), hidden: linear(dim), packed: PackedGru::default() }
    }
}

impl PredictorConfig for GruConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        takes_vectors(latent)
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(GruConfig::init(self, latent.dim, action, device)) as Box<dyn Predictor>).into()
    }
}

impl Predictor for Gru {
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, _: &mut Noise) -> Tensor<4> {
        frame_by_frame(latents, actions, |latents, actions| self.forward(latents, actions))
    }
}

impl Gru {
    /// Latents `[batch, 1, dim]`, actions `[batch, action]` -> `[batch, 1, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        gru_step(latents.squeeze_dim(1), actions, &self.input, &self.hidden, &self.packed).unsqueeze_dim(1)
    }
}

//! A deep residual MLP whose layers are normalised.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Linear, Noise, NormLinear, Part, Predictor, frame_by_frame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PredictorConfig, takes_vectors};

/// A deep residual MLP: layers of linear, layer norm and GELU. For vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeepConfig {
    /// Width of the layers. Default 512.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// Hidden layers. Default 4.
    #[schemars(range(min = 1, max = 64))]
    pub layers: usize,
}

impl Default for DeepConfig {
    fn default() -> Self {
        Self { hidden: 512, layers: 4 }
    }
}

/// `z + mlp([z, a])`.
#[derive(Module, Debug)]
pub struct Deep {
    layers: Vec<NormLinear>,
    output: Linear,
}

impl DeepConfig {
    /// A new predictor of vectors of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, dim: usize, action: usize, device: &Device) -> Deep {
        let widths: Vec<usize> =
            std::iter::once(dim + action).chain(std::iter::repeat_n(self.hidden, self.layers)).collect();
        Deep { layers: NormLinear::chain(&widths, device), output: Linear::new(self.hidden, dim, device) }
    }
}

impl PredictorConfig for DeepConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        takes_vectors(latent)
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(DeepConfig::init(self, latent.dim, action, device)) as Box<dyn Predictor>).into()
    }
}

impl Predictor for Deep {
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, _: &mut Noise) -> Tensor<4> {
        frame_by_frame(latents, actions, |latents, actions| self.forward(latents, actions))
    }
}

impl Deep {
    /// Latents `[batch, 1, dim]`, actions `[batch, action]` -> `[batch, 1, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        let input = Tensor::cat(vec![latents.clone().squeeze_dim(1), actions], 1);
        let hidden = self.layers.iter().fold(input, |x, layer| layer.forward(x));
        latents + self.output.forward(hidden).unsqueeze_dim(1)
    }
}

//! A vision transformer (Dosovitskiy et al., 2021), as LeWorldModel has it.

use burn::module::{Initializer, Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};
use gedanken_nn::{AttentionConfig, Block, FeedForwardConfig, Linear, Noise, Part, Projector, embed_patches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoder, EncoderConfig, LatentShape};

/// Standard deviation of the initial weights: that of the published ViT.
const STD: f64 = 0.02;
/// Under the root of a layer norm, as in Hugging Face's ViT.
const EPSILON: f64 = 1e-12;

/// A vision transformer with a projector, vector latent: LeWorldModel's ViT-Tiny. On pictures of 3 x 224 x 224, 5,501,376 parameters,
/// and 792,768 of the projector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VitConfig {
    /// Side of a patch in pixels; must divide both sides of the picture. Default 14.
    #[schemars(range(min = 1, max = 256))]
    pub patch: usize,
    /// Numbers of a token, and of the latent. Default 192.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// Blocks. Default 12.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
    /// Heads of the attention; must divide `dim`. Default 3.
    #[schemars(range(min = 1, max = 1024))]
    pub heads: usize,
    /// Width of the hidden layer of a block's MLP. Default 768.
    #[schemars(range(min = 1, max = 65536))]
    pub mlp: usize,
    /// Width of the hidden layer of the projector behind it, which has a BatchNorm; 0 for no projector. Default 2048.
    #[schemars(range(min = 0, max = 65536))]
    pub projector: usize,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self { patch: 14, dim: 192, depth: 12, heads: 3, mlp: 768, projector: 2048 }
    }
}

/// The tokens of a vision transformer that are its latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tokens {
    /// One for every patch: a map.
    Patches,
    /// The class token: a vector.
    Class,
}

/// Patches by one matrix product, a class token before them, learned positions, pre-norm blocks, a LayerNorm; the latent is
/// the class token or the patches, through the projector.
#[derive(Module, Debug)]
pub struct Vit {
    embed: Linear,
    /// `[1, 1, dim]`
    class: Param<Tensor<3>>,
    /// `[1, 1 + patches, dim]`
    positions: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projector: Option<Projector>,
    #[module(skip)]
    patch: usize,
    #[module(skip)]
    tokens: Tokens,
}

impl VitConfig {
    /// A new encoder for pictures `[channels, height, width]`: normal weights, zero biases; the projector as PyTorch's layers.
    pub fn init(&self, pixels: [usize; 3], device: &Device) -> Vit {
        self.with_tokens(Tokens::Class, EPSILON, pixels, device)
    }

    /// The same with these tokens as its latent, and `epsilon` under the roots of its norms.
    pub(crate) fn with_tokens(
        &self,
        tokens: Tokens,
        epsilon: f64,
        [channels, height, width]: [usize; 3],
        device: &Device,
    ) -> Vit {
        let normal = Initializer::Normal { mean: 0.0, std: STD };
        let attention = AttentionConfig::new(self.dim, self.heads, self.dim / self.heads).with_std(Some(STD));
        let mlp = FeedForwardConfig::new(self.dim, self.mlp).with_std(Some(STD));
        let patches = (height / self.patch) * (width / self.patch);
        Vit {
            embed: Linear::normal(channels * self.patch * self.patch, self.dim, STD, device),
            class: normal.init([1, 1, self.dim], device),
            positions: normal.init([1, 1 + patches, self.dim], device),
            blocks: (0..self.depth).map(|_| Block::new(&attention, &mlp, epsilon, device)).collect(),
            norm: LayerNormConfig::new(self.dim).with_epsilon(epsilon).init(device),
            projector: (self.projector > 0).then(|| Projector::new(self.dim, self.projector, device)),
            patch: self.patch,
            tokens,
        }
    }
}

impl EncoderConfig for VitConfig {
    fn problem(&self, [_, height, width]: [usize; 3]) -> Option<String> {
        if !height.is_multiple_of(self.patch) || !width.is_multiple_of(self.patch) {
            return Some(format!("patch {} does not divide the picture, {height} x {width}", self.patch));
        }
        (!self.dim.is_multiple_of(self.heads)).then(|| format!("heads {} does not divide dim {}", self.heads, self.dim))
    }

    fn latent_shape(&self, _: [usize; 3]) -> LatentShape {
        LatentShape::vector(self.dim)
    }

    fn init(&self, pixels: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        (Box::new(VitConfig::init(self, pixels, device)) as Box<dyn Encoder>).into()
    }
}

impl Encoder for Vit {
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.forward(pixels)
    }
}

impl Vit {
    /// Normalised pixels `[frames, channels, height, width]` -> latents `[frames, tokens, dim]`.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let frames = pixels.dims()[0];
        let patches = embed_patches(pixels, &self.embed, self.patch).flatten::<3>(1, 2);
        let class = self.class.val().repeat_dim(0, frames);
        let x = Tensor::cat(vec![class, patches], 1) + self.positions.val();
        // Nothing is dropped in LeWorldModel's encoder, nor in DINOv2.
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, &mut Noise::none()));
        let tokens = match self.tokens {
            Tokens::Class => x.narrow(1, 0, 1),
            Tokens::Patches => {
                let patches = x.dims()[1] - 1;
                x.narrow(1, 1, patches)
            }
        };
        let latent = self.norm.forward(tokens);
        match &self.projector {
            Some(projector) => projector.forward(latent),
            None => latent,
        }
    }
}

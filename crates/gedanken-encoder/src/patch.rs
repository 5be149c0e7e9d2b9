//! Patches by one matrix product, then two small convolutions: an encoder that trains fast on a CPU.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Conv3x3, Conv3x3Config, GroupNorm, GroupNormConfig, Linear, Part, embed_patches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoder, EncoderConfig, LatentShape};

/// Patches by a matrix product, then small convolutions: made for a CPU; map or vector latent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PatchConfig {
    /// Side of a patch in pixels; must divide both sides of the picture. Default 5 (65 px: a map of 13 x 13).
    #[schemars(range(min = 1, max = 256))]
    pub patch: usize,
    /// Channels inside. Default 32.
    #[schemars(range(min = 1, max = 4096))]
    pub width: usize,
    /// Groups of the group norms; must divide `width`. Default 4.
    #[schemars(range(min = 1, max = 4096))]
    pub groups: usize,
    /// Hidden convolutions between the patches and the latent. Default 1.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
    /// Numbers per token of the map, or of the vector. Default 8.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// The latent: the map itself, or a vector made of it. Default `map`.
    pub latent: PatchLatent,
}

/// The form of the latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PatchLatent {
    /// One token a patch.
    Map,
    /// One token: a linear layer over the whole map.
    Vector,
}

impl Default for PatchConfig {
    fn default() -> Self {
        Self { patch: 5, width: 32, groups: 4, depth: 1, dim: 8, latent: PatchLatent::Map }
    }
}

/// Patch embedding, `depth` times (conv3x3, GroupNorm, ReLU), conv3x3; all channels last.
#[derive(Module, Debug)]
pub struct Patch {
    embed: Linear,
    convolutions: Vec<Conv3x3>,
    norms: Vec<GroupNorm>,
    last: Conv3x3,
    output: Option<Linear>,
    #[module(skip)]
    patch: usize,
}

impl PatchConfig {
    /// A new encoder for pictures `[channels, height, width]`.
    pub fn init(&self, [channels, height, width]: [usize; 3], device: &Device) -> Patch {
        let tokens = (height / self.patch) * (width / self.patch);
        let (inner, output) = match self.latent {
            PatchLatent::Map => (self.dim, None),
            PatchLatent::Vector => {
                let inner = (self.width / 4).max(1);
                (inner, Some(Linear::new(tokens * inner, self.dim, device)))
            }
        };
        let hidden = || 0..self.depth;
        Patch {
            embed: Linear::new(channels * self.patch * self.patch, self.width, device),
            convolutions: hidden().map(|_| Conv3x3Config::new(self.width, self.width).init(device)).collect(),
            norms: hidden().map(|_| GroupNormConfig::new(self.groups, self.width).init(device)).collect(),
            last: Conv3x3Config::new(self.width, inner).init(device),
            output,
            patch: self.patch,
        }
    }
}

impl EncoderConfig for PatchConfig {
    fn problem(&self, [_, height, width]: [usize; 3]) -> Option<String> {
        if !height.is_multiple_of(self.patch) || !width.is_multiple_of(self.patch) {
            return Some(format!("patch {} does not divide the picture, {height} x {width}", self.patch));
        }
        (!self.width.is_multiple_of(self.groups))
            .then(|| format!("groups {} does not divide width {}", self.groups, self.width))
    }

    fn latent_shape(&self, [_, height, width]: [usize; 3]) -> LatentShape {
        match self.latent {
            PatchLatent::Vector => LatentShape::vector(self.dim),
            PatchLatent::Map => LatentShape { rows: height / self.patch, columns: width / self.patch, dim: self.dim },
        }
    }

    fn init(&self, pixels: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        (Box::new(PatchConfig::init(self, pixels, device)) as Box<dyn Encoder>).into()
    }
}

impl Encoder for Patch {
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.forward(pixels)
    }
}

impl Patch {
    /// Normalised pixels `[frames, channels, height, width]` -> latents `[frames, tokens, dim]`.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let hidden = self.convolutions.iter().zip(&self.norms);
        let x = hidden.fold(embed_patches(pixels, &self.embed, self.patch), |x, (convolution, norm)| {
            norm.forward_relu(convolution.forward(x))
        });
        let x = self.last.forward(x);
        match &self.output {
            None => x.flatten::<3>(1, 2),
            Some(output) => output.forward(x.flatten::<2>(1, 3)).unsqueeze_dim(1),
        }
    }
}

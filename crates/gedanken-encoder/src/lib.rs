//! Observation to latent: one file per encoder.
//!
//! An encoder takes normalised pixels `[frames, channels, height, width]` and returns latents `[frames, tokens, dim]`.
//! A vector latent has one token; a map has `rows x columns` of them, row by row.

mod conv;
mod impala;
mod patch;
mod vit;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use conv::{ConvEncoder, ConvEncoderConfig};
pub use impala::{Impala, ImpalaConfig};
pub use patch::{Patch, PatchConfig, PatchLatent};
pub use vit::{Vit, VitConfig};

/// Which encoder, and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EncoderConfig {
    /// Three residual stacks, vector latent: EB-JEPA's.
    Impala(ImpalaConfig),
    /// Patches by a matrix product, then small convolutions: made for a CPU; map or vector latent.
    Patch(PatchConfig),
    /// Convolutions that halve the map stage by stage: sees more than patches do, on a CPU still; vector or map latent.
    Conv(ConvEncoderConfig),
    /// A vision transformer with a projector, vector latent: LeWorldModel's.
    Vit(VitConfig),
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self::Patch(PatchConfig::default())
    }
}

/// The shape of a latent: `rows x columns` tokens of `dim` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentShape {
    /// Rows of the map; 1 for a vector.
    pub rows: usize,
    /// Columns of the map; 1 for a vector.
    pub columns: usize,
    /// Numbers per token.
    pub dim: usize,
}

impl LatentShape {
    /// A vector of `dim` numbers.
    pub fn vector(dim: usize) -> Self {
        Self { rows: 1, columns: 1, dim }
    }

    /// Tokens.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// All numbers of a latent.
    pub fn numbers(&self) -> usize {
        self.tokens() * self.dim
    }

    /// Whether it is one token.
    pub fn is_vector(&self) -> bool {
        self.tokens() == 1
    }
}

/// Any of the encoders.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Encoder {
    /// See [`Impala`].
    Impala(Impala),
    /// See [`Patch`].
    Patch(Patch),
    /// See [`ConvEncoder`].
    Conv(ConvEncoder),
    /// See [`Vit`].
    Vit(Vit),
}

impl EncoderConfig {
    /// What is impossible about this encoder on pictures `[channels, height, width]`, if anything.
    pub fn problem(&self, pixels: [usize; 3]) -> Option<String> {
        match self {
            Self::Impala(_) => None,
            Self::Patch(config) => config.problem(pixels),
            Self::Conv(config) => config.problem(pixels),
            Self::Vit(config) => config.problem(pixels),
        }
    }

    /// The latents it makes of pictures `[channels, height, width]`.
    pub fn latent_shape(&self, pixels: [usize; 3]) -> LatentShape {
        match self {
            Self::Impala(config) => LatentShape::vector(config.dim),
            Self::Patch(config) => config.latent_shape(pixels),
            Self::Conv(config) => config.latent_shape(pixels),
            Self::Vit(config) => LatentShape::vector(config.dim),
        }
    }

    /// A new encoder for pictures `[channels, height, width]`.
    pub fn init(&self, pixels: [usize; 3], device: &Device) -> Encoder {
        match self {
            Self::Impala(config) => Encoder::Impala(config.init(pixels, device)),
            Self::Patch(config) => Encoder::Patch(config.init(pixels, device)),
            Self::Conv(config) => Encoder::Conv(config.init(pixels, device)),
            Self::Vit(config) => Encoder::Vit(config.init(pixels, device)),
        }
    }
}

impl Encoder {
    /// Normalised pixels `[frames, channels, height, width]` -> latents `[frames, tokens, dim]`.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        match self {
            Self::Impala(encoder) => encoder.forward(pixels),
            Self::Patch(encoder) => encoder.forward(pixels),
            Self::Conv(encoder) => encoder.forward(pixels),
            Self::Vit(encoder) => encoder.forward(pixels),
        }
    }
}

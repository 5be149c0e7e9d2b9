//! Latent and action block to the next latent: one file per predictor.

mod conv;
mod gru;
mod mlp;
mod transformer;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::Noise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use conv::{Conv, ConvConfig};
pub use gru::{Gru, GruConfig};
pub use mlp::{ResidualMlp, ResidualMlpConfig};
pub use transformer::{Transformer, TransformerConfig};

/// Which predictor, and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PredictorConfig {
    /// A GRU whose hidden state is the latent: EB-JEPA's. For vectors.
    Gru(GruConfig),
    /// A residual MLP with an embedded action. For vectors.
    Mlp(ResidualMlpConfig),
    /// Residual convolutions, the action added as planes. For maps.
    Conv(ConvConfig),
    /// A causal transformer over the last frames, steered by the actions: LeWorldModel's. For vectors.
    Transformer(TransformerConfig),
}

impl Default for PredictorConfig {
    fn default() -> Self {
        Self::Conv(ConvConfig::default())
    }
}

/// Any of the predictors.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Predictor {
    /// See [`Gru`].
    Gru(Gru),
    /// See [`ResidualMlp`].
    Mlp(ResidualMlp),
    /// See [`Conv`].
    Conv(Conv),
    /// See [`Transformer`].
    Transformer(Transformer),
}

impl PredictorConfig {
    /// What is impossible about it on latents of `rows x columns` tokens, if anything.
    pub fn problem(&self, [rows, columns]: [usize; 2]) -> Option<String> {
        match self {
            Self::Gru(_) | Self::Mlp(_) | Self::Transformer(_) if rows * columns > 1 => Some(format!(
                "this predictor takes vector latents, the encoder makes a map of {rows} x {columns}; use kind = \"conv\", or a vector latent"
            )),
            Self::Conv(_) if rows * columns == 1 => Some(
                "kind \"conv\" takes a map, the encoder makes a vector; use \"mlp\", \"gru\" or \"transformer\""
                    .to_owned(),
            ),
            Self::Conv(config) => config.problem(),
            _ => None,
        }
    }

    /// Frames that the next is predicted from, at most.
    pub fn history(&self) -> usize {
        match self {
            Self::Gru(_) | Self::Mlp(_) | Self::Conv(_) => 1,
            Self::Transformer(config) => config.history,
        }
    }

    /// A new predictor of latents of `rows x columns` tokens of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, [rows, columns]: [usize; 2], dim: usize, action: usize, device: &Device) -> Predictor {
        match self {
            Self::Gru(config) => Predictor::Gru(config.init(dim, action, device)),
            Self::Mlp(config) => Predictor::Mlp(config.init(dim, action, device)),
            Self::Conv(config) => Predictor::Conv(config.init([rows, columns], dim, action, device)),
            Self::Transformer(config) => Predictor::Transformer(config.init(dim, action, device)),
        }
    }
}

impl Predictor {
    /// Frames that the next is predicted from, at most: 1 for a predictor to which a latent says all.
    pub fn history(&self) -> usize {
        match self {
            Self::Gru(_) | Self::Mlp(_) | Self::Conv(_) => 1,
            Self::Transformer(predictor) => predictor.history(),
        }
    }

    /// Latents `[batch, frames, tokens, dim]` of at most [`Predictor::history`] frames, and the actions taken in them
    /// `[batch, frames, action]` -> the latents after every frame `[batch, frames, tokens, dim]`, each predicted from that frame
    /// and those before it. Predictors with a history of 1 take any number of frames, as so many rows of the batch.
    pub fn forward(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        match self {
            Self::Gru(predictor) => frame_by_frame(latents, actions, |z, a| predictor.forward(z, a)),
            Self::Mlp(predictor) => frame_by_frame(latents, actions, |z, a| predictor.forward(z, a)),
            Self::Conv(predictor) => frame_by_frame(latents, actions, |z, a| predictor.forward(z, a)),
            Self::Transformer(predictor) => predictor.forward(latents.squeeze_dim(2), actions, noise).unsqueeze_dim(2),
        }
    }
}

/// A step for every frame: latents `[batch, frames, tokens, dim]`, actions `[batch, frames, action]` -> `[batch, frames, tokens,
/// dim]`. The frames are folded into the batch.
fn frame_by_frame(
    latents: Tensor<4>,
    actions: Tensor<3>,
    step: impl FnOnce(Tensor<3>, Tensor<2>) -> Tensor<3>,
) -> Tensor<4> {
    let shape = latents.dims();
    step(latents.flatten(0, 1), actions.flatten(0, 1)).reshape(shape)
}

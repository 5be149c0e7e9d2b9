//! Latent and action block to the next latent: one file per predictor.

mod conv;
mod gru;
mod mlp;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use conv::{Conv, ConvConfig};
pub use gru::{Gru, GruConfig};
pub use mlp::{ResidualMlp, ResidualMlpConfig};

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
}

impl PredictorConfig {
    /// What is impossible about it on latents of `rows x columns` tokens, if anything.
    pub fn problem(&self, [rows, columns]: [usize; 2]) -> Option<String> {
        match self {
            Self::Gru(_) | Self::Mlp(_) if rows * columns > 1 => Some(format!(
                "this predictor takes vector latents, the encoder makes a map of {rows} x {columns}; use kind = \"conv\", or a vector latent"
            )),
            Self::Conv(_) if rows * columns == 1 => {
                Some("kind \"conv\" takes a map, the encoder makes a vector; use \"mlp\" or \"gru\"".to_owned())
            }
            Self::Conv(config) => config.problem(),
            _ => None,
        }
    }

    /// A new predictor of latents of `rows x columns` tokens of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, [rows, columns]: [usize; 2], dim: usize, action: usize, device: &Device) -> Predictor {
        match self {
            Self::Gru(config) => Predictor::Gru(config.init(dim, action, device)),
            Self::Mlp(config) => Predictor::Mlp(config.init(dim, action, device)),
            Self::Conv(config) => Predictor::Conv(config.init([rows, columns], dim, action, device)),
        }
    }
}

impl Predictor {
    /// One step: latents `[batch, tokens, dim]`, actions `[batch, action]` -> the next latents `[batch, tokens, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        match self {
            Self::Gru(predictor) => predictor.forward(latents, actions),
            Self::Mlp(predictor) => predictor.forward(latents, actions),
            Self::Conv(predictor) => predictor.forward(latents, actions),
        }
    }
}

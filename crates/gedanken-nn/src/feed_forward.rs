//! The MLP of a transformer's block.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{Linear, Noise, gelu};

/// Config of a [`FeedForward`].
#[derive(Config, Debug)]
pub struct FeedForwardConfig {
    /// Numbers of a token.
    pub dim: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// Share of the hidden numbers and of the results that is dropped in training. Default: 0
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Weights from normal(0, `std`), biases zero. Default: as PyTorch draws them
    #[config(default = "None")]
    pub std: Option<f64>,
}

/// A linear layer, GELU (Hendrycks and Gimpel, 2016; exact), a linear layer.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[dim, hidden]`
    pub hidden: Linear,
    /// `[hidden, dim]`
    pub output: Linear,
    #[module(skip)]
    dropout: f64,
}

impl FeedForwardConfig {
    /// A new one.
    pub fn init(&self, device: &Device) -> FeedForward {
        FeedForward {
            hidden: Linear::maybe_normal(self.dim, self.hidden, self.std, device),
            output: Linear::maybe_normal(self.hidden, self.dim, self.std, device),
            dropout: self.dropout,
        }
    }
}

impl FeedForward {
    /// `[..., dim]` -> `[..., dim]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, noise: &mut Noise) -> Tensor<D> {
        let hidden = noise.dropout(gelu(self.hidden.forward(x)), self.dropout);
        noise.dropout(self.output.forward(hidden), self.dropout)
    }
}

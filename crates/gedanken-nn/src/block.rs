//! The block of a transformer.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use crate::{Attention, AttentionConfig, FeedForward, FeedForwardConfig, Noise};

/// `x + attention(norm(x))`, then `x + mlp(norm(x))`: a pre-norm block (Xiong et al., 2020).
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention.
    pub norm1: LayerNorm,
    /// Between tokens.
    pub attention: Attention,
    /// Before the MLP.
    pub norm2: LayerNorm,
    /// Of every token.
    pub mlp: FeedForward,
}

impl Block {
    /// A new one, with `epsilon` under the roots of its norms.
    pub fn new(attention: &AttentionConfig, mlp: &FeedForwardConfig, epsilon: f64, device: &Device) -> Self {
        let norm = || LayerNormConfig::new(attention.dim).with_epsilon(epsilon).init(device);
        Self { norm1: norm(), attention: attention.init(device), norm2: norm(), mlp: mlp.init(device) }
    }

    /// `[batch, tokens, dim]` -> `[batch, tokens, dim]`.
    pub fn forward(&self, x: Tensor<3>, noise: &mut Noise) -> Tensor<3> {
        let x = x.clone() + self.attention.forward(self.norm1.forward(x), noise);
        x.clone() + self.mlp.forward(self.norm2.forward(x), noise)
    }
}

//! Multi-head self-attention (Vaswani et al., 2017).

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use gedanken_kernels::{attend, nothing_later};

use crate::{Linear, Noise};

/// Config of an [`Attention`].
#[derive(Config, Debug)]
pub struct AttentionConfig {
    /// Numbers of a token.
    pub dim: usize,
    /// Heads.
    pub heads: usize,
    /// Numbers of a query, a key and a value of one head.
    pub head_dim: usize,
    /// Gives queries, keys and values a bias. Default: true
    #[config(default = true)]
    pub qkv_bias: bool,
    /// Tokens of a frame, where a token sees only those of its own frame and of the frames before it. Default: every token sees all
    #[config(default = "None")]
    pub frame: Option<usize>,
    /// Share of the attention weights and of the results that is dropped in training. Default: 0
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Weights from normal(0, `std`), biases zero. Default: as PyTorch draws them
    #[config(default = "None")]
    pub std: Option<f64>,
}

/// `softmax(q k^T / sqrt(head_dim)) v` in every head, then a linear layer over the heads.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[dim, 3 heads head_dim]`: queries, keys, values; in each the heads.
    pub qkv: Linear,
    /// `[heads head_dim, dim]`
    pub output: Linear,
    #[module(skip)]
    config: AttentionConfig,
}

impl AttentionConfig {
    /// A new one.
    pub fn init(&self, device: &Device) -> Attention {
        let inner = self.heads * self.head_dim;
        let mut qkv = Linear::maybe_normal(self.dim, 3 * inner, self.std, device);
        qkv.bias = qkv.bias.filter(|_| self.qkv_bias);
        Attention { qkv, output: Linear::maybe_normal(inner, self.dim, self.std, device), config: self.clone() }
    }
}

impl Attention {
    /// `[batch, tokens, dim]` -> `[batch, tokens, dim]`.
    pub fn forward(&self, x: Tensor<3>, noise: &mut Noise) -> Tensor<3> {
        let [batch, tokens, _] = x.dims();
        let AttentionConfig { heads, head_dim, frame, dropout, .. } = self.config;
        if !noise.drops(dropout) {
            return self.output.forward(attend(self.qkv.forward(x), heads, frame));
        }
        // [3, batch, heads, tokens, head_dim]
        let qkv = self.qkv.forward(x).reshape([batch, tokens, 3, heads, head_dim]).permute([2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|i| qkv.clone().narrow(0, i, 1).squeeze_dim::<4>(0));
        let mut scores = (q / (head_dim as f64).sqrt()).matmul(k.swap_dims(2, 3));
        if let Some(frame) = frame.filter(|&frame| frame < tokens) {
            scores = scores + Tensor::from_data(nothing_later(tokens, frame), (&v.device(), v.dtype()));
        }
        let weights = noise.dropout(softmax(scores, 3), dropout);
        let heads = weights.matmul(v).swap_dims(1, 2).flatten::<3>(2, 3);
        noise.dropout(self.output.forward(heads), dropout)
    }
}

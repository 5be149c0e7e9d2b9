//! LeWorldModel's predictor (arXiv:2603.19312): a causal transformer over frames, steered by the actions.

use burn::module::{Initializer, Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::activation::silu;
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{
    Attention, AttentionConfig, FeedForward, FeedForwardConfig, LatentShape, Linear, Noise, Part, Predictor, Projector,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PredictorConfig, takes_vectors};

/// Under the root of the layer norms that the actions modulate.
const EPSILON: f64 = 1e-6;

/// A causal transformer over the last frames, steered by the actions: LeWorldModel's. For vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransformerConfig {
    /// Frames that it sees at once: the next is predicted from the last `history`. Default 3.
    #[schemars(range(min = 1, max = 1024))]
    pub history: usize,
    /// Blocks. Default 6.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
    /// Heads of the attention. Default 16.
    #[schemars(range(min = 1, max = 1024))]
    pub heads: usize,
    /// Numbers of a query, a key and a value of one head. Default 64.
    #[schemars(range(min = 1, max = 65536))]
    pub head_dim: usize,
    /// Width of the hidden layer of a block's MLP. Default 2048.
    #[schemars(range(min = 1, max = 65536))]
    pub mlp: usize,
    /// Width of the hidden layer of the action encoder. Default 768.
    #[schemars(range(min = 1, max = 65536))]
    pub action_hidden: usize,
    /// Share of the attention weights and of what attention and MLP make that is dropped in training. Default 0.1.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Width of the hidden layer of the projector behind it, which has a BatchNorm; 0 for no projector. Default 2048.
    #[schemars(range(min = 0, max = 65536))]
    pub projector: usize,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            history: 3,
            depth: 6,
            heads: 16,
            head_dim: 64,
            mlp: 2048,
            action_hidden: 768,
            dropout: 0.1,
            projector: 2048,
        }
    }
}

/// Latents with learned positions, blocks that each frame's action modulates, a LayerNorm, the projector.
#[derive(Module, Debug)]
pub struct Transformer {
    action: ActionEncoder,
    /// `[1, history, dim]`
    positions: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projector: Option<Projector>,
}

/// `linear(silu(linear(linear(a))))`; the first keeps the width of the action (a convolution over one frame there).
#[derive(Module, Debug)]
struct ActionEncoder {
    mix: Linear,
    hidden: Linear,
    output: Linear,
}

/// A block with AdaLN-zero (Peebles and Xie, 2023): the action shifts and scales what goes into attention and MLP, and gates
/// what comes out. The gates start at zero: an untrained block passes its input on.
#[derive(Module, Debug)]
struct Block {
    modulation: Linear,
    attention_norm: LayerNorm,
    attention: Attention,
    mlp_norm: LayerNorm,
    mlp: FeedForward,
}

impl TransformerConfig {
    /// A new predictor of vectors of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, dim: usize, action: usize, device: &Device) -> Transformer {
        let linear = |from, to| Linear::new(from, to, device);
        let norm = || LayerNormConfig::new(dim).init(device);
        let attention = AttentionConfig::new(dim, self.heads, self.head_dim)
            .with_qkv_bias(false)
            .with_frame(Some(1))
            .with_dropout(self.dropout);
        let mlp = FeedForwardConfig::new(dim, self.mlp).with_dropout(self.dropout);
        let block = |_| Block {
            modulation: Linear::normal(dim, 6 * dim, 0.0, device),
            attention_norm: norm(),
            attention: attention.init(device),
            mlp_norm: norm(),
            mlp: mlp.init(device),
        };
        Transformer {
            action: ActionEncoder {
                mix: linear(action, action),
                hidden: linear(action, self.action_hidden),
                output: linear(self.action_hidden, dim),
            },
            positions: Initializer::Normal { mean: 0.0, std: 1.0 }.init([1, self.history, dim], device),
            blocks: (0..self.depth).map(block).collect(),
            norm: norm(),
            projector: (self.projector > 0).then(|| Projector::new(dim, self.projector, device)),
        }
    }
}

impl PredictorConfig for TransformerConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        takes_vectors(latent)
    }

    fn history(&self) -> usize {
        self.history
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(TransformerConfig::init(self, latent.dim, action, device)) as Box<dyn Predictor>).into()
    }
}

impl Predictor for Transformer {
    fn history(&self) -> usize {
        self.positions.dims()[1]
    }

    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        self.forward(latents.squeeze_dim(2), actions, noise).unsqueeze_dim(2)
    }
}

impl Transformer {
    /// Latents `[batch, frames, dim]` of at most `history` frames and the actions in them `[batch, frames, action]` -> the
    /// latents after every frame `[batch, frames, dim]`, each from that frame and those before it.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<3> {
        let frames = latents.dims()[1];
        let steering = silu(self.action.forward(actions));
        let x = latents + self.positions.val().narrow(1, 0, frames);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, steering.clone(), noise));
        let next = self.norm.forward(x);
        match &self.projector {
            Some(projector) => projector.forward(next),
            None => next,
        }
    }
}

impl ActionEncoder {
    fn forward(&self, actions: Tensor<3>) -> Tensor<3> {
        self.output.forward(silu(self.hidden.forward(self.mix.forward(actions))))
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>, steering: Tensor<3>, noise: &mut Noise) -> Tensor<3> {
        let dim = x.dims()[2];
        let modulation = self.modulation.forward(steering);
        let part = |i: usize| modulation.clone().narrow(2, i * dim, dim);
        let inner = self.attention_norm.forward(modulated(x.clone(), part(0), part(1)));
        let x = x + part(2) * self.attention.forward(inner, noise);
        let inner = self.mlp_norm.forward(modulated(x.clone(), part(3), part(4)));
        x + part(5) * self.mlp.forward(inner, noise)
    }
}

/// `norm(x) (1 + scale) + shift`, with a LayerNorm that has no weights of its own.
fn modulated(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    let ones = Tensor::ones([x.dims()[2]], (&x.device(), x.dtype()));
    layer_norm(x, ones, None, EPSILON) * (scale + 1.0) + shift
}

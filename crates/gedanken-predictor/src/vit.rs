//! DINO-WM's predictor (Zhou et al., 2024): a vision transformer over the tokens of the last frames.

use burn::module::{Initializer, Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};
use gedanken_nn::{AttentionConfig, Block, FeedForwardConfig, LatentShape, Linear, Noise, Part, Predictor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PredictorConfig;

/// Under the root of a layer norm, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// A vision transformer over the tokens of the last frames: DINO-WM's. A token sees all of its own frame and of the frames before it; the
/// action is appended to every token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VitConfig {
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
    /// Numbers that a linear layer makes of an action, appended to every token. Default 10.
    #[schemars(range(min = 1, max = 65536))]
    pub action_dim: usize,
    /// Adds what it makes to the latents: it begins by imagining that nothing changes. Default false, as in DINO-WM: it makes the next latents
    /// anew.
    pub residual: bool,
    /// Share of the attention weights and of what attention and MLP make that is dropped in training. Default 0.1.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self { history: 3, depth: 6, heads: 16, head_dim: 64, mlp: 2048, action_dim: 10, residual: false, dropout: 0.1 }
    }
}

/// Tokens and actions side by side with learned positions, pre-norm blocks, a LayerNorm; what stands in the actions' place is left out.
#[derive(Module, Debug)]
pub struct Vit {
    action: Linear,
    /// `[1, history * tokens, dim + action_dim]`
    positions: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    #[module(skip)]
    history: usize,
    #[module(skip)]
    residual: bool,
}

impl VitConfig {
    /// A new predictor of `tokens` tokens of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, tokens: usize, dim: usize, action: usize, device: &Device) -> Vit {
        let width = dim + self.action_dim;
        let attention = AttentionConfig::new(width, self.heads, self.head_dim)
            .with_qkv_bias(false)
            .with_frame(Some(tokens))
            .with_dropout(self.dropout);
        let mlp = FeedForwardConfig::new(width, self.mlp).with_dropout(self.dropout);
        let mut norm = LayerNormConfig::new(width).with_epsilon(EPSILON).init(device);
        if self.residual {
            norm.gamma = Initializer::Zeros.init([width], device);
        }
        Vit {
            action: Linear::new(action, self.action_dim, device),
            positions: Initializer::Normal { mean: 0.0, std: 1.0 }.init([1, self.history * tokens, width], device),
            blocks: (0..self.depth).map(|_| Block::new(&attention, &mlp, EPSILON, device)).collect(),
            norm,
            history: self.history,
            residual: self.residual,
        }
    }
}

impl PredictorConfig for VitConfig {
    fn history(&self) -> usize {
        self.history
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(VitConfig::init(self, latent.tokens(), latent.dim, action, device)) as Box<dyn Predictor>).into()
    }
}

impl Predictor for Vit {
    fn history(&self) -> usize {
        self.history
    }

    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        self.forward(latents, actions, noise)
    }
}

impl Vit {
    /// Latents `[batch, frames, tokens, dim]` of at most `history` frames and the actions in them `[batch, frames, action]` -> the
    /// latents after every frame `[batch, frames, tokens, dim]`, each from that frame and those before it.
    pub fn forward(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        let [batch, frames, tokens, dim] = latents.dims();
        let action = self.action.forward(actions).unsqueeze_dim::<4>(2).repeat_dim(2, tokens);
        let x = Tensor::cat(vec![latents.clone(), action], 3).flatten::<3>(1, 2);
        let x = x + self.positions.val().narrow(1, 0, frames * tokens);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, noise));
        let made = self.norm.forward(x).narrow(2, 0, dim).reshape([batch, frames, tokens, dim]);
        if self.residual { latents + made } else { made }
    }
}

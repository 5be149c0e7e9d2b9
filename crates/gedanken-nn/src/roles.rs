//! The two networks of a world model, as everything else sees them.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{AnyModule, Noise};

/// Observation to latent.
pub trait Encoder: AnyModule {
    /// Normalised pixels `[frames, channels, height, width]` -> latents `[frames, tokens, dim]`.
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3>;
}

/// Latents and actions to the next latents.
pub trait Predictor: AnyModule {
    /// Frames that a step is predicted from, at most. Default 1: a latent says all.
    fn history(&self) -> usize {
        1
    }

    /// Latents `[batch, frames, tokens, dim]` of at most [`Predictor::history`] frames, and the actions taken in them
    /// `[batch, frames, action]` -> the latents after every frame `[batch, frames, tokens, dim]`, each predicted from that frame
    /// and those before it. A predictor with a history of 1 takes any number of frames, each for itself: see [`frame_by_frame`].
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4>;
}

/// Folds frames into the batch, for a predictor with a history of 1: latents `[batch, frames, tokens, dim]`, actions
/// `[batch, frames, action]` -> `[batch, frames, tokens, dim]`.
pub fn frame_by_frame(
    latents: Tensor<4>,
    actions: Tensor<3>,
    step: impl FnOnce(Tensor<3>, Tensor<2>) -> Tensor<3>,
) -> Tensor<4> {
    let shape = latents.dims();
    step(latents.flatten(0, 1), actions.flatten(0, 1)).reshape(shape)
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

    /// True for one token.
    pub fn is_vector(&self) -> bool {
        self.tokens() == 1
    }
}

/// The sizes of what a model sees, does and is probed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spaces {
    /// Pictures: channels, height, width.
    pub pixels: [usize; 3],
    /// Numbers of an action.
    pub action: usize,
    /// Numbers of all labels.
    pub labels: usize,
    /// Proprioception: columns of the labels that the agent feels of itself.
    #[serde(default)]
    pub proprioception: Vec<usize>,
}

impl std::fmt::Display for Spaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [channels, height, width] = self.pixels;
        write!(
            f,
            "pictures of {channels} x {height} x {width}, actions of {} numbers, {} labels, {} numbers of proprioception",
            self.action,
            self.labels,
            self.proprioception.len()
        )
    }
}

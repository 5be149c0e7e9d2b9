//! Blocks that encoders and predictors share. What they compute with, and the update of their weights, is `gedanken-kernels`.

mod attention;
mod conv;
mod feed_forward;
mod group_norm;
mod gru;
mod linear;
mod mlp;
mod noise;
mod patches;
mod projector;
mod readout;

pub use attention::{Attention, AttentionConfig};
pub use conv::{Conv3x3, Conv3x3Config};
pub use feed_forward::{FeedForward, FeedForwardConfig};
pub use gedanken_kernels::{AdamWStep, PackedGru, Precision, adamw, add_relu, gelu, max_pool_2x2, max_pool_3x3};
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use gru::gru_step;
pub use linear::Linear;
pub use mlp::Mlp;
pub use noise::Noise;
pub use patches::{embed_patches, halve};
pub use projector::Projector;
pub use readout::Readout;

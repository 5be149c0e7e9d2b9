//! Blocks that encoders and predictors share, and the update of their weights.

mod adamw;
mod add_relu;
mod attend;
mod attention;
mod conv;
mod feed_forward;
mod gelu;
mod group_norm;
mod gru;
mod kept;
mod kernels;
mod linear;
mod max_pool;
mod mlp;
mod noise;
mod patches;
mod precision;
mod projector;
mod readout;

pub use adamw::{AdamWStep, adamw};
pub use add_relu::add_relu;
pub use attention::{Attention, AttentionConfig};
pub use conv::{Conv3x3, Conv3x3Config};
pub use feed_forward::{FeedForward, FeedForwardConfig};
pub use gelu::gelu;
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use gru::{PackedGru, gru_step};
pub use linear::Linear;
pub use max_pool::{max_pool_2x2, max_pool_3x3};
pub use mlp::Mlp;
pub use noise::Noise;
pub use patches::{embed_patches, halve};
pub use precision::Precision;
pub use projector::Projector;
pub use readout::Readout;

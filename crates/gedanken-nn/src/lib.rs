#![doc = include_str!("../README.md")]

mod attention;
mod conv;
mod feed_forward;
mod group_norm;
mod gru;
mod learn;
mod linear;
mod mlp;
mod noise;
mod parameters;
mod part;
mod patches;
mod projector;
mod readout;
mod roles;
mod schedule;
mod slow;

pub use attention::{Attention, AttentionConfig};
pub use conv::{Conv3x3, Conv3x3Config};
pub use feed_forward::{FeedForward, FeedForwardConfig};
pub use gedanken_kernels::{AdamWStep, PackedGru, Precision, adamw, add_relu, gelu, max_pool_2x2, max_pool_3x3};
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use gru::gru_step;
pub use learn::{Learn, Loss, Shown, TrainBatch};
pub use linear::Linear;
pub use mlp::Mlp;
pub use noise::Noise;
pub use parameters::{Named, draw, named_parameters, number, replace, seeded, shapes};
pub use part::{AnyMapper, AnyModule, AnyVisitor, PARTS, Part, Parts, Turn};
pub use patches::{embed_patches, halve};
pub use projector::Projector;
pub use readout::Readout;
pub use roles::{Encoder, LatentShape, Predictor, Spaces, frame_by_frame};
pub use schedule::{Progress, Ramp, Schedule, Shape};
pub use slow::Slow;

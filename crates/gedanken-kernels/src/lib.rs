#![doc = include_str!("../README.md")]

mod adamw;
mod add_relu;
mod attention;
mod conv3x3;
mod dense;
mod gelu;
mod group_norm;
mod gru;
mod kept;
mod kernels;
mod maps;
mod max_pool;
mod operation;
mod patches;
mod precision;

pub use adamw::{AdamWStep, adamw};
pub use add_relu::add_relu;
pub use attention::{attend, nothing_later};
pub use conv3x3::conv3x3;
pub use dense::{PackedWeights, dense};
pub use gelu::gelu;
pub use group_norm::group_norm;
pub use gru::{PackedGru, gru_step};
pub use max_pool::{max_pool_2x2, max_pool_3x3};
pub use patches::embed_patches;
pub use precision::Precision;

//! Blocks that encoders and predictors share.

mod conv;
mod group_norm;
mod kernels;
mod mlp;
mod readout;

pub use conv::{Conv3x3, Conv3x3Config};
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use mlp::Mlp;
pub use readout::Readout;

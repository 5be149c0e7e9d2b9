//! Operations on tensors that have a kernel of their own on the CPU; elsewhere they are composed of burn's.
//!
//! An operation is one file. At its top stands the function on [`Tensor`](burn::tensor::Tensor)s that the blocks of `gedanken-nn` call, below it
//! the operation and its gradient, each with a kernel and a composition; [`operation`] is all that they share. The kernels themselves, in
//! `kernels`, know slices only.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use gedanken_kernels::add_relu;
//!
//! let map = |numbers: [f32; 2]| Tensor::<1>::from_data(numbers, &Device::flex()).reshape([1, 1, 2, 1]);
//! let sum = add_relu(map([1.0, -3.0]), map([0.5, 1.0]));
//! assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [1.5, 0.0]);
//! ```

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

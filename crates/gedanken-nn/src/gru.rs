//! A step of a GRU.

use burn::tensor::Tensor;
use gedanken_kernels::PackedGru;

use crate::Linear;

/// The next state of a GRU (Cho et al., 2014), gates as in PyTorch's `GRUCell`: states `[rows, dim]`, inputs `[rows, input]` -> `[rows, dim]`.
/// The layers are of `[input, 3 dim]` and `[dim, 3 dim]`: reset, update, new. `packed` belongs to these two layers.
///
/// # Panics
///
/// If the layers have no bias or other sizes.
pub fn gru_step(
    states: Tensor<2>,
    inputs: Tensor<2>,
    input: &Linear,
    hidden: &Linear,
    packed: &PackedGru,
) -> Tensor<2> {
    gedanken_kernels::gru_step(states, inputs, input.biased(), hidden.biased(), packed)
}

//! A step of a GRU.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Slice, Tensor};

use crate::Linear;
use crate::kept::Kept;
use crate::kernels::flex::{contiguous, tensor};
use crate::kernels::gru::Packed;
use crate::linear::LinearOps;

/// The next state of a GRU (Cho et al., 2014), gates as in PyTorch's `GRUCell`: states `[rows, dim]`, inputs `[rows, input]` -> `[rows, dim]`.
/// The layers are of `[input, 3 dim]` and `[dim, 3 dim]`: reset, update, new. `packed` belongs to these two layers.
///
/// On the CPU, without a gradient, it is one pass of a kernel of its own; elsewhere it is burn's operations.
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
    let dim = states.dims()[1];
    assert_eq!((input.weight.dims(), hidden.weight.dims()), ([inputs.dims()[1], 3 * dim], [dim, 3 * dim]));
    let bias = |layer: &Linear| layer.bias.as_ref().expect("a gate has a bias").val().into_dispatch();
    let weight = |layer: &Linear| layer.weight.val().into_dispatch();
    Tensor::from_dispatch(Dispatch::gru_step(
        states.into_dispatch(),
        inputs.into_dispatch(),
        weight(input),
        bias(input),
        weight(hidden),
        bias(hidden),
        packed.clone(),
    ))
}

/// A GRU's weights as the kernel wants them, from one step to the next: packing reads and writes all of them. Clones
/// share it; weights that have changed are packed anew.
#[derive(Clone, Debug, Default)]
pub struct PackedGru(Kept<Packed, 4>);

/// The operation of [`gru_step`].
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait GruOps: LinearOps {
    /// The next states `[rows, dim]`.
    fn gru_step(
        states: FloatTensor<Self>,
        inputs: FloatTensor<Self>,
        input: FloatTensor<Self>,
        input_bias: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        hidden_bias: FloatTensor<Self>,
        _packed: PackedGru,
    ) -> FloatTensor<Self> {
        composed::<Self>(states, inputs, [input, input_bias], [hidden, hidden_bias])
    }
}

impl GruOps for Cube {}

impl<B: GruOps, C: CheckpointStrategy> GruOps for Autodiff<B, C> {}

impl GruOps for Flex {
    fn gru_step(
        states: FloatTensor<Self>,
        inputs: FloatTensor<Self>,
        input: FloatTensor<Self>,
        input_bias: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        hidden_bias: FloatTensor<Self>,
        packed: PackedGru,
    ) -> FloatTensor<Self> {
        match contiguous([states, inputs, input, input_bias, hidden, hidden_bias]) {
            Ok([states, inputs, input, input_bias, hidden, hidden_bias]) => {
                let ([rows, dim], [_, numbers]) = (states.shape().dims(), inputs.shape().dims());
                let weights = [input, input_bias, hidden, hidden_bias];
                let packed = packed.0.of(weights, |[input, input_bias, hidden, hidden_bias]| {
                    Packed::new([dim, numbers], [input, input_bias], [hidden, hidden_bias])
                });
                tensor(packed.step(rows, states.storage(), inputs.storage()), [rows, dim])
            }
            Err([states, inputs, input, input_bias, hidden, hidden_bias]) => {
                composed::<Self>(states, inputs, [input, input_bias], [hidden, hidden_bias])
            }
        }
    }
}

/// The same with burn's own operations: `r = s(Wir a + Whr h)`, `u = s(Wiu a + Whu h)`, `n = tanh(Win a + r (Whn h))`,
/// `h' = (1 - u) n + u h`, each `W` with its bias.
fn composed<B: LinearOps>(
    states: FloatTensor<B>,
    inputs: FloatTensor<B>,
    input: [FloatTensor<B>; 2],
    hidden: [FloatTensor<B>; 2],
) -> FloatTensor<B> {
    let dim = states.shape().dims::<2>()[1];
    let gates = |x: FloatTensor<B>, [weight, bias]: [FloatTensor<B>; 2]| {
        let sums = B::dense(x, weight, bias, None);
        [0, 1, 2].map(|gate| B::float_slice(sums.clone(), &[Slice::full(), Slice::from(gate * dim..(gate + 1) * dim)]))
    };
    let ([ir, iu, inew], [hr, hu, hnew]) = (gates(inputs, input), gates(states.clone(), hidden));
    let (reset, update) = (B::sigmoid(B::float_add(ir, hr)), B::sigmoid(B::float_add(iu, hu)));
    let new = B::float_tanh(B::float_add(inew, B::float_mul(reset, hnew)));
    B::float_add(B::float_mul(update, B::float_sub(states, new.clone())), new)
}

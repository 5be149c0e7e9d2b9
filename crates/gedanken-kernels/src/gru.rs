//! A step of a GRU.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Slice, Tensor};
use burn_flex::FlexTensor;

use crate::dense::Dense;
use crate::kept::Kept;
use crate::kernels::gru::Packed;
use crate::operation::{Composed, Operation, Operations, call, tensor};

/// The next state of a GRU (Cho et al., 2014), gates as in PyTorch's `GRUCell`: states `[rows, dim]`, inputs `[rows, input]` -> `[rows, dim]`.
/// `input` is a weight `[input, 3 dim]` and a bias `[3 dim]`, `hidden` one of `[dim, 3 dim]` and `[3 dim]`: reset, update, new. `packed` belongs
/// to these. The kernel runs where no gradient is asked for.
///
/// # Panics
///
/// If the weights have other sizes.
pub fn gru_step(
    states: Tensor<2>,
    inputs: Tensor<2>,
    input: (Tensor<2>, Tensor<1>),
    hidden: (Tensor<2>, Tensor<1>),
    packed: &PackedGru,
) -> Tensor<2> {
    let dim = states.dims()[1];
    assert_eq!((input.0.dims(), hidden.0.dims()), ([inputs.dims()[1], 3 * dim], [dim, 3 * dim]));
    let [input, hidden] = [input, hidden].map(|(weight, bias)| (weight.into_dispatch(), bias.into_dispatch()));
    let inputs = [states.into_dispatch(), inputs.into_dispatch(), input.0, input.1, hidden.0, hidden.1];
    call(Gru { packed: packed.clone() }, inputs)
}

/// A GRU's weights as the kernel wants them, from one step to the next: packing reads and writes all of them. Clones
/// share it; weights that have changed are packed anew.
#[derive(Clone, Debug, Default)]
pub struct PackedGru(Kept<Packed, 4>);

/// States, inputs, weight and bias of the inputs, weight and bias of the states.
#[derive(Clone, Debug)]
struct Gru {
    packed: PackedGru,
}

impl Operation<6> for Gru {
    type Derivative = Composed;

    fn kernel(self, [states, inputs, input, input_bias, hidden, hidden_bias]: [FlexTensor; 6]) -> [FlexTensor; 1] {
        let ([rows, dim], [_, numbers]) = (states.shape().dims(), inputs.shape().dims());
        let weights = [input, input_bias, hidden, hidden_bias];
        let packed = self.packed.0.of(weights, |[input, input_bias, hidden, hidden_bias]| {
            Packed::new([dim, numbers], [input, input_bias], [hidden, hidden_bias])
        });
        [tensor(packed.step(rows, states.storage(), inputs.storage()), [rows, dim])]
    }

    /// `r = s(Wir a + Whr h)`, `u = s(Wiu a + Whu h)`, `n = tanh(Win a + r (Whn h))`, `h' = (1 - u) n + u h`, each `W` with its bias.
    fn composed<B: Operations>(
        self,
        [states, inputs, input, input_bias, hidden, hidden_bias]: [FloatTensor<B>; 6],
    ) -> [FloatTensor<B>; 1] {
        let dim = states.shape().dims::<2>()[1];
        let gates = |layer: [FloatTensor<B>; 3]| {
            let [sums] = Dense::once().run::<B>(layer);
            let slice = |gate| [Slice::full(), Slice::from(gate * dim..(gate + 1) * dim)];
            [0, 1, 2].map(|gate| B::float_slice(sums.clone(), &slice(gate)))
        };
        let [ir, iu, inew] = gates([inputs, input, input_bias]);
        let [hr, hu, hnew] = gates([states.clone(), hidden, hidden_bias]);
        let (reset, update) = (B::sigmoid(B::float_add(ir, hr)), B::sigmoid(B::float_add(iu, hu)));
        let new = B::float_tanh(B::float_add(inew, B::float_mul(reset, hnew)));
        [B::float_add(B::float_mul(update, B::float_sub(states, new.clone())), new)]
    }
}

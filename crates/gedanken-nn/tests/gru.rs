//! A step of a GRU.

#[path = "../../gedanken-kernels/tests/common/mod.rs"]
mod common;

use burn::module::Param;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_nn::{Linear, PackedGru, gru_step};

/// rows, state, input
const SHAPES: [[usize; 3]; 6] = [[1, 1, 1], [3, 8, 2], [7, 17, 1], [200, 64, 2], [33, 512, 2], [65, 40, 5]];

fn layer(seed: u32, input: usize, output: usize, device: &Device) -> Linear {
    let mut layer = Linear::new(input, output, device);
    layer.weight = Param::from_tensor(numbers(seed, [input, output], device));
    layer.bias = Some(Param::from_tensor(numbers(seed + 1, [output], device)));
    layer
}

/// Input and hidden layer.
fn layers([_, dim, input]: [usize; 3], device: &Device) -> [Linear; 2] {
    [layer(1, input, 3 * dim, device), layer(3, dim, 3 * dim, device)]
}

fn states_and_inputs([rows, dim, input]: [usize; 3], device: &Device) -> (Tensor<2>, Tensor<2>) {
    (numbers(5, [rows, dim], device), numbers(6, [rows, input], device))
}

/// The formula, gate by gate.
fn reference(states: Tensor<2>, inputs: Tensor<2>, [input, hidden]: &[Linear; 2]) -> Tensor<2> {
    let dim = states.dims()[1];
    let gate = |x: &Tensor<2>, i: usize| x.clone().narrow(1, i * dim, dim);
    let (input, hidden) = (input.forward(inputs), hidden.forward(states.clone()));
    let reset = sigmoid(gate(&input, 0) + gate(&hidden, 0));
    let update = sigmoid(gate(&input, 1) + gate(&hidden, 1));
    let new = tanh(gate(&input, 2) + reset * gate(&hidden, 2));
    (update.clone().neg() + 1.0) * new + update * states
}

fn step(states: Tensor<2>, inputs: Tensor<2>, layers: &[Linear; 2], packed: &PackedGru) -> Tensor<2> {
    gru_step(states, inputs, &layers[0], &layers[1], packed)
}

#[test]
fn the_next_state_is_the_formulas() {
    let device = Device::flex();
    for shape in SHAPES {
        let (layers, (states, inputs)) = (layers(shape, &device), states_and_inputs(shape, &device));
        let ours = step(states.clone(), inputs.clone(), &layers, &PackedGru::default());
        assert_close(&format!("{shape:?}"), &values(ours), &values(reference(states, inputs, &layers)));
    }
}

#[test]
fn with_a_gradient_it_is_the_formula_and_its_gradient() {
    let device = Device::flex().autodiff();
    let shape = SHAPES[2];
    let (layers, (states, inputs)) = (layers(shape, &device), states_and_inputs(shape, &device));
    let states = states.require_grad();
    let all = |next: Tensor<2>| {
        let weights = numbers(9, next.dims(), &device);
        let gradients = (next.clone() * weights).sum().backward();
        let of = |layer: &Linear| values(layer.weight.val().grad(&gradients).expect("weight"));
        [values(next), values(states.grad(&gradients).expect("states")), of(&layers[0]), of(&layers[1])]
    };
    let ours = all(step(states.clone(), inputs.clone(), &layers, &PackedGru::default()));
    let formulas = all(reference(states.clone(), inputs, &layers));
    for (name, (ours, formulas)) in ["next", "states", "input", "hidden"].iter().zip(ours.iter().zip(&formulas)) {
        assert_close(name, ours, formulas);
    }
}

#[test]
fn weights_that_have_changed_are_packed_anew() {
    let device = Device::flex();
    let shape = SHAPES[1];
    let (mut layers, (states, inputs)) = (layers(shape, &device), states_and_inputs(shape, &device));
    let packed = PackedGru::default();
    let before = values(step(states.clone(), inputs.clone(), &layers, &packed));
    assert_eq!(before, values(step(states.clone(), inputs.clone(), &layers, &packed)));
    layers[1].weight = layers[1].weight.clone().map(|weight| weight * 0.5);
    let after = values(step(states.clone(), inputs.clone(), &layers, &packed));
    assert_close("halved", &after, &values(reference(states, inputs, &layers)));
    assert_ne!(before, after);
}

#[test]
fn rows_do_not_depend_on_their_neighbours_nor_on_the_threads() {
    let device = Device::flex();
    let shape = SHAPES[3];
    let (layers, (states, inputs)) = (layers(shape, &device), states_and_inputs(shape, &device));
    let run = |threads, rows: usize| {
        on_threads(threads, || {
            let (states, inputs) = (states.clone().narrow(0, 0, rows), inputs.clone().narrow(0, 0, rows));
            values(step(states, inputs, &layers, &PackedGru::default()))
        })
    };
    let all = run(1, 200);
    assert_eq!(all, run(3, 200));
    assert_eq!(all[..37 * 64], run(2, 37));
}

#[test]
fn other_types_of_numbers_are_burns() {
    let device = Device::flex();
    let shape = SHAPES[1];
    let (layers, (states, inputs)) = (layers(shape, &device), states_and_inputs(shape, &device));
    let wide = layers.clone().map(|mut layer| {
        layer.weight = Param::from_tensor(layer.weight.val().cast(DType::F64));
        layer.bias = layer.bias.map(|bias| Param::from_tensor(bias.val().cast(DType::F64)));
        layer
    });
    let ours = step(states.clone(), inputs.clone(), &layers, &PackedGru::default());
    let burns = step(states.cast(DType::F64), inputs.cast(DType::F64), &wide, &PackedGru::default());
    assert_close("in double precision", &values(ours), &values(burns));
}

//! Linear layers.

#[path = "../../gedanken-kernels/tests/common/mod.rs"]
mod common;

use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_nn::Linear;
use rayon::prelude::*;

/// rows, input, output: rows fill tiles and tasks or do not, sums are cut or are not, columns fill vectors or do not.
const SHAPES: [[usize; 3]; 8] =
    [[1, 1, 1], [5, 3, 2], [49, 300, 17], [130, 64, 96], [700, 7, 33], [2, 1000, 40], [64, 513, 8], [300, 192, 9]];

fn layer([_, input, output]: [usize; 3], device: &Device) -> Linear {
    let mut layer = Linear::new(input, output, device);
    layer.weight = Param::from_tensor(numbers(1, [input, output], device));
    layer.bias = Some(Param::from_tensor(numbers(2, [output], device)));
    layer
}

fn burns(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    burn::nn::Linear { weight: layer.weight.clone(), bias: layer.bias.clone() }.forward(x)
}

/// The result and the gradients of rows, weight and bias, given some gradient of the result.
fn all([rows, input, output]: [usize; 3], by: impl Fn(&Linear, Tensor<2>) -> Tensor<2>) -> [Vec<f32>; 4] {
    let device = Device::flex().autodiff();
    let (layer, x) = (layer([rows, input, output], &device), numbers(7, [rows, input], &device).require_grad());
    let out = by(&layer, x.clone());
    let gradients = (out.clone() * numbers(9, [rows, output], &device)).sum().backward();
    let bias = layer.bias.as_ref().expect("a bias").val();
    [
        values(out),
        values(x.grad(&gradients).expect("rows")),
        values(layer.weight.val().grad(&gradients).expect("weight")),
        values(bias.grad(&gradients).expect("bias")),
    ]
}

fn ours(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    layer.forward(x)
}

#[test]
fn result_and_gradients_are_burns() {
    for shape in SHAPES {
        let (ours, burns) = (all(shape, ours), all(shape, burns));
        for (name, (ours, burns)) in ["result", "rows", "weight", "bias"].iter().zip(ours.iter().zip(&burns)) {
            assert_close(&format!("{shape:?}: {name}"), ours, burns);
        }
    }
}

#[test]
fn results_are_the_same_bits_on_one_thread_and_on_three() {
    for shape in [SHAPES[3], SHAPES[4], SHAPES[6]] {
        let run = |threads| on_threads(threads, || all(shape, ours));
        assert_eq!(run(1), run(3), "{shape:?}");
    }
}

#[test]
fn rows_may_have_any_number_of_axes_and_there_may_be_none() {
    let device = Device::flex();
    let layer = layer(SHAPES[2], &device);
    let x = numbers(7, [2, 5, 3, 300], &device);
    let flat = layer.forward(x.clone().reshape([30, 300]));
    assert_eq!(values(layer.forward(x)), values(flat));
    assert_eq!(layer.forward(numbers(7, [0, 300], &device)).dims(), [0, 17]);
}

#[test]
fn without_a_bias_nothing_is_added() {
    let device = Device::flex().autodiff();
    let mut layer = layer(SHAPES[1], &device);
    let x = numbers(7, [5, 3], &device);
    let product = x.clone().matmul(layer.weight.val());
    layer.bias = None;
    assert_close("product", &values(layer.forward(x.clone())), &values(product));
    let gradients = layer.forward(x.clone()).sum().backward();
    let rows = values(x.transpose().sum_dim(1).repeat_dim(1, 2));
    assert_close("weight", &values(layer.weight.val().grad(&gradients).expect("weight")), &rows);
}

#[test]
fn weights_that_have_changed_are_not_those_of_before() {
    let device = Device::flex();
    let mut layer = layer(SHAPES[3], &device);
    let x = numbers(7, [4, 64], &device);
    let before = values(layer.forward(x.clone()));
    assert_eq!(before, values(layer.forward(x.clone())), "kept");
    layer.weight = layer.weight.map(|weight| weight * 2.0);
    layer.bias = layer.bias.map(|bias| bias.map(|bias| bias * 2.0));
    let doubled: Vec<f32> = before.iter().map(|x| 2.0 * x).collect();
    assert_close("twice", &values(layer.forward(x)), &doubled);
}

#[test]
fn other_types_of_numbers_are_burns() {
    let device = Device::flex();
    let mut layer = layer(SHAPES[1], &device);
    let x = numbers(7, [5, 3], &device);
    let single = values(layer.forward(x.clone()));
    layer.weight = layer.weight.map(|weight| weight.cast(DType::F64));
    layer.bias = layer.bias.map(|bias| bias.map(|bias| bias.cast(DType::F64)));
    assert_close("in double precision", &single, &values(layer.forward(x.cast(DType::F64))));
}

#[test]
fn many_threads_may_use_a_new_layer_at_once() {
    let device = Device::flex();
    on_threads(4, || {
        for _ in 0..50 {
            let (layer, x) = (layer([3, 300, 300], &device), numbers(7, [3, 300], &device));
            let results: Vec<Vec<f32>> = (0..8).into_par_iter().map(|_| values(layer.forward(x.clone()))).collect();
            assert!(results.iter().all(|result| *result == results[0]));
        }
    });
}

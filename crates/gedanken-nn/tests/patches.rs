//! The embedding of patches and its gradients.

#[path = "../../gedanken-kernels/tests/common/mod.rs"]
mod common;

use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_nn::{Linear, embed_patches, halve};

/// frames, channels, height, width, side, output
const SHAPES: [[usize; 6]; 6] = [
    [1, 1, 1, 1, 1, 1],
    [2, 3, 4, 6, 2, 5],
    [3, 2, 65, 65, 5, 32],
    [70, 3, 8, 4, 4, 17],
    [2, 3, 64, 64, 2, 16],
    [1, 3, 28, 14, 14, 192],
];

fn device() -> Device {
    Device::flex().autodiff()
}

fn layer([_, channels, _, _, side, output]: [usize; 6]) -> Linear {
    let mut layer = Linear::new(channels * side * side, output, &device());
    layer.weight = Param::from_tensor(numbers(1, [channels * side * side, output], &device()));
    layer.bias = Some(Param::from_tensor(numbers(2, [output], &device())));
    layer
}

fn pixels([frames, channels, height, width, ..]: [usize; 6]) -> Tensor<4> {
    numbers(7, [frames, channels, height, width], &device()).require_grad()
}

/// The same from burn's operations.
fn reference(pixels: Tensor<4>, layer: &Linear, side: usize) -> Tensor<4> {
    let [frames, channels, height, width] = pixels.dims();
    let (rows, columns) = (height / side, width / side);
    let squares = pixels.reshape([frames, channels, rows, side, columns, side]).permute([0, 2, 4, 1, 3, 5]);
    layer.forward(squares.reshape([frames, rows, columns, channels * side * side]))
}

/// The result and the gradients of pixels, weight and bias, given some gradient of the result.
fn all(
    shape: [usize; 6],
    pixels: &Tensor<4>,
    forward: impl Fn(Tensor<4>, &Linear, usize) -> Tensor<4>,
) -> [Vec<f32>; 4] {
    let layer = layer(shape);
    let out = forward(pixels.clone(), &layer, shape[4]);
    let weights = numbers(9, out.dims(), &device());
    let gradients = (out.clone() * weights).sum().backward();
    let bias = layer.bias.as_ref().expect("a bias").val();
    [
        values(out),
        values(pixels.grad(&gradients).expect("pixels")),
        values(layer.weight.val().grad(&gradients).expect("weight")),
        values(bias.grad(&gradients).expect("bias")),
    ]
}

#[test]
fn result_and_gradients_are_those_of_a_linear_layer_on_squares() {
    for shape in SHAPES {
        let pixels = pixels(shape);
        let (ours, burns) = (all(shape, &pixels, embed_patches), all(shape, &pixels, reference));
        for (name, (ours, burns)) in ["result", "pixels", "weight", "bias"].iter().zip(ours.iter().zip(&burns)) {
            assert_close(&format!("{shape:?}: {name}"), ours, burns);
        }
    }
}

#[test]
fn results_are_the_same_bits_on_one_thread_and_on_three() {
    let pixels = pixels(SHAPES[3]);
    let run = |threads| on_threads(threads, || all(SHAPES[3], &pixels, embed_patches));
    assert_eq!(run(1), run(3));
}

#[test]
fn other_types_of_numbers_are_burns() {
    let (layer, device) = (layer(SHAPES[1]), Device::flex());
    let pixels = numbers(7, [2, 3, 4, 6], &device);
    let mut wide = Linear::new(12, 5, &device);
    wide.weight = Param::from_tensor(layer.weight.val().inner().cast(DType::F64));
    wide.bias = layer.bias.as_ref().map(|bias| Param::from_tensor(bias.val().inner().cast(DType::F64)));
    let ours = values(embed_patches(pixels.clone().autodiff(), &layer, 2));
    assert_close("in double precision", &ours, &values(embed_patches(pixels.cast(DType::F64), &wide, 2)));
}

/// batch, height, width, channels, output
const MAPS: [[usize; 5]; 4] = [[1, 2, 2, 1, 1], [3, 4, 6, 5, 7], [40, 8, 8, 16, 32], [2, 6, 2, 33, 17]];

fn halved(
    [batch, height, width, channels, output]: [usize; 5],
    by: impl Fn(Tensor<4>, &Linear) -> Tensor<4>,
) -> [Vec<f32>; 4] {
    let mut layer = Linear::new(4 * channels, output, &device());
    layer.weight = Param::from_tensor(numbers(1, [4 * channels, output], &device()));
    layer.bias = Some(Param::from_tensor(numbers(2, [output], &device())));
    let maps = numbers(7, [batch, height, width, channels], &device()).require_grad();
    let out = by(maps.clone(), &layer);
    assert_eq!(out.dims(), [batch, height / 2, width / 2, output]);
    let weights = numbers(9, out.dims(), &device());
    let gradients = (out.clone() * weights).sum().backward();
    let bias = layer.bias.as_ref().expect("a bias").val();
    [
        values(out),
        values(maps.grad(&gradients).expect("maps")),
        values(layer.weight.val().grad(&gradients).expect("weight")),
        values(bias.grad(&gradients).expect("bias")),
    ]
}

#[test]
fn a_halved_map_and_its_gradients_are_those_of_a_linear_layer_on_four_places() {
    for shape in MAPS {
        let burns = halved(shape, |maps, layer| {
            let [batch, height, width, channels] = maps.dims();
            let places = maps.reshape([batch, height / 2, 2, width / 2, 2, channels]).permute([0, 1, 3, 2, 4, 5]);
            layer.forward(places.reshape([batch, height / 2, width / 2, 4 * channels]))
        });
        let ours = halved(shape, halve);
        for (name, (ours, burns)) in ["result", "maps", "weight", "bias"].iter().zip(ours.iter().zip(&burns)) {
            assert_close(&format!("{shape:?}: {name}"), ours, burns);
        }
    }
}

#[test]
fn halves_are_the_same_bits_on_one_thread_and_on_three() {
    let run = |threads| on_threads(threads, || halved(MAPS[2], halve));
    assert_eq!(run(1), run(3));
}

//! The 3x3 convolution and its gradients.

#[path = "../../gedanken-kernels/tests/common/mod.rs"]
mod common;

use burn::module::Param;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_nn::{Conv3x3, Conv3x3Config};

const SHAPES: [[usize; 5]; 12] = [
    // batch, height, width, in, out
    [1, 1, 1, 1, 1],
    [1, 1, 6, 5, 33],
    [1, 5, 7, 1, 3],
    [2, 2, 2, 3, 2],
    [3, 4, 9, 48, 19],
    [2, 13, 13, 32, 8],
    [2, 13, 13, 2, 32],
    [70, 13, 13, 8, 16],
    [2, 17, 17, 16, 40],
    [1, 65, 3, 2, 16],
    [1, 33, 32, 32, 32],
    [5, 3, 1, 64, 64],
];

fn device() -> Device {
    Device::flex().autodiff()
}

fn conv(seed: u32, [_, _, _, input, output]: [usize; 5]) -> Conv3x3 {
    let mut conv = Conv3x3Config::new(input, output).init(&device());
    conv.weight = Param::from_tensor(numbers(seed, [9 * input, output], &device()));
    conv.bias = Param::from_tensor(numbers(seed + 1, [output], &device()));
    conv
}

fn maps([batch, height, width, input, _]: [usize; 5]) -> Tensor<4> {
    numbers(7, [batch, height, width, input], &device()).require_grad()
}

/// Burn's convolution with the same weights.
fn reference(conv: &Conv3x3, maps: Tensor<4>) -> Tensor<4> {
    let [rows, output] = conv.weight.val().dims();
    let kernel = conv.weight.val().reshape([3, 3, rows / 9, output]).permute([3, 2, 0, 1]);
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    conv2d(maps.permute([0, 3, 1, 2]), kernel, Some(conv.bias.val()), options).permute([0, 2, 3, 1])
}

/// The result and the gradients of maps, weight and bias, given some gradient of the result.
fn all(conv: &Conv3x3, maps: &Tensor<4>, forward: impl Fn(&Conv3x3, Tensor<4>) -> Tensor<4>) -> [Vec<f32>; 4] {
    let out = forward(conv, maps.clone());
    let weights = numbers(9, out.dims(), &device()).cast(out.dtype());
    let gradients = (out.clone() * weights).sum().backward();
    [
        values(out),
        values(maps.grad(&gradients).expect("maps")),
        values(conv.weight.val().grad(&gradients).expect("weight")),
        values(conv.bias.val().grad(&gradients).expect("bias")),
    ]
}

const NAMES: [&str; 4] = ["result", "gradient of the maps", "gradient of the weight", "gradient of the bias"];

#[test]
fn result_and_gradients_are_those_of_burns_convolution() {
    for shape in SHAPES {
        let (conv, maps) = (conv(1, shape), maps(shape));
        let ours = all(&conv, &maps, Conv3x3::forward);
        for ((name, ours), reference) in NAMES.iter().zip(ours).zip(all(&conv, &maps, reference)) {
            assert_close(&format!("{shape:?}: {name}"), &ours, &reference);
        }
    }
}

#[test]
fn with_a_rectifier_result_and_gradients_are_those_of_both() {
    for shape in SHAPES {
        let (conv, maps) = (conv(1, shape), maps(shape));
        let ours = all(&conv, &maps, Conv3x3::forward_relu);
        let both = all(&conv, &maps, |conv, maps| relu(reference(conv, maps)));
        for ((name, ours), reference) in NAMES.iter().zip(ours).zip(both) {
            assert_close(&format!("{shape:?}: {name}"), &ours, &reference);
        }
    }
    let maps = maps([1, 3, 3, 2, 2]);
    let conv = conv(1, [1, 3, 3, 2, 2]);
    assert!(values(conv.forward_relu(maps * f32::NAN)).iter().all(|x| x.is_nan()), "what is not a number is seen");
}

#[test]
fn other_types_of_numbers_run_on_burns_operations() {
    let shape = [2, 5, 4, 3, 6];
    let (single, maps) = (conv(1, shape), maps(shape));
    let double = Conv3x3 {
        weight: Param::from_tensor(single.weight.val().cast(DType::F64).detach()),
        bias: Param::from_tensor(single.bias.val().cast(DType::F64).detach()),
    };
    let ours = all(&single, &maps, Conv3x3::forward);
    let reference = all(&double, &maps.cast(DType::F64).detach().require_grad(), Conv3x3::forward);
    for ((name, ours), reference) in NAMES.iter().zip(ours).zip(reference) {
        assert_close(name, &ours, &reference);
    }
}

#[test]
fn gradients_are_the_slopes_of_the_result() {
    let shape = [1, 2, 3, 2, 2];
    let (conv, maps) = (conv(1, shape), maps(shape));
    let [_, gradient, ..] = all(&conv, &maps, Conv3x3::forward);
    let weights = numbers(9, [1, 2, 3, 2], &device());
    for (index, slope) in gradient.iter().enumerate() {
        let at = |step: f32| {
            let mut moved = values(maps.clone());
            moved[index] += step;
            let moved = Tensor::<1>::from_floats(moved.as_slice(), &device()).reshape(maps.dims());
            (conv.forward(moved) * weights.clone()).sum().into_scalar::<f32>()
        };
        let measured = (at(0.1) - at(-0.1)) / 0.2;
        assert!((slope - measured).abs() < 1e-4, "number {index}: {slope} instead of {measured}");
    }
}

#[test]
fn results_are_the_same_bits_on_one_thread_and_on_two() {
    let shape = [77, 6, 5, 4, 12];
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let run = || all(&conv(1, shape), &maps(shape), Conv3x3::forward).map(bits);
    assert_eq!(on_threads(1, run), on_threads(2, run));
}

#[test]
fn an_empty_batch_gives_an_empty_result_and_no_gradient() {
    let shape = [0, 5, 4, 3, 6];
    let [result, maps, weight, bias] = all(&conv(1, shape), &maps(shape), Conv3x3::forward);
    assert!(result.is_empty() && maps.is_empty());
    assert!(weight.iter().chain(&bias).all(|value| *value == 0.0));
}

#[test]
fn maps_that_do_not_lie_in_order_are_read_in_order() {
    let conv = conv(1, [2, 4, 5, 3, 6]);
    let transposed = numbers(3, [2, 5, 4, 3], &device()).swap_dims(1, 2);
    let ours = values(conv.forward(transposed.clone()));
    assert_close("result", &ours, &values(reference(&conv, transposed)));
}

#[test]
fn frozen_weights_let_the_gradient_through_to_the_maps() {
    use burn::module::Module;
    let shape = [2, 4, 5, 3, 6];
    let (conv, maps) = (conv(1, shape), maps(shape));
    let [_, gradient, ..] = all(&conv, &maps, Conv3x3::forward);
    let out = conv.no_grad().forward(maps.clone());
    let gradients = (out.clone() * numbers(9, out.dims(), &device())).sum().backward();
    assert_close("gradient of the maps", &values(maps.grad(&gradients).expect("maps")), &gradient);
}

#[test]
fn weights_start_within_pytorchs_bound_or_at_zero() {
    let conv = Conv3x3Config::new(16, 24).init(&device());
    let bound = 1.0 / 12.0;
    let weight = values(conv.weight.val());
    assert_eq!(weight.len(), 9 * 16 * 24);
    assert!(weight.iter().chain(&values(conv.bias.val())).all(|value| value.abs() <= bound));
    assert!(weight.iter().any(|value| *value > 0.9 * bound) && weight.iter().any(|value| *value < -0.9 * bound));
    let conv = Conv3x3Config::new(16, 24).with_zero_init(true).init(&device());
    assert!(values(conv.weight.val()).iter().chain(&values(conv.bias.val())).all(|value| *value == 0.0));
}

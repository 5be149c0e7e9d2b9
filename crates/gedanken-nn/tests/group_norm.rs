//! Group normalisation and its gradients.

#[path = "../../gedanken-kernels/tests/common/mod.rs"]
mod common;

use burn::module::Param;
use burn::nn;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_nn::{GroupNorm, GroupNormConfig};

const SHAPES: [[usize; 5]; 9] = [
    // batch, height, width, channels, groups
    [1, 1, 3, 1, 1],
    [2, 5, 7, 3, 1],
    [2, 5, 7, 3, 3],
    [1, 13, 13, 32, 4],
    [70, 4, 5, 8, 2],
    [3, 13, 13, 48, 16],
    [1, 33, 31, 16, 1],
    [2, 3, 3, 300, 5],
    [5, 1, 1, 64, 8],
];

fn device() -> Device {
    Device::flex().autodiff()
}

fn norm([_, _, _, channels, groups]: [usize; 5]) -> GroupNorm {
    let mut norm = GroupNormConfig::new(groups, channels).init(&device());
    norm.gamma = Param::from_tensor((numbers(1, [channels], &device()) + 1.0).detach());
    norm.beta = Param::from_tensor(numbers(2, [channels], &device()));
    norm
}

fn maps([batch, height, width, channels, _]: [usize; 5]) -> Tensor<4> {
    (numbers(7, [batch, height, width, channels], &device()) * 3.0 + 2.0).detach().require_grad()
}

/// Burn's normalisation with the same parameters.
fn reference(norm: &GroupNorm, maps: Tensor<4>) -> Tensor<4> {
    let [.., channels] = maps.dims();
    let mut burns = nn::GroupNormConfig::new(norm.groups, channels).init(&device());
    burns.gamma = Some(norm.gamma.clone());
    burns.beta = Some(norm.beta.clone());
    burns.forward(maps.permute([0, 3, 1, 2])).permute([0, 2, 3, 1])
}

/// The result and the gradients of maps, gamma and beta, given some gradient of the result.
fn all(norm: &GroupNorm, maps: &Tensor<4>, forward: impl Fn(&GroupNorm, Tensor<4>) -> Tensor<4>) -> [Vec<f32>; 4] {
    let out = forward(norm, maps.clone());
    let weights = numbers(9, out.dims(), &device()).cast(out.dtype());
    let gradients = (out.clone() * weights).sum().backward();
    [
        values(out),
        values(maps.grad(&gradients).expect("maps")),
        values(norm.gamma.val().grad(&gradients).expect("gamma")),
        values(norm.beta.val().grad(&gradients).expect("beta")),
    ]
}

const NAMES: [&str; 4] = ["result", "gradient of the maps", "gradient of gamma", "gradient of beta"];

fn assert_all_close(shape: [usize; 5], ours: [Vec<f32>; 4], reference: [Vec<f32>; 4]) {
    for ((name, ours), reference) in NAMES.iter().zip(ours).zip(reference) {
        assert_close(&format!("{shape:?}: {name}"), &ours, &reference);
    }
}

#[test]
fn result_and_gradients_are_those_of_burns_group_norm() {
    for shape in SHAPES {
        let (norm, maps) = (norm(shape), maps(shape));
        assert_all_close(shape, all(&norm, &maps, GroupNorm::forward), all(&norm, &maps, reference));
    }
}

#[test]
fn with_a_rectifier_result_and_gradients_are_those_of_both() {
    for shape in SHAPES {
        let (norm, maps) = (norm(shape), maps(shape));
        let both = |norm: &GroupNorm, maps| relu(reference(norm, maps));
        assert_all_close(shape, all(&norm, &maps, GroupNorm::forward_relu), all(&norm, &maps, both));
    }
}

#[test]
fn other_types_of_numbers_run_on_burns_operations() {
    let shape = [2, 5, 4, 12, 3];
    let (single, maps) = (norm(shape), maps(shape));
    let mut double = single.clone();
    double.gamma = Param::from_tensor(single.gamma.val().cast(DType::F64).detach());
    double.beta = Param::from_tensor(single.beta.val().cast(DType::F64).detach());
    let maps64 = maps.clone().cast(DType::F64).detach().require_grad();
    for forward in [GroupNorm::forward, GroupNorm::forward_relu] {
        assert_all_close(shape, all(&single, &maps, forward), all(&double, &maps64, forward));
    }
}

#[test]
fn gradients_are_the_slopes_of_the_result() {
    let shape = [1, 2, 2, 4, 2];
    let (norm, maps) = (norm(shape), maps(shape));
    let [_, gradient, ..] = all(&norm, &maps, GroupNorm::forward);
    let weights = numbers(9, maps.dims(), &device());
    for (index, slope) in gradient.iter().enumerate() {
        let at = |step: f32| {
            let mut moved = values(maps.clone());
            moved[index] += step;
            let moved = Tensor::<1>::from_floats(moved.as_slice(), &device()).reshape(maps.dims());
            (norm.forward(moved) * weights.clone()).sum().into_scalar::<f32>()
        };
        let measured = (at(0.02) - at(-0.02)) / 0.04;
        assert!((slope - measured).abs() < 1e-3, "number {index}: {slope} instead of {measured}");
    }
}

#[test]
fn a_great_mean_does_not_spoil_the_variance() {
    let shape = [2, 13, 13, 32, 4];
    let norm = norm(shape);
    let plain = values(norm.forward(maps(shape)));
    let lifted = values(norm.forward(maps(shape) + 1000.0));
    for (a, b) in lifted.iter().zip(&plain) {
        assert!((a - b).abs() < 1e-3, "{a} instead of {b}");
    }
}

#[test]
fn what_is_not_a_number_stays_visible() {
    let shape = [1, 2, 2, 4, 2];
    let out = values(norm(shape).forward_relu(maps(shape) * f32::NAN));
    assert!(out.iter().all(|value| value.is_nan()));
}

#[test]
fn results_are_the_same_bits_on_one_thread_and_on_two() {
    let shape = [77, 6, 5, 12, 3];
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let run = || all(&norm(shape), &maps(shape), GroupNorm::forward_relu).map(bits);
    assert_eq!(on_threads(1, run), on_threads(2, run));
}

#[test]
fn an_empty_batch_gives_an_empty_result_and_no_gradient() {
    let shape = [0, 5, 4, 12, 3];
    let [result, maps, gamma, beta] = all(&norm(shape), &maps(shape), GroupNorm::forward_relu);
    assert!(result.is_empty() && maps.is_empty());
    assert!(gamma.iter().chain(&beta).all(|value| *value == 0.0));
}

#[test]
#[should_panic(expected = "cannot be cut")]
fn groups_that_do_not_divide_the_channels_are_refused() {
    GroupNormConfig::new(3, 32).init(&device());
}

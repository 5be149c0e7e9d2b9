//! The max-pool and its gradient.

mod common;

use burn::nn::PaddingConfig2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_kernels::{max_pool_2x2, max_pool_3x3};

const SHAPES: [[usize; 4]; 7] =
    [[1, 1, 1, 1], [2, 5, 7, 3], [70, 4, 6, 8], [3, 33, 31, 16], [1, 2, 1, 33], [2, 65, 65, 2], [1, 3, 3, 300]];

fn maps(shape: [usize; 4]) -> Tensor<4> {
    numbers(7, shape, &Device::flex().autodiff()).require_grad()
}

/// The result, and the gradient of the maps given some gradient of the result.
fn both(maps: &Tensor<4>, forward: impl Fn(Tensor<4>) -> Tensor<4>) -> [Vec<f32>; 2] {
    let out = forward(maps.clone());
    let weights = numbers(9, out.dims(), &out.device()).cast(out.dtype());
    let gradients = (out.clone() * weights).sum().backward();
    [values(out), values(maps.grad(&gradients).expect("maps"))]
}

/// Burn's pool of squares of this side.
fn reference(side: usize, maps: Tensor<4>) -> Tensor<4> {
    let around = PaddingConfig2d::Explicit(side - 2, side - 2, side - 2, side - 2);
    let pool = MaxPool2dConfig::new([side, side]).with_strides([2, 2]).with_padding(around);
    pool.init().forward(maps.permute([0, 3, 1, 2])).permute([0, 2, 3, 1])
}

#[test]
fn result_and_gradient_are_those_of_burns_pool() {
    for shape in SHAPES {
        let maps = maps(shape);
        let mut pairs = vec![(3, both(&maps, max_pool_3x3))];
        if shape[1..3].iter().all(|&pixels| pixels > 1) {
            pairs.push((2, both(&maps, max_pool_2x2)));
        }
        for (side, ours) in pairs {
            let burns = both(&maps, |maps| reference(side, maps));
            for (name, (ours, burns)) in ["result", "gradient"].iter().zip(ours.iter().zip(&burns)) {
                assert_close(&format!("{shape:?}, {side} x {side}: {name}"), ours, burns);
            }
        }
    }
}

#[test]
fn the_gradient_goes_to_the_first_of_equals_and_what_is_not_a_number_wins() {
    let maps = Tensor::<4>::zeros([1, 3, 3, 1], &Device::flex().autodiff()).require_grad();
    let gradients = max_pool_3x3(maps.clone()).sum().backward();
    // Four windows: the first pixel of each.
    assert_eq!(values(maps.grad(&gradients).unwrap()), [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let maps = Tensor::<1>::from_data([1.0, f32::NAN, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0], &Device::flex());
    let pooled = values(max_pool_3x3(maps.reshape([1, 3, 3, 1])));
    assert!(pooled[0].is_nan() && pooled[1].is_nan() && pooled[2..] == [2.0, 2.0], "{pooled:?}");
}

#[test]
fn where_nothing_is_pooled_there_is_no_gradient() {
    let maps = maps([2, 1, 6, 3]);
    let [result, gradient] = both(&maps, max_pool_2x2);
    assert!(result.is_empty() && gradient == [0.0; 36], "{result:?} {gradient:?}");
}

#[test]
fn other_types_of_numbers_are_burns_and_threads_change_nothing() {
    let maps = maps([3, 9, 8, 5]);
    let wide = both(&maps.clone().cast(DType::F64).detach().require_grad(), max_pool_3x3);
    let ours = both(&maps, max_pool_3x3);
    assert_close("in double precision", &ours[0], &wide[0]);
    let large = self::maps([70, 12, 12, 16]);
    assert_eq!(on_threads(1, || both(&large, max_pool_3x3)), on_threads(3, || both(&large, max_pool_3x3)));
}

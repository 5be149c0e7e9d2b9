//! Barlow Twins against the numbers that `reference/barlow_twins.py` made with PyTorch, and its laws.

mod common;

use burn::prelude::*;
use burn::tensor::DType::{self, F32, F64};
use common::{assert_close, numbers, scalar, tensor, value_and_gradient, wave};
use gedanken_regularizer::barlow_twins;
use serde_json::Value;

/// `[samples, features]` of `sin(…)`, as the reference has it.
fn view(case: &Value, phase: f64, dtype: DType) -> Tensor<2> {
    let shape = [case["samples"].as_u64().unwrap() as usize, case["features"].as_u64().unwrap() as usize];
    tensor(&wave(shape[0] * shape[1], 1.0, phase, 0.0), shape, dtype)
}

#[test]
fn the_term_and_both_its_gradients_are_pytorchs() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../reference/barlow_twins.json")).unwrap();
    for case in cases {
        let redundancy = case["redundancy"].as_f64().unwrap();
        for (dtype, tolerance) in [(F64, 1e-7), (F32, 2e-5)] {
            let (a, b) = (view(&case, 0.1, dtype), view(&case, 0.9, dtype));
            let expected =
                |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
            let of_a = value_and_gradient(a.clone(), |a| barlow_twins(a, b.clone().autodiff(), redundancy));
            let of_b = value_and_gradient(b, |b| barlow_twins(a.clone().autodiff(), b, redundancy));
            assert_close(&[of_a.0], &[case["value"].as_f64().unwrap()], tolerance, "value");
            assert_close(&of_a.1, &expected("gradient_a"), tolerance, "gradient of a");
            assert_close(&of_b.1, &expected("gradient_b"), tolerance, "gradient of b");
        }
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (shape, step) = ([7, 3], 1e-5);
    let (a, b) = (tensor(&wave(21, 1.0, 0.3, 0.0), shape, F64), tensor(&wave(21, 1.0, 1.3, 0.0), shape, F64));
    let gradient = value_and_gradient(a.clone(), |a| barlow_twins(a, b.clone().autodiff(), 0.3)).1;
    let at = numbers(a);
    let moved = |i: usize, by: f64| {
        let mut at = at.clone();
        at[i] += by;
        scalar(barlow_twins(tensor(&at, shape, F64), b.clone(), 0.3))
    };
    let slopes: Vec<f64> = (0..21).map(|i| (moved(i, step) - moved(i, -step)) / (2.0 * step)).collect();
    assert_close(&gradient, &slopes, 1e-7, "finite differences");
}

#[test]
fn equal_views_of_independent_features_cost_nothing_and_collapsed_ones_the_most() {
    // Rows of a Hadamard matrix without the first column: orthogonal, with mean 0.
    let signs = |row: usize, column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let rows: Vec<f64> = (0..8).flat_map(|row| (1..4).map(move |column| signs(row, column))).collect();
    let x = tensor(&rows, [8, 3], F64);
    // The 1e-5 under the root is all that is left.
    assert!(scalar(barlow_twins(x.clone(), x.clone(), 1.0)) < 1e-8);
    let constant = Tensor::zeros_like(&x);
    assert_close(&[scalar(barlow_twins(constant, x.clone(), 1.0))], &[1.0], 1e-9, "a constant view");
    let scaled = x.clone() * 50.0 + 3.0;
    assert!(scalar(barlow_twins(x, scaled, 1.0)) < 1e-8, "scale and offset do not matter");
}

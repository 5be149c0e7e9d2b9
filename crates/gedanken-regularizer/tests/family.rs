//! The family of terms against the numbers that `reference/family.py` made with PyTorch, and their laws.

mod common;

use burn::prelude::*;
use burn::tensor::DType::{self, F32, F64};
use common::{assert_close, assert_gradient, scalar, tensor, value_and_gradient, wave};
use gedanken_regularizer::{code_length, coding_rate, directions, info_nce, straightening, visreg};
use serde_json::Value;

fn case(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../reference/family.json")).unwrap();
    all[name].clone()
}

fn list(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Input number `i` of a case.
fn input<const D: usize>(case: &Value, i: usize, dtype: DType) -> Tensor<D> {
    let shape: [usize; D] = std::array::from_fn(|d| case["shapes"][i][d].as_u64().unwrap() as usize);
    tensor(&wave(shape.iter().product(), 1.0, 0.1 + 0.8 * i as f64, 0.0), shape, dtype)
}

/// The value, and the gradient by input `i`.
fn check<const D: usize>(case: &Value, i: usize, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    for (dtype, tolerance) in [(F64, 1e-7), (F32, 3e-5)] {
        let (value, gradient) = value_and_gradient(input::<D>(case, i, dtype), &loss);
        assert_close(&[value], &[case["value"].as_f64().unwrap()], tolerance, "value");
        assert_close(&gradient, &list(&case["gradients"][i]), tolerance, "gradient");
    }
}

/// Like `x`: on the autodiff graph if it is, of its type.
fn like<const D: usize, const E: usize>(other: Tensor<E>, x: &Tensor<D>) -> Tensor<E> {
    let other = other.cast(x.dtype());
    if x.device().is_autodiff() { other.autodiff() } else { other }
}

#[test]
fn every_term_and_its_gradients_are_pytorchs() {
    check(&case("straightening"), 0, straightening);
    for name in ["coding_rate", "coding_rate_wide"] {
        let case = case(name);
        let distortion = case["keys"]["distortion"].as_f64().unwrap();
        check(&case, 0, |z| coding_rate(z, distortion));
    }
    check(&case("code_length"), 0, |errors| code_length(errors, 0.01));
    let visual = case("visreg");
    let rows: Vec<f64> = visual["keys"]["directions"].as_array().unwrap().iter().flat_map(list).collect();
    check(&visual, 0, |z| visreg(z.clone(), like(tensor(&rows, [4, 6], F64), &z)));
    let nce = case("info_nce");
    check(&nce, 0, |a: Tensor<3>| info_nce(a.clone(), like(input::<3>(&nce, 1, F64), &a), 0.1));
    check(&nce, 1, |b: Tensor<3>| info_nce(like(input::<3>(&nce, 0, F64), &b), b.clone(), 0.1));
}

fn any<const D: usize>(shape: [usize; D], phase: f64) -> Tensor<D> {
    tensor(&wave(shape.iter().product(), 0.7, phase, 0.1), shape, F64)
}

#[test]
fn the_gradients_are_those_of_finite_differences() {
    assert_gradient(1e-6, any([2, 4, 2, 3], 0.8), straightening);
    assert_gradient(1e-6, any([7, 3], 0.3), |z| coding_rate(z, 0.2));
    assert_gradient(1e-6, any([4, 2, 1, 3], 0.5), |errors| code_length(errors, 0.1));
    assert_gradient(1e-6, any([2, 4, 3], 0.3), |a| info_nce(a.clone(), like(any([2, 4, 3], 1.3), &a), 0.5));
}

#[test]
fn a_straight_way_costs_nothing_and_a_way_back_the_most() {
    let line = |steps: [f64; 4]| tensor(&steps.map(|x| [x, 2.0 * x]).concat(), [1, 4, 1, 2], F64);
    assert!(scalar(straightening(line([0.0, 1.0, 2.0, 5.0]))) < 1e-9);
    assert_close(&[scalar(straightening(line([0.0, 1.0, 0.0, 1.0])))], &[2.0], 1e-9, "back and forth");
    assert_eq!(scalar(straightening(any([2, 2, 1, 3], 0.1))), 0.0, "two frames have no angle");
}

#[test]
fn halving_the_error_of_a_direction_is_worth_the_same_in_every_direction() {
    // Four windows, whose errors lie along two axes: 0.4 and 0.004 long.
    let along = |first: f64, second: f64| {
        let rows = [[first, 0.0], [-first, 0.0], [0.0, second], [0.0, -second]];
        scalar(code_length(tensor(&rows.concat(), [4, 1, 1, 2], F64), 1e-12))
    };
    let whole = along(0.4, 0.004);
    assert_close(&[whole - along(0.2, 0.004), whole - along(0.4, 0.002)], &[2f64.ln() / 2.0; 2], 1e-4, "nats");
    assert_close(&[scalar(code_length(tensor(&[0.0; 8], [4, 1, 1, 2], F64), 1e-3))], &[0.0], 1e-12, "no error");
}

#[test]
fn the_coding_rate_is_highest_where_no_direction_is_left_out() {
    let eye = Tensor::<2>::eye(4, &Device::flex()).cast(F64);
    let spread = scalar(coding_rate(eye.clone() * 3.0, 0.2));
    assert_close(&[spread], &[0.5 * 6.0_f64.ln()], 1e-9, "log(1 + 1 / distortion) / 2 a feature");
    let one = eye.clone().narrow(0, 0, 1).repeat_dim(0, 4);
    assert_close(&[scalar(coding_rate(one, 0.2))], &[21.0_f64.ln() / 8.0], 1e-9, "one direction alone");
}

#[test]
fn visreg_likes_a_gaussian_and_sees_what_is_wrong_with_others() {
    let looks = directions(4, 64, 1, &Device::flex()).cast(F64);
    let gaussian = directions(4096, 4, 5, &Device::flex()).cast(F64) * 64.0;
    let value = |z: Tensor<2>| scalar(visreg(z, looks.clone()));
    let best = value(gaussian.clone());
    assert!(best < 0.01, "{best}");
    assert!(value(gaussian.clone() + 0.5) > 0.2, "a centre elsewhere");
    assert!(value(gaussian.clone() * 0.5) > 0.2, "another scale");
    assert!(value(gaussian.sign()) > 10.0 * best, "another shape");
}

#[test]
fn info_nce_is_low_where_each_knows_its_own() {
    let a = Tensor::<2>::eye(4, &Device::flex()).cast(F64).unsqueeze_dim::<3>(0);
    assert!(scalar(info_nce(a.clone(), a.clone() * 7.0, 0.1)) < 1e-3);
    let same = Tensor::ones_like(&a);
    assert_close(&[scalar(info_nce(same.clone(), same, 0.1))], &[4.0_f64.ln()], 1e-9, "all alike");
}

//! The terms against the numbers that `reference/make.py` made with PyTorch.

mod common;

use burn::prelude::*;
use burn::tensor::DType;
use common::{assert_close, tensor, value_and_gradient, wave};
use gedanken_regularizer::{Collapse, Variance, covariance, sigreg, terms, time_similarity, variance};
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("../reference/terms.json")).unwrap()
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap()
}

fn array(case: &Value, key: &str) -> Vec<f64> {
    case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn cases(key: &str) -> Vec<Value> {
    reference()[key].as_array().unwrap().clone()
}

/// `[samples, features]` of a statistics case.
fn samples(case: &Value, dtype: DType) -> Tensor<2> {
    let shape = [number(case, "samples") as usize, number(case, "features") as usize];
    let x = wave(shape[0] * shape[1], number(case, "scale"), number(case, "phase"), number(case, "offset"));
    tensor(&x, shape, dtype)
}

/// `[batch, time, tokens, dim]` of a sequence case.
fn sequence(case: &Value, dtype: DType) -> Tensor<4> {
    let shape: [usize; 4] = std::array::from_fn(|i| case["shape"][i].as_u64().unwrap() as usize);
    tensor(&wave(shape.iter().product(), number(case, "scale"), number(case, "phase"), 0.0), shape, dtype)
}

/// f64 pins the formula (to 1e-7: the backward pass of a mean rounds 1 / n to f32); f32 is what runs.
const PRECISIONS: [(DType, f64); 2] = [(DType::F64, 1e-7), (DType::F32, 2e-5)];
/// A latent far from the origin but hardly spread loses digits to its own rounding to f32.
const ROUNDED_AWAY: f64 = 2e-3;

#[test]
fn variance_and_its_gradient_are_pytorchs() {
    for case in cases("statistics") {
        let name = case["name"].as_str().unwrap();
        for (dtype, tolerance) in PRECISIONS {
            let margin = number(&case, "margin");
            let tolerance = if dtype == DType::F32 && number(&case, "scale") < 0.01 { ROUNDED_AWAY } else { tolerance };
            let (value, gradient) = value_and_gradient(samples(&case, dtype), |x| variance(x, margin));
            assert_close(&[value], &[number(&case, "variance")], tolerance, name);
            assert_close(&gradient, &array(&case, "variance_gradient"), tolerance, name);
        }
    }
}

#[test]
fn covariance_and_its_gradient_are_pytorchs() {
    for case in cases("statistics") {
        let name = case["name"].as_str().unwrap();
        for (dtype, tolerance) in PRECISIONS {
            let tolerance = if dtype == DType::F32 && number(&case, "scale") < 0.01 { ROUNDED_AWAY } else { tolerance };
            let (value, gradient) = value_and_gradient(samples(&case, dtype), covariance);
            assert_close(&[value], &[number(&case, "covariance")], tolerance, name);
            assert_close(&gradient, &array(&case, "covariance_gradient"), tolerance, name);
        }
    }
}

#[test]
fn time_similarity_and_its_gradient_are_pytorchs() {
    for case in cases("time_similarity") {
        for (dtype, tolerance) in PRECISIONS {
            let (value, gradient) = value_and_gradient(sequence(&case, dtype), time_similarity);
            assert_close(&[value], &[number(&case, "value")], tolerance, "value");
            assert_close(&gradient, &array(&case, "gradient"), tolerance, "gradient");
        }
    }
}

#[test]
fn the_weighted_sum_with_the_default_coefficients_is_pytorchs() {
    let weight = |name: &str| terms().entry(name).unwrap().make(&serde_json::json!({})).unwrap().weight();
    let margin = Variance::default().margin;
    let total = |z: Tensor<4>| {
        let samples = z.clone().flatten::<3>(0, 1).flatten::<2>(1, 2);
        variance(samples.clone(), margin) * weight("variance")
            + covariance(samples) * weight("covariance")
            + time_similarity(z) * weight("time_similarity")
    };
    for case in cases("total") {
        for (dtype, tolerance) in PRECISIONS {
            let (value, gradient) = value_and_gradient(sequence(&case, dtype), total);
            assert_close(&[value], &[number(&case, "total")], tolerance, "total");
            assert_close(&gradient, &array(&case, "gradient"), tolerance, "gradient");
        }
    }
}

#[test]
fn the_diagnostics_agree_with_pytorchs_statistics_and_eigenvalues() {
    for case in cases("statistics") {
        let name = case["name"].as_str().unwrap();
        let collapse = Collapse::measure(samples(&case, DType::F32));
        let tolerance = if number(&case, "scale") < 0.01 { ROUNDED_AWAY } else { 1e-5 };
        assert_close(&[collapse.mean_std], &[number(&case, "mean_std")], tolerance, name);
        assert_close(&[collapse.effective_rank], &[number(&case, "effective_rank")], tolerance, name);
    }
}

#[test]
fn sigreg_and_its_gradient_are_pytorchs() {
    for case in cases("sigreg") {
        let shape: [usize; 4] = std::array::from_fn(|i| case["shape"][i].as_u64().unwrap() as usize);
        let count = number(&case, "count") as usize;
        let at = wave(shape.iter().product(), number(&case, "scale"), number(&case, "phase"), number(&case, "offset"));
        for (dtype, tolerance) in PRECISIONS {
            let directions: Tensor<2> = tensor(&wave(shape[3] * count, 1.0, 0.2, 0.0), [shape[3], count], dtype);
            let lengths = directions.clone().square().sum_dim(0).sqrt();
            let directions = directions / lengths;
            let (value, gradient) =
                value_and_gradient(tensor(&at, shape, dtype), |z| sigreg(z, directions.clone().autodiff()));
            assert_close(&[value], &[number(&case, "value")], tolerance, "value");
            assert_close(&gradient, &array(&case, "gradient"), tolerance, "gradient");
        }
    }
}

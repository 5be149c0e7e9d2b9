//! Inputs by formula, and values with gradients, for the tests.
#![allow(dead_code)]

use burn::prelude::*;
use burn::tensor::{DType, TensorData};

/// `offset + scale * sin(0.37 * (i*i mod 10007) + phase)`, `i` from 0: the formula of `reference/make.py`.
pub fn wave(len: usize, scale: f64, phase: f64, offset: f64) -> Vec<f64> {
    (0..len).map(|i| offset + scale * (0.37 * ((i * i) % 10007) as f64 + phase).sin()).collect()
}

/// A tensor of these numbers on the CPU, in f32 or f64.
pub fn tensor<const D: usize>(numbers: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), (&Device::flex(), dtype))
}

pub fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

pub fn scalar(x: Tensor<1>) -> f64 {
    numbers(x)[0]
}

/// The loss and its gradient with respect to `x`.
pub fn value_and_gradient<const D: usize>(x: Tensor<D>, loss: impl Fn(Tensor<D>) -> Tensor<1>) -> (f64, Vec<f64>) {
    let x = x.autodiff().require_grad();
    let loss = loss(x.clone());
    let value = scalar(loss.clone().inner());
    (value, numbers(x.grad(&loss.backward()).expect("the loss depends on its input")))
}

/// Every number within `relative` of the larger array's largest magnitude.
#[track_caller]
pub fn assert_close(ours: &[f64], theirs: &[f64], relative: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let size = theirs.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= relative * size + 1e-15, "{what}, number {i}: {a}, but {b} was expected");
    }
}

/// The gradient is that of central differences in f64, at every entry.
#[track_caller]
pub fn assert_gradient<const D: usize>(relative: f64, x: Tensor<D>, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    let (shape, step, at) = (x.dims(), 1e-5, numbers(x.clone()));
    let moved = |i: usize, by: f64| {
        let mut at = at.clone();
        at[i] += by;
        scalar(loss(tensor(&at, shape, DType::F64)))
    };
    let differences: Vec<f64> = (0..at.len()).map(|i| (moved(i, step) - moved(i, -step)) / (2.0 * step)).collect();
    assert_close(&value_and_gradient(x, &loss).1, &differences, relative, "finite differences");
}

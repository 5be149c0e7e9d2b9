//! Linear layers, by how they start.

use burn::module::Initializer;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;

/// A linear layer with weights from normal(0, `std`) and a bias of zeros.
pub fn normal_linear(input: usize, output: usize, std: f64, device: &Device) -> Linear {
    let normal = Initializer::Normal { mean: 0.0, std };
    let mut linear = LinearConfig::new(input, output).with_initializer(normal).init(device);
    linear.bias = Some(Initializer::Zeros.init([output], device));
    linear
}

/// The same where there is a `std`, else as PyTorch draws it.
pub(crate) fn linear(input: usize, output: usize, std: Option<f64>, device: &Device) -> Linear {
    match std {
        Some(std) => normal_linear(input, output, std, device),
        None => LinearConfig::new(input, output).init(device),
    }
}

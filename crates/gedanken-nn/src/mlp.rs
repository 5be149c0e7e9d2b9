//! A multi-layer perceptron.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::relu};

use crate::Linear;

/// Linear layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// An MLP through these widths, at least two: input, hidden …, output. PyTorch's default initialisation.
    pub fn new(widths: &[usize], device: &Device) -> Self {
        Self { layers: widths.windows(2).map(|w| Linear::new(w[0], w[1], device)).collect() }
    }

    /// The same with normal(0, `std`) weights and zero biases in every layer; `std` 0 makes the last layer silent.
    pub fn with_normal_init(widths: &[usize], std: f64, device: &Device) -> Self {
        Self { layers: widths.windows(2).map(|w| Linear::normal(w[0], w[1], std, device)).collect() }
    }

    /// `[..., input]` -> `[..., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let x = layer.forward(x);
            if i < last { relu(x) } else { x }
        })
    }
}

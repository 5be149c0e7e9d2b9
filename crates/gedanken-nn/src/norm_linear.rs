//! The layer of deep MLPs: linear, layer norm, GELU.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{GroupNorm, GroupNormConfig, Linear, gelu};

/// A linear layer, layer normalisation (Ba and others, 2016), GELU.
#[derive(Module, Debug)]
pub struct NormLinear {
    linear: Linear,
    norm: GroupNorm,
}

impl NormLinear {
    /// From `input` numbers to `output`.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        Self { linear: Linear::new(input, output, device), norm: GroupNormConfig::new(1, output).init(device) }
    }

    /// Layers one after the other, through these widths.
    pub fn chain(widths: &[usize], device: &Device) -> Vec<Self> {
        widths.windows(2).map(|pair| Self::new(pair[0], pair[1], device)).collect()
    }

    /// `[batch, input]` -> `[batch, output]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        gelu(row_norm(&self.norm, self.linear.forward(x)))
    }
}

/// A layer norm of rows `[batch, numbers]`, by a group norm of one group of so many channels: its kernel is the same, on maps of one pixel.
pub fn row_norm(norm: &GroupNorm, x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    norm.forward(x.reshape([rows, 1, 1, width])).reshape([rows, width])
}

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
        let x = self.linear.forward(x);
        let [rows, width] = x.dims();
        // A map of one pixel, all channels in one group: the kernel of group norms is that of a layer norm.
        let normal = self.norm.forward(x.reshape([rows, 1, 1, width]));
        gelu(normal).reshape([rows, width])
    }
}

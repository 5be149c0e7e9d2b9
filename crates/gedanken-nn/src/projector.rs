//! The projector with a batch norm that LeWorldModel puts behind encoder and predictor.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use crate::{Linear, gelu};

/// A linear layer, BatchNorm (Ioffe and Szegedy, 2015), GELU, a linear layer back to `dim`.
///
/// A transformer ends in a LayerNorm, which fixes the norm of what it makes; a regulariser that asks for a Gaussian needs the
/// norm free, and every feature spread over the batch (LeWorldModel, arXiv:2603.19312). On a device with autodiff the
/// statistics are those of the batch, and the running ones follow; without, they are the running ones. (The running variance
/// follows the biased one of the batch; PyTorch's is `n / (n - 1)` greater.)
#[derive(Module, Debug)]
pub struct Projector {
    /// `[dim, hidden]`
    pub hidden: Linear,
    /// Of `hidden` features.
    pub norm: BatchNorm,
    /// `[hidden, dim]`
    pub output: Linear,
}

impl Projector {
    /// PyTorch's default initialisation.
    pub fn new(dim: usize, hidden: usize, device: &Device) -> Self {
        Self {
            hidden: Linear::new(dim, hidden, device),
            norm: BatchNormConfig::new(hidden).init(device),
            output: Linear::new(hidden, dim, device),
        }
    }

    /// `[..., dim]` -> `[..., dim]`; all axes but the last are the batch.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let rows = x.reshape([-1, shape[D - 1] as i32]);
        let rows: Tensor<2> = self.norm.forward(self.hidden.forward(rows));
        self.output.forward(gelu(rows)).reshape(shape)
    }
}

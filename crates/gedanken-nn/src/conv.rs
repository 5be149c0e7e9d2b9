//! A 3x3 convolution of channels-last maps.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use gedanken_kernels::conv3x3;

/// Config of a [`Conv3x3`].
#[derive(Config, Debug)]
pub struct Conv3x3Config {
    /// Channels of the maps that go in.
    pub in_channels: usize,
    /// Channels of the maps that come out.
    pub out_channels: usize,
    /// Start from zeros, so that a residual branch that ends here adds nothing at first. Default: false
    #[config(default = false)]
    pub zero_init: bool,
}

impl Conv3x3Config {
    /// Weights and bias uniform in ±1/sqrt(9 * in_channels), as PyTorch draws them, or zeros.
    pub fn init(&self, device: &Device) -> Conv3x3 {
        let bound = 1.0 / (9.0 * self.in_channels as f64).sqrt();
        let initializer =
            if self.zero_init { Initializer::Zeros } else { Initializer::Uniform { min: -bound, max: bound } };
        Conv3x3 {
            weight: initializer.init([9 * self.in_channels, self.out_channels], device),
            bias: initializer.init([self.out_channels], device),
        }
    }
}

/// A 3x3 convolution with stride 1 and zeros around, so that maps keep their height and width.
///
/// Maps are channels-last, as a latent's tokens lie in memory. On the CPU it runs on kernels of its own, several times
/// faster than burn's; elsewhere it is burn's convolution between two permutations.
#[derive(Module, Debug)]
pub struct Conv3x3 {
    /// `[3 * 3 * in_channels, out_channels]`: the kernel's rows, in each its columns, in each the channels.
    pub weight: Param<Tensor<2>>,
    /// `[out_channels]`
    pub bias: Param<Tensor<1>>,
}

impl Conv3x3 {
    /// Maps `[batch, height, width, in_channels]` -> `[batch, height, width, out_channels]`.
    ///
    /// # Panics
    ///
    /// If the maps have another number of channels.
    pub fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        self.run(maps, false)
    }

    /// [`forward`](Self::forward) and a rectifier behind it, in one pass over memory.
    ///
    /// # Panics
    ///
    /// If the maps have another number of channels.
    pub fn forward_relu(&self, maps: Tensor<4>) -> Tensor<4> {
        self.run(maps, true)
    }

    fn run(&self, maps: Tensor<4>, relu: bool) -> Tensor<4> {
        conv3x3(maps, self.weight.val(), self.bias.val(), relu)
    }
}

//! Group normalisation of channels-last maps.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use gedanken_kernels::group_norm;

/// Config of a [`GroupNorm`].
#[derive(Config, Debug)]
pub struct GroupNormConfig {
    /// Groups of neighbouring channels that are normalised together; divides the channels.
    pub groups: usize,
    /// Channels of the maps.
    pub channels: usize,
    /// Added to the variance. Default: 1e-5
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

impl GroupNormConfig {
    /// Gamma starts as ones and beta as zeros.
    ///
    /// # Panics
    ///
    /// If the groups do not divide the channels.
    pub fn init(&self, device: &Device) -> GroupNorm {
        assert!(
            self.groups > 0 && self.channels.is_multiple_of(self.groups),
            "{} channels cannot be cut into {} groups",
            self.channels,
            self.groups
        );
        GroupNorm {
            gamma: Initializer::Ones.init([self.channels], device),
            beta: Initializer::Zeros.init([self.channels], device),
            groups: self.groups,
            epsilon: self.epsilon,
        }
    }
}

/// Group normalisation ([Wu and He, 2018](https://arxiv.org/abs/1803.08494)) of channels-last maps: each group of channels
/// of each map gets mean 0 and variance 1, then every channel its factor gamma and its offset beta.
///
/// On the CPU it runs on kernels of its own; elsewhere it is composed from burn's operations.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`
    pub gamma: Param<Tensor<1>>,
    /// `[channels]`
    pub beta: Param<Tensor<1>>,
    /// Groups of neighbouring channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl GroupNorm {
    /// Maps `[batch, height, width, channels]` -> the same shape.
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
        group_norm(maps, self.gamma.val(), self.beta.val(), self.groups, self.epsilon, relu)
    }
}

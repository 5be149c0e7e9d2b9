//! Group normalisation of channels-last maps.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Shape, Tensor};

use crate::kernels::flex::{contiguous, tensor};
use crate::kernels::group_norm::{self, Geometry};

/// What a [`GroupNorm`] is made from.
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
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        assert_eq!(maps.dims()[3], gamma.dims()[0], "the maps have another number of channels than the norm");
        let (maps, gamma, beta) = (maps.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
        Tensor::from_dispatch(Dispatch::group_norm(maps, gamma, beta, self.groups, self.epsilon, relu))
    }
}

/// The operation of [`GroupNorm`] and its gradients, in the same shapes.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait GroupNormOps: Backend {
    /// The normalised maps; with `relu`, negative numbers become zero.
    fn group_norm(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> FloatTensor<Self> {
        composed::forward::<Self>(maps, gamma, beta, groups, epsilon, relu)
    }

    /// The gradients of `maps`, `gamma` and `beta`, given that of the result.
    fn group_norm_gradients(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::gradients::<Self>([maps, gamma, beta, gradient], groups, epsilon, relu)
    }
}

impl GroupNormOps for Cube {}

impl GroupNormOps for Flex {
    fn group_norm(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> FloatTensor<Self> {
        match contiguous([maps, gamma, beta]) {
            Ok([maps, gamma, beta]) => {
                let geometry = geometry(&maps.shape(), groups, epsilon, relu);
                let out = group_norm::forward(geometry, maps.storage(), gamma.storage(), beta.storage());
                tensor(out, maps.shape().dims::<4>())
            }
            Err([maps, gamma, beta]) => composed::forward::<Self>(maps, gamma, beta, groups, epsilon, relu),
        }
    }

    fn group_norm_gradients(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match contiguous([maps, gamma, beta, gradient]) {
            Ok([maps, gamma, beta, gradient]) => {
                let geometry = geometry(&maps.shape(), groups, epsilon, relu);
                let (maps_slice, gradient) = (maps.storage(), gradient.storage());
                let of = group_norm::backward(geometry, maps_slice, gamma.storage(), beta.storage(), gradient);
                let channels = [geometry.channels];
                (tensor(of.images, maps.shape().dims::<4>()), tensor(of.gamma, channels), tensor(of.beta, channels))
            }
            Err(tensors) => composed::gradients::<Self>(tensors, groups, epsilon, relu),
        }
    }
}

fn geometry(maps: &Shape, groups: usize, epsilon: f64, relu: bool) -> Geometry {
    let [batch, height, width, channels] = maps.dims();
    Geometry { batch, pixels: height * width, channels, groups, epsilon: epsilon as f32, relu }
}

impl<B: GroupNormOps, C: CheckpointStrategy> GroupNormOps for Autodiff<B, C> {
    fn group_norm(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> FloatTensor<Self> {
        let step = Step.prepare::<C>([maps.node(), gamma.node(), beta.node()]).compute_bound().stateful();
        let (maps, gamma, beta) = (maps.into_primitive(), gamma.into_primitive(), beta.into_primitive());
        match step {
            OpsKind::Tracked(step) => {
                let state = ([maps.clone(), gamma.clone(), beta.clone()], groups, epsilon, relu);
                step.finish(state, B::group_norm(maps, gamma, beta, groups, epsilon, relu))
            }
            OpsKind::UnTracked(step) => step.finish(B::group_norm(maps, gamma, beta, groups, epsilon, relu)),
        }
    }
}

/// The way back through [`GroupNormOps::group_norm`]. It measures mean and variance again, which costs less than to fetch
/// anything else from memory.
#[derive(Debug)]
struct Step;

impl<B: GroupNormOps> Backward<B, 3> for Step {
    type State = ([FloatTensor<B>; 3], usize, f64, bool);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let ([maps, gamma, beta], groups, epsilon, relu) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let of = B::group_norm_gradients(maps, gamma, beta, gradient, groups, epsilon, relu);
        for (node, gradient) in ops.parents.into_iter().zip([of.0, of.1, of.2]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use super::*;

    /// Mean over the pixels and channels of each group: `[batch, pixels, groups, width]` -> `[batch, 1, groups, 1]`.
    fn mean<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
        B::float_mean_dim(B::float_mean_dim(maps, 1), 3)
    }

    /// Maps of mean 0 and variance 1, `[batch, pixels, groups, width]`, and what they were multiplied with,
    /// `[batch, 1, groups, 1]`.
    fn normalise<B: Backend>(maps: FloatTensor<B>, groups: usize, epsilon: f64) -> (FloatTensor<B>, FloatTensor<B>) {
        let [batch, height, width, channels] = maps.shape().dims();
        let maps = B::float_reshape(maps, Shape::new([batch, height * width, groups, channels / groups]));
        let centred = B::float_sub(maps.clone(), mean::<B>(maps));
        let variance = mean::<B>(B::float_mul(centred.clone(), centred.clone()));
        let inverse = B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())));
        (B::float_mul(centred, inverse.clone()), inverse)
    }

    /// Gamma or beta beside the groups, `[1, 1, groups, width]`.
    fn spread<B: Backend>(channels: FloatTensor<B>, groups: usize) -> FloatTensor<B> {
        let width = channels.shape().num_elements() / groups;
        B::float_reshape(channels, Shape::new([1, 1, groups, width]))
    }

    fn affine<B: Backend>(
        normal: FloatTensor<B>,
        gamma: FloatTensor<B>,
        beta: FloatTensor<B>,
        groups: usize,
        relu: bool,
    ) -> FloatTensor<B> {
        let scaled = B::float_mul(normal, spread::<B>(gamma, groups));
        let result = B::float_add(scaled, spread::<B>(beta, groups));
        if relu { B::relu(result) } else { result }
    }

    pub(super) fn forward<B: Backend>(
        maps: FloatTensor<B>,
        gamma: FloatTensor<B>,
        beta: FloatTensor<B>,
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> FloatTensor<B> {
        let shape = maps.shape();
        let (normal, _) = normalise::<B>(maps, groups, epsilon);
        B::float_reshape(affine::<B>(normal, gamma, beta, groups, relu), shape)
    }

    pub(super) fn gradients<B: Backend>(
        [maps, gamma, beta, gradient]: [FloatTensor<B>; 4],
        groups: usize,
        epsilon: f64,
        relu: bool,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        let (shape, channels) = (maps.shape(), gamma.shape());
        let (normal, inverse) = normalise::<B>(maps, groups, epsilon);
        let gradient = B::float_reshape(gradient, normal.shape());
        let gradient = if relu {
            let result = affine::<B>(normal.clone(), gamma.clone(), beta, groups, relu);
            B::relu_backward(result, gradient)
        } else {
            gradient
        };
        let over_pixels = |maps| {
            let sum = B::float_sum_dim(B::float_sum_dim(maps, 1), 0);
            B::float_reshape(sum, channels.clone())
        };
        let of_gamma = over_pixels(B::float_mul(gradient.clone(), normal.clone()));
        let of_beta = over_pixels(gradient.clone());
        let scaled = B::float_mul(gradient, spread::<B>(gamma, groups));
        let along = B::float_mul(normal.clone(), mean::<B>(B::float_mul(scaled.clone(), normal)));
        let across = mean::<B>(scaled.clone());
        let of_maps = B::float_mul(B::float_sub(B::float_sub(scaled, across), along), inverse);
        (B::float_reshape(of_maps, shape), of_gamma, of_beta)
    }
}

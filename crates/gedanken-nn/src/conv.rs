//! A 3x3 convolution of channels-last maps.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::ConvOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Shape, Tensor};

use crate::kernels::conv3x3::{self, Geometry};
use crate::kernels::flex::{contiguous, tensor};
use crate::precision::Factor;

/// What a [`Conv3x3`] is made from.
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
        let (weight, bias) = (self.weight.val(), self.bias.val());
        assert_eq!(9 * maps.dims()[3], weight.dims()[0], "a 3x3 convolution has nine weights for each channel");
        let (maps, weight, bias) = (maps.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        Tensor::from_dispatch(Dispatch::conv3x3(maps, weight, bias, relu))
    }
}

/// The operation of [`Conv3x3`] and its gradients, in the same shapes.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait Conv3x3Ops: Backend {
    /// The convolution of `maps`; with `relu`, negative numbers become zero.
    fn conv3x3(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        composed::forward::<Self>(maps, weight, bias, relu)
    }

    /// The gradient of maps before a ReLU, given its result and that result's gradient.
    fn relu_gradient(result: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::rectified::<Self>(result, gradient)
    }

    /// The gradient of `maps`, given that of the result.
    fn conv3x3_maps_gradient(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::maps_gradient::<Self>(maps, weight, gradient)
    }

    /// The gradients of `weight` and of the bias, given that of the result.
    fn conv3x3_weight_gradient(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::weight_gradient::<Self>(maps, weight, gradient)
    }
}

impl Conv3x3Ops for Cube {}

impl Conv3x3Ops for Flex {
    fn conv3x3(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        match contiguous([maps, weight, bias]) {
            Ok([maps, weight, bias]) => {
                let geometry = geometry(&maps.shape(), &weight.shape());
                let out = conv3x3::forward(geometry, maps.storage(), weight.storage(), bias.storage(), relu);
                tensor(out, [geometry.batch, geometry.height, geometry.width, geometry.output])
            }
            Err([maps, weight, bias]) => composed::forward::<Self>(maps, weight, bias, relu),
        }
    }

    fn relu_gradient(result: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        match contiguous([result, gradient]) {
            Ok([result, gradient]) => {
                let [batch, height, width, output] = result.shape().dims();
                let geometry = Geometry { batch, height, width, input: 0, output };
                let of = conv3x3::rectified(geometry, result.storage(), gradient.storage());
                tensor(of, [batch, height, width, output])
            }
            Err([result, gradient]) => composed::rectified::<Self>(result, gradient),
        }
    }

    fn conv3x3_maps_gradient(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        match contiguous([weight, gradient]) {
            Ok([weight, gradient]) => {
                let geometry = geometry(&maps.shape(), &weight.shape());
                let out = conv3x3::input_gradient(geometry, gradient.storage(), weight.storage());
                tensor(out, [geometry.batch, geometry.height, geometry.width, geometry.input])
            }
            Err([weight, gradient]) => composed::maps_gradient::<Self>(maps, weight, gradient),
        }
    }

    fn conv3x3_weight_gradient(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match contiguous([maps, gradient]) {
            Ok([maps, gradient]) => {
                let geometry = geometry(&maps.shape(), &weight.shape());
                let (weight, bias) = conv3x3::weight_gradient(geometry, maps.storage(), gradient.storage());
                (tensor(weight, [9 * geometry.input, geometry.output]), tensor(bias, [geometry.output]))
            }
            Err([maps, gradient]) => composed::weight_gradient::<Self>(maps, weight, gradient),
        }
    }
}

fn geometry(maps: &Shape, weight: &Shape) -> Geometry {
    let [batch, height, width, input] = maps.dims();
    let [_, output] = weight.dims();
    Geometry { batch, height, width, input, output }
}

impl<B: Conv3x3Ops, C: CheckpointStrategy> Conv3x3Ops for Autodiff<B, C> {
    fn conv3x3(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let step = Step.prepare::<C>([maps.node(), weight.node(), bias.node()]).compute_bound().stateful();
        let (maps, weight, bias) = (maps.into_primitive(), weight.into_primitive(), bias.into_primitive());
        match step {
            OpsKind::Tracked(step) => {
                let result = B::conv3x3(maps.clone(), weight.clone(), bias, relu);
                step.finish((maps, weight, relu.then(|| result.clone())), result)
            }
            OpsKind::UnTracked(step) => step.finish(B::conv3x3(maps, weight, bias, relu)),
        }
    }
}

/// The way back through [`Conv3x3Ops::conv3x3`]: only what is asked for is computed.
#[derive(Debug)]
struct Step;

impl<B: Conv3x3Ops> Backward<B, 3> for Step {
    /// Maps, weight, and the result where it was rectified.
    type State = (FloatTensor<B>, FloatTensor<B>, Option<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [maps_node, weight_node, bias_node] = ops.parents;
        let (maps, weight, rectified) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let gradient = match rectified {
            Some(result) => B::relu_gradient(result, gradient),
            None => gradient,
        };
        if weight_node.is_some() || bias_node.is_some() {
            let (of_weight, of_bias) = B::conv3x3_weight_gradient(maps.clone(), weight.clone(), gradient.clone());
            if let Some(node) = weight_node {
                gradients.register::<B>(node.id, of_weight);
            }
            if let Some(node) = bias_node {
                gradients.register::<B>(node.id, of_bias);
            }
        }
        if let Some(node) = maps_node {
            gradients.register::<B>(node.id, B::conv3x3_maps_gradient(maps, weight, gradient));
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use super::*;

    fn options() -> ConvOptions<2> {
        ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
    }

    fn channels_first<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
        B::float_permute(maps, &[0, 3, 1, 2])
    }

    fn channels_last<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
        B::float_permute(maps, &[0, 2, 3, 1])
    }

    /// `[3 * 3 * in, out]` -> burn's `[out, in, 3, 3]`.
    fn kernel<B: Backend>(weight: FloatTensor<B>) -> FloatTensor<B> {
        let [rows, output] = weight.shape().dims();
        B::float_permute(B::float_reshape(weight, Shape::new([3, 3, rows / 9, output])), &[3, 2, 0, 1])
    }

    pub(super) fn forward<B: Backend>(
        maps: FloatTensor<B>,
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
        relu: bool,
    ) -> FloatTensor<B> {
        let ([weight, bias], maps) =
            ([kernel::<B>(weight), bias].map(Factor::<B>::of), Factor::<B>::of(channels_first::<B>(maps)));
        let maps = maps.product(|maps| B::conv2d(maps, weight.numbers, Some(bias.numbers), options()));
        channels_last::<B>(if relu { B::relu(maps) } else { maps })
    }

    pub(super) fn rectified<B: Backend>(result: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        B::relu_backward(result, gradient)
    }

    pub(super) fn maps_gradient<B: Backend>(
        maps: FloatTensor<B>,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        let [maps, weight] = [channels_first::<B>(maps), kernel::<B>(weight)].map(Factor::<B>::of);
        let gradient = Factor::<B>::gradient(channels_first::<B>(gradient));
        channels_last::<B>(
            gradient.product(|gradient| B::conv2d_x_backward(maps.numbers, weight.numbers, gradient, options())),
        )
    }

    pub(super) fn weight_gradient<B: Backend>(
        maps: FloatTensor<B>,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let shape = weight.shape();
        let [pixels, output] = [gradient.shape().num_elements() / shape[1].max(1), shape[1]];
        let of_bias = B::float_sum_dim(B::float_reshape(gradient.clone(), Shape::new([pixels, output])), 0);
        // In single precision whatever was chosen: it is a sum over all pixels, and burn may sum up in what it multiplies.
        let (maps, gradient) = (channels_first::<B>(maps), channels_first::<B>(gradient));
        let of_kernel = B::conv2d_weight_backward(maps, kernel::<B>(weight), gradient, options());
        let of_weight = B::float_reshape(B::float_permute(of_kernel, &[2, 3, 1, 0]), shape);
        (of_weight, B::float_reshape(of_bias, Shape::new([output])))
    }
}

//! A 3x3 convolution of channels-last maps, stride 1, zeros around.

use burn::backend::ops::ConvOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_flex::FlexTensor;

use crate::add_relu::ReluGradient;
use crate::kernels::conv3x3::{self, Geometry};
use crate::maps::{channels_first, channels_last};
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};
use crate::precision::Factor;

/// Maps `[batch, height, width, in]`, weight `[3 * 3 * in, out]` (the kernel's rows, in each its columns, in each the channels), bias `[out]`
/// -> `[batch, height, width, out]`; with `relu`, negative numbers become zero in the same pass over memory.
///
/// # Panics
///
/// If there are not nine weights for each channel.
pub fn conv3x3(maps: Tensor<4>, weight: Tensor<2>, bias: Tensor<1>, relu: bool) -> Tensor<4> {
    assert_eq!(9 * maps.dims()[3], weight.dims()[0], "a 3x3 convolution has nine weights for each channel");
    call(Conv3x3 { relu }, [maps.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()])
}

/// Maps, weight, bias.
#[derive(Clone, Debug)]
struct Conv3x3 {
    relu: bool,
}

impl Operation<3> for Conv3x3 {
    type Derivative = Written;

    fn kernel(self, [maps, weight, bias]: [FlexTensor; 3]) -> [FlexTensor; 1] {
        let g = geometry(&maps.shape(), &weight.shape());
        let out = conv3x3::forward(g, maps.storage(), weight.storage(), bias.storage(), self.relu);
        [tensor(out, [g.batch, g.height, g.width, g.output])]
    }

    /// Burn's convolution between two permutations.
    fn composed<B: Operations>(self, [maps, weight, bias]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 1] {
        let [weight, bias] = [kernel::<B>(weight), bias].map(Factor::<B>::of);
        let maps = Factor::<B>::of(channels_first::<B>(maps));
        let maps = maps.product(|maps| B::conv2d(maps, weight.numbers, Some(bias.numbers), options()));
        [channels_last::<B>(if self.relu { B::relu(maps) } else { maps })]
    }
}

impl Differentiable<3> for Conv3x3 {
    /// Maps, weight, and the result where it went through a ReLU.
    type Kept<B: Backend> = (FloatTensor<B>, FloatTensor<B>, Option<FloatTensor<B>>);

    fn forward<B: Operations>(
        self,
        [maps, weight, bias]: [FloatTensor<B>; 3],
        _: [bool; 3],
    ) -> (FloatTensor<B>, Self::Kept<B>) {
        let relu = self.relu;
        let [result] = self.run::<B>([maps.clone(), weight.clone(), bias]);
        (result.clone(), (maps, weight, relu.then_some(result)))
    }

    fn backward<B: Operations>(
        self,
        (maps, weight, result): Self::Kept<B>,
        mut gradient: FloatTensor<B>,
        [of_maps, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FloatTensor<B>>; 3] {
        if let Some(result) = result {
            [gradient] = ReluGradient.run::<B>([result, gradient]);
        }
        let inputs = [maps, weight, gradient];
        let parameters = (of_weight || of_bias).then(|| WeightGradient.run::<B>(inputs.clone()));
        let maps = of_maps.then(|| MapsGradient.run::<B>(inputs));
        let [weight, bias] = parameters.map_or([None, None], |parameters| parameters.map(Some));
        [maps.map(|[maps]| maps), weight, bias]
    }
}

/// Maps, weight and the gradient of the result -> that of the maps.
#[derive(Clone, Debug)]
struct MapsGradient;

impl Operation<3> for MapsGradient {
    type Derivative = Composed;

    fn kernel(self, [maps, weight, gradient]: [FlexTensor; 3]) -> [FlexTensor; 1] {
        let g = geometry(&maps.shape(), &weight.shape());
        let out = conv3x3::input_gradient(g, gradient.storage(), weight.storage());
        [tensor(out, [g.batch, g.height, g.width, g.input])]
    }

    fn composed<B: Operations>(self, [maps, weight, gradient]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 1] {
        let [maps, weight] = [channels_first::<B>(maps), kernel::<B>(weight)].map(Factor::<B>::of);
        let gradient = Factor::<B>::gradient(channels_first::<B>(gradient));
        let of = gradient.product(|gradient| B::conv2d_x_backward(maps.numbers, weight.numbers, gradient, options()));
        [channels_last::<B>(of)]
    }
}

/// Maps, weight and the gradient of the result -> those of weight and bias.
#[derive(Clone, Debug)]
struct WeightGradient;

impl Operation<3, 2> for WeightGradient {
    type Derivative = Composed;

    fn kernel(self, [maps, weight, gradient]: [FlexTensor; 3]) -> [FlexTensor; 2] {
        let g = geometry(&maps.shape(), &weight.shape());
        let (weight, bias) = conv3x3::weight_gradient(g, maps.storage(), gradient.storage());
        [tensor(weight, [9 * g.input, g.output]), tensor(bias, [g.output])]
    }

    fn composed<B: Operations>(self, [maps, weight, gradient]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 2] {
        let shape = weight.shape();
        let [pixels, output] = [gradient.shape().num_elements() / shape[1].max(1), shape[1]];
        let of_bias = B::float_sum_dim(B::float_reshape(gradient.clone(), Shape::new([pixels, output])), 0);
        // In single precision whatever was chosen: it is a sum over all pixels, and burn may sum up in what it multiplies.
        let (maps, gradient) = (channels_first::<B>(maps), channels_first::<B>(gradient));
        let of_kernel = B::conv2d_weight_backward(maps, kernel::<B>(weight), gradient, options());
        let of_weight = B::float_reshape(B::float_permute(of_kernel, &[2, 3, 1, 0]), shape);
        [of_weight, B::float_reshape(of_bias, Shape::new([output]))]
    }
}

fn geometry(maps: &Shape, weight: &Shape) -> Geometry {
    let ([batch, height, width, input], [_, output]) = (maps.dims(), weight.dims());
    Geometry { batch, height, width, input, output }
}

fn options() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

/// `[3 * 3 * in, out]` -> burn's `[out, in, 3, 3]`.
fn kernel<B: Backend>(weight: FloatTensor<B>) -> FloatTensor<B> {
    let [rows, output] = weight.shape().dims();
    B::float_permute(B::float_reshape(weight, Shape::new([3, 3, rows / 9, output])), &[3, 2, 0, 1])
}

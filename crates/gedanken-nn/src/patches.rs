//! Patches side by side, each embedded by one matrix product.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

use crate::Linear;
use crate::kernels::flex::{contiguous, tensor};
use crate::kernels::patches::{self, Geometry};
use crate::precision::{Factor, matmul};

/// Pictures `[frames, channels, height, width]` -> `[frames, height / side, width / side, output]`: a linear layer of every square of
/// `side * side` pixels, whose numbers are in the order of a convolution's kernel: channels, rows, columns. It is a convolution with a
/// stride as long as its kernel.
///
/// On the CPU it runs on kernels of its own; elsewhere on burn's operations.
///
/// # Panics
///
/// If `side` does not divide the picture's height and width, or the layer has no bias or other sizes.
pub fn embed_patches(pixels: Tensor<4>, layer: &Linear, side: usize) -> Tensor<4> {
    embed(pixels, layer, [side, side])
}

/// Channels-last maps `[batch, height, width, channels]` -> `[batch, height / 2, width / 2, output]`: a linear layer of every 2 x 2
/// places, whose numbers are in the order of rows, columns, channels.
///
/// On the CPU it runs on kernels of its own; elsewhere on burn's operations.
///
/// # Panics
///
/// If height or width is odd, or the layer has no bias or other sizes.
pub fn halve(maps: Tensor<4>, layer: &Linear) -> Tensor<4> {
    let [batch, height, width, channels] = maps.dims();
    // Channels that come last are a wider picture of one channel.
    embed(maps.reshape([batch, 1, height, width * channels]), layer, [2, 2 * channels])
}

/// Pictures `[frames, channels, height, width]` -> `[frames, height / tall, width / wide, output]`.
fn embed(pixels: Tensor<4>, layer: &Linear, [tall, wide]: [usize; 2]) -> Tensor<4> {
    let [frames, channels, height, width] = pixels.dims();
    let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()));
    let bias = bias.expect("an embedding of patches has a bias");
    assert!(
        height.is_multiple_of(tall) && width.is_multiple_of(wide),
        "patches of {tall} x {wide} do not fill {height} x {width}"
    );
    assert_eq!(weight.dims()[0], channels * tall * wide, "a row of weights for each number of a patch");
    let output = weight.dims()[1];
    let (pixels, weight, bias) = (pixels.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    let embedded: Tensor<3> = Tensor::from_dispatch(Dispatch::embed_patches(pixels, weight, bias, [tall, wide]));
    embedded.reshape([frames, height / tall, width / wide, output])
}

/// The operation of [`embed_patches`] and [`halve`] and its gradients; the patches, of `patch` rows and columns, stand in one dimension.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait PatchOps: Backend {
    /// `[frames, patches, output]`.
    fn embed_patches(
        pixels: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> FloatTensor<Self> {
        composed::forward::<Self>(pixels, weight, bias, patch)
    }

    /// The gradient of `pixels`, which are of this `shape`, given that of the result.
    fn embed_patches_pixels_gradient(
        shape: Shape,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> FloatTensor<Self> {
        composed::pixels_gradient::<Self>(shape, weight, gradient, patch)
    }

    /// The gradients of `weight` and of the bias, given that of the result.
    fn embed_patches_weight_gradient(
        pixels: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::weight_gradient::<Self>(pixels, gradient, patch)
    }
}

impl PatchOps for Cube {}

impl PatchOps for Flex {
    fn embed_patches(
        pixels: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> FloatTensor<Self> {
        match contiguous([pixels, weight, bias]) {
            Ok([pixels, weight, bias]) => {
                let [_, output] = weight.shape().dims();
                let geometry = geometry(&pixels.shape(), output, patch);
                let out = patches::forward(geometry, pixels.storage(), weight.storage(), bias.storage());
                tensor(out, [geometry.batch, geometry.patches(), output])
            }
            Err([pixels, weight, bias]) => composed::forward::<Self>(pixels, weight, bias, patch),
        }
    }

    fn embed_patches_pixels_gradient(
        shape: Shape,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> FloatTensor<Self> {
        match contiguous([weight, gradient]) {
            Ok([weight, gradient]) => {
                let [_, output] = weight.shape().dims();
                let of = patches::image_gradient(geometry(&shape, output, patch), gradient.storage(), weight.storage());
                tensor(of, shape.dims::<4>())
            }
            Err([weight, gradient]) => composed::pixels_gradient::<Self>(shape, weight, gradient, patch),
        }
    }

    fn embed_patches_weight_gradient(
        pixels: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match contiguous([pixels, gradient]) {
            Ok([pixels, gradient]) => {
                let [_, _, output] = gradient.shape().dims();
                let geometry = geometry(&pixels.shape(), output, patch);
                let (weight, bias) = patches::weight_gradient(geometry, pixels.storage(), gradient.storage());
                (tensor(weight, [geometry.depth(), output]), tensor(bias, [output]))
            }
            Err([pixels, gradient]) => composed::weight_gradient::<Self>(pixels, gradient, patch),
        }
    }
}

fn geometry(pixels: &Shape, output: usize, [tall, wide]: [usize; 2]) -> Geometry {
    let [batch, channels, height, width] = pixels.dims();
    Geometry { batch, channels, height, width, tall, wide, output }
}

impl<B: PatchOps, C: CheckpointStrategy> PatchOps for Autodiff<B, C> {
    fn embed_patches(
        pixels: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        patch: [usize; 2],
    ) -> FloatTensor<Self> {
        match Step.prepare::<C>([pixels.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let state = (pixels.primitive().clone(), weight.primitive().clone(), patch);
                let (pixels, weight, bias) = (pixels.into_primitive(), weight.into_primitive(), bias.into_primitive());
                step.finish(state, B::embed_patches(pixels, weight, bias, patch))
            }
            OpsKind::UnTracked(step) => step.finish(B::embed_patches(
                pixels.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
                patch,
            )),
        }
    }
}

/// The way back through [`PatchOps::embed_patches`]: only what is asked for is computed.
#[derive(Debug)]
struct Step;

impl<B: PatchOps> Backward<B, 3> for Step {
    /// Pixels, weight, rows and columns of a patch.
    type State = (FloatTensor<B>, FloatTensor<B>, [usize; 2]);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [pixels_node, weight_node, bias_node] = ops.parents;
        let (pixels, weight, patch) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if weight_node.is_some() || bias_node.is_some() {
            let (of_weight, of_bias) = B::embed_patches_weight_gradient(pixels.clone(), gradient.clone(), patch);
            if let Some(node) = weight_node {
                gradients.register::<B>(node.id, of_weight);
            }
            if let Some(node) = bias_node {
                gradients.register::<B>(node.id, of_bias);
            }
        }
        if let Some(node) = pixels_node {
            let of = B::embed_patches_pixels_gradient(pixels.shape(), weight, gradient, patch);
            gradients.register::<B>(node.id, of);
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use super::*;

    /// `[frames * patches, channels * tall * wide]`.
    fn rows<B: Backend>(pixels: FloatTensor<B>, [tall, wide]: [usize; 2]) -> FloatTensor<B> {
        let [frames, channels, height, width] = pixels.shape().dims();
        let (rows, columns) = (height / tall, width / wide);
        let patches = B::float_reshape(pixels, Shape::new([frames, channels, rows, tall, columns, wide]));
        let patches = B::float_permute(patches, &[0, 2, 4, 1, 3, 5]);
        B::float_reshape(patches, Shape::new([frames * rows * columns, channels * tall * wide]))
    }

    pub(super) fn forward<B: Backend>(
        pixels: FloatTensor<B>,
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
        patch: [usize; 2],
    ) -> FloatTensor<B> {
        let ([frames, ..], [_, output]) = (pixels.shape().dims::<4>(), weight.shape().dims::<2>());
        let product = matmul::<B>(rows::<B>(pixels, patch), weight);
        let patches = product.shape().dims::<2>()[0] / frames.max(1);
        let sum = B::float_add(product, B::float_reshape(bias, Shape::new([1, output])));
        B::float_reshape(sum, Shape::new([frames, patches, output]))
    }

    pub(super) fn weight_gradient<B: Backend>(
        pixels: FloatTensor<B>,
        gradient: FloatTensor<B>,
        patch: [usize; 2],
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let [frames, patches, output] = gradient.shape().dims();
        let gradient = B::float_reshape(gradient, Shape::new([frames * patches, output]));
        let of_bias = B::float_reshape(B::float_sum_dim(gradient.clone(), 0), Shape::new([output]));
        let turned = B::float_swap_dims(rows::<B>(pixels, patch), 0, 1);
        let gradient = Factor::gradient_of_rows(gradient, &turned);
        (Factor::<B>::of(turned).times(gradient), of_bias)
    }

    pub(super) fn pixels_gradient<B: Backend>(
        pixels: Shape,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
        [tall, wide]: [usize; 2],
    ) -> FloatTensor<B> {
        let [frames, channels, height, width] = pixels.dims();
        let (rows, columns) = (height / tall, width / wide);
        let output = weight.shape().dims::<2>()[1];
        let gradient = B::float_reshape(gradient, Shape::new([frames * rows * columns, output]));
        let weight = Factor::<B>::of(B::float_swap_dims(weight, 0, 1));
        let patches = Factor::gradient(gradient).times(weight);
        let patches = B::float_reshape(patches, Shape::new([frames, rows, columns, channels, tall, wide]));
        B::float_reshape(B::float_permute(patches, &[0, 3, 1, 4, 2, 5]), pixels)
    }
}

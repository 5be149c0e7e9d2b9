//! Patches side by side, each embedded by one matrix product.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_flex::FlexTensor;

use crate::dense::parameter_gradients;
use crate::kernels::patches::{self, Geometry};
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};
use crate::precision::{Factor, matmul};

/// Pictures `[frames, channels, height, width]`, weight `[channels * tall * wide, output]`, bias `[output]` ->
/// `[frames, height / tall, width / wide, output]`: a linear layer of every patch of `tall * wide` pixels, whose numbers are in the order of
/// channels, rows, columns. It is a convolution with a stride as long as its kernel.
///
/// # Panics
///
/// If patches do not fill the pictures, or the weight has other sizes.
pub fn embed_patches(pixels: Tensor<4>, weight: Tensor<2>, bias: Tensor<1>, [tall, wide]: [usize; 2]) -> Tensor<4> {
    let ([frames, channels, height, width], [depth, output]) = (pixels.dims(), weight.dims());
    assert!(
        height.is_multiple_of(tall) && width.is_multiple_of(wide),
        "patches of {tall} x {wide} do not fill {height} x {width}"
    );
    assert_eq!(depth, channels * tall * wide, "a row of weights for each number of a patch");
    let inputs = [pixels.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    call::<_, _, 3>(EmbedPatches { tall, wide }, inputs).reshape([frames, height / tall, width / wide, output])
}

/// Pixels, weight, bias -> `[frames, patches, output]`.
#[derive(Clone, Copy, Debug)]
struct EmbedPatches {
    tall: usize,
    wide: usize,
}

impl EmbedPatches {
    fn geometry(self, pixels: &Shape, output: usize) -> Geometry {
        let ([batch, channels, height, width], Self { tall, wide }) = (pixels.dims(), self);
        Geometry { batch, channels, height, width, tall, wide, output }
    }

    /// `[frames * patches, channels * tall * wide]`.
    fn rows<B: Backend>(self, pixels: FloatTensor<B>) -> FloatTensor<B> {
        let ([frames, channels, height, width], Self { tall, wide }) = (pixels.shape().dims(), self);
        let (rows, columns) = (height / tall, width / wide);
        let patches = B::float_reshape(pixels, Shape::new([frames, channels, rows, tall, columns, wide]));
        let patches = B::float_permute(patches, &[0, 2, 4, 1, 3, 5]);
        B::float_reshape(patches, Shape::new([frames * rows * columns, channels * tall * wide]))
    }
}

impl Operation<3> for EmbedPatches {
    type Derivative = Written;

    fn kernel(self, [pixels, weight, bias]: [FlexTensor; 3]) -> [FlexTensor; 1] {
        let [_, output] = weight.shape().dims();
        let geometry = self.geometry(&pixels.shape(), output);
        let out = patches::forward(geometry, pixels.storage(), weight.storage(), bias.storage());
        [tensor(out, [geometry.batch, geometry.patches(), output])]
    }

    fn composed<B: Operations>(self, [pixels, weight, bias]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 1] {
        let ([frames, ..], [_, output]) = (pixels.shape().dims::<4>(), weight.shape().dims::<2>());
        let product = matmul::<B>(self.rows::<B>(pixels), weight);
        let patches = product.shape().dims::<2>()[0] / frames.max(1);
        let sum = B::float_add(product, B::float_reshape(bias, Shape::new([1, output])));
        [B::float_reshape(sum, Shape::new([frames, patches, output]))]
    }
}

impl Differentiable<3> for EmbedPatches {
    /// Pixels and weight.
    type Kept<B: Backend> = [FloatTensor<B>; 2];

    fn forward<B: Operations>(
        self,
        [pixels, weight, bias]: [FloatTensor<B>; 3],
        _: [bool; 3],
    ) -> (FloatTensor<B>, Self::Kept<B>) {
        let [result] = self.run::<B>([pixels.clone(), weight.clone(), bias]);
        (result, [pixels, weight])
    }

    fn backward<B: Operations>(
        self,
        [pixels, weight]: Self::Kept<B>,
        gradient: FloatTensor<B>,
        [of_pixels, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FloatTensor<B>>; 3] {
        let shape = pixels.shape();
        let parameters = (of_weight || of_bias).then(|| WeightGradient(self).run::<B>([pixels, gradient.clone()]));
        let pixels = of_pixels.then(|| PixelsGradient { patch: self, shape }.run::<B>([weight, gradient]));
        let [weight, bias] = parameters.map_or([None, None], |parameters| parameters.map(Some));
        [pixels.map(|[pixels]| pixels), weight, bias]
    }
}

/// Weight and the gradient of the result -> that of pixels of this `shape`.
#[derive(Clone, Debug)]
struct PixelsGradient {
    patch: EmbedPatches,
    shape: Shape,
}

impl Operation<2> for PixelsGradient {
    type Derivative = Composed;

    fn kernel(self, [weight, gradient]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        let [_, output] = weight.shape().dims();
        let geometry = self.patch.geometry(&self.shape, output);
        [tensor(patches::image_gradient(geometry, gradient.storage(), weight.storage()), self.shape.dims::<4>())]
    }

    fn composed<B: Operations>(self, [weight, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        let ([frames, channels, height, width], EmbedPatches { tall, wide }) = (self.shape.dims(), self.patch);
        let (rows, columns) = (height / tall, width / wide);
        let output = weight.shape().dims::<2>()[1];
        let gradient = B::float_reshape(gradient, Shape::new([frames * rows * columns, output]));
        let weight = Factor::<B>::of(B::float_swap_dims(weight, 0, 1));
        let patches = Factor::gradient(gradient).times(weight);
        let patches = B::float_reshape(patches, Shape::new([frames, rows, columns, channels, tall, wide]));
        [B::float_reshape(B::float_permute(patches, &[0, 3, 1, 4, 2, 5]), self.shape)]
    }
}

/// Pixels and the gradient of the result -> those of weight and bias.
#[derive(Clone, Debug)]
struct WeightGradient(EmbedPatches);

impl Operation<2, 2> for WeightGradient {
    type Derivative = Composed;

    fn kernel(self, [pixels, gradient]: [FlexTensor; 2]) -> [FlexTensor; 2] {
        let [_, _, output] = gradient.shape().dims();
        let geometry = self.0.geometry(&pixels.shape(), output);
        let (weight, bias) = patches::weight_gradient(geometry, pixels.storage(), gradient.storage());
        [tensor(weight, [geometry.depth(), output]), tensor(bias, [output])]
    }

    fn composed<B: Operations>(self, [pixels, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 2] {
        let [frames, patches, output] = gradient.shape().dims();
        let gradient = B::float_reshape(gradient, Shape::new([frames * patches, output]));
        parameter_gradients::<B>(self.0.rows::<B>(pixels), gradient)
    }
}

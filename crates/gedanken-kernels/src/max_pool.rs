//! A max-pool of channels-last maps that halves them.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{IntDType, Shape, Tensor};
use burn_flex::FlexTensor;

use crate::kernels::max_pool::{self, Geometry};
use crate::maps::{channels_first, channels_last};
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};

/// The greatest of 3 x 3 pixels around every second one, as far as they lie within: maps `[batch, height, width, channels]` ->
/// `[batch, ceil(height / 2), ceil(width / 2), channels]`. The gradient goes to the first of the greatest, row by row.
pub fn max_pool_3x3(maps: Tensor<4>) -> Tensor<4> {
    call(MaxPool { side: 3 }, [maps.into_dispatch()])
}

/// The greatest of 2 x 2 pixels, side by side: maps `[batch, height, width, channels]` ->
/// `[batch, floor(height / 2), floor(width / 2), channels]`; else as [`max_pool_3x3`].
pub fn max_pool_2x2(maps: Tensor<4>) -> Tensor<4> {
    call(MaxPool { side: 2 }, [maps.into_dispatch()])
}

/// Maps, by squares of `side` pixels.
#[derive(Clone, Copy, Debug)]
struct MaxPool {
    side: usize,
}

const STRIDE: [usize; 2] = [2, 2];
const DILATION: [usize; 2] = [1, 1];

impl MaxPool {
    fn geometry(self, maps: &Shape) -> Geometry {
        let [batch, height, width, channels] = maps.dims();
        Geometry { batch, height, width, channels, side: self.side }
    }

    /// Size of the squares, and how far they reach beyond the edges.
    fn squares(self) -> ([usize; 2], [usize; 2]) {
        ([self.side; 2], [self.side - 2; 2])
    }
}

impl Operation<1> for MaxPool {
    type Derivative = Written;

    fn kernel(self, [maps]: [FlexTensor; 1]) -> [FlexTensor; 1] {
        let geometry = self.geometry(&maps.shape());
        let [rows, columns] = geometry.pooled();
        [tensor(max_pool::forward(geometry, maps.storage()), [geometry.batch, rows, columns, geometry.channels])]
    }

    /// Burn's pool between two permutations.
    fn composed<B: Operations>(self, [maps]: [FloatTensor<B>; 1]) -> [FloatTensor<B>; 1] {
        let (kernel, padding) = self.squares();
        [channels_last::<B>(B::max_pool2d(channels_first::<B>(maps), kernel, STRIDE, padding, DILATION, false))]
    }
}

impl Differentiable<1> for MaxPool {
    /// The maps. To look for the greatest again is cheaper than to keep where they were.
    type Kept<B: Backend> = FloatTensor<B>;

    fn forward<B: Operations>(self, [maps]: [FloatTensor<B>; 1], _: [bool; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        let [result] = self.run::<B>([maps.clone()]);
        (result, maps)
    }

    fn backward<B: Operations>(
        self,
        maps: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        MaxPoolGradient(self).run::<B>([maps, gradient]).map(Some)
    }
}

/// Maps and the gradient of the result -> that of the maps.
#[derive(Clone, Debug)]
struct MaxPoolGradient(MaxPool);

impl Operation<2> for MaxPoolGradient {
    type Derivative = Composed;

    fn kernel(self, [maps, gradient]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        let of_maps = max_pool::backward(self.0.geometry(&maps.shape()), maps.storage(), gradient.storage());
        [tensor(of_maps, maps.shape().dims::<4>())]
    }

    fn composed<B: Operations>(self, [maps, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        let (kernel, padding) = self.0.squares();
        let (maps, gradient) = (channels_first::<B>(maps), channels_first::<B>(gradient));
        let pooled = B::max_pool2d_with_indices(maps.clone(), kernel, STRIDE, padding, DILATION, false, IntDType::I32);
        let of_maps = B::max_pool2d_with_indices_backward(
            maps,
            kernel,
            STRIDE,
            padding,
            DILATION,
            false,
            gradient,
            pooled.indices,
        );
        [channels_last::<B>(of_maps.x_grad)]
    }
}

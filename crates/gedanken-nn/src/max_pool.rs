//! A max-pool of channels-last maps that halves them.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

use crate::kernels::flex::{contiguous, tensor};
use crate::kernels::max_pool::{self, Geometry};

/// The greatest of 3 x 3 pixels around every second one, as far as they lie within: maps `[batch, height, width, channels]` ->
/// `[batch, ceil(height / 2), ceil(width / 2), channels]`. The gradient goes to the first of the greatest, row by row.
///
/// On the CPU it runs on kernels of its own; elsewhere it is burn's pool between two permutations.
pub fn max_pool_3x3(maps: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::max_pool(maps.into_dispatch(), 3))
}

/// The greatest of 2 x 2 pixels, side by side: maps `[batch, height, width, channels]` ->
/// `[batch, floor(height / 2), floor(width / 2), channels]`; else as [`max_pool_3x3`].
pub fn max_pool_2x2(maps: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::max_pool(maps.into_dispatch(), 2))
}

/// The operation of [`max_pool_3x3`] and [`max_pool_2x2`], by its `side`, and its gradient, in the same shapes.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait MaxPoolOps: Backend {
    /// The pooled `maps`.
    fn max_pool(maps: FloatTensor<Self>, side: usize) -> FloatTensor<Self> {
        composed::forward::<Self>(maps, side)
    }

    /// The gradient of `maps`, given that of the result.
    fn max_pool_gradient(maps: FloatTensor<Self>, side: usize, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gradient::<Self>(maps, side, gradient)
    }
}

impl MaxPoolOps for Cube {}

impl MaxPoolOps for Flex {
    fn max_pool(maps: FloatTensor<Self>, side: usize) -> FloatTensor<Self> {
        match contiguous([maps]) {
            Ok([maps]) => {
                let geometry = geometry(&maps.shape(), side);
                let [rows, columns] = geometry.pooled();
                tensor(max_pool::forward(geometry, maps.storage()), [geometry.batch, rows, columns, geometry.channels])
            }
            Err([maps]) => composed::forward::<Self>(maps, side),
        }
    }

    fn max_pool_gradient(maps: FloatTensor<Self>, side: usize, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        match contiguous([maps, gradient]) {
            Ok([maps, gradient]) => {
                let of_maps = max_pool::backward(geometry(&maps.shape(), side), maps.storage(), gradient.storage());
                tensor(of_maps, maps.shape().dims::<4>())
            }
            Err([maps, gradient]) => composed::gradient::<Self>(maps, side, gradient),
        }
    }
}

fn geometry(maps: &Shape, side: usize) -> Geometry {
    let [batch, height, width, channels] = maps.dims();
    Geometry { batch, height, width, channels, side }
}

impl<B: MaxPoolOps, C: CheckpointStrategy> MaxPoolOps for Autodiff<B, C> {
    fn max_pool(maps: FloatTensor<Self>, side: usize) -> FloatTensor<Self> {
        match Step.prepare::<C>([maps.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let maps = maps.into_primitive();
                step.finish((maps.clone(), side), B::max_pool(maps, side))
            }
            OpsKind::UnTracked(step) => step.finish(B::max_pool(maps.into_primitive(), side)),
        }
    }
}

/// The way back through [`MaxPoolOps::max_pool`]. It looks for the greatest again, which is cheaper than to have kept where
/// they were.
#[derive(Debug)]
struct Step;

impl<B: MaxPoolOps> Backward<B, 1> for Step {
    type State = (FloatTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let (maps, side) = ops.state;
        if let Some(node) = node {
            gradients.register::<B>(node.id, B::max_pool_gradient(maps, side, gradient));
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use burn::tensor::IntDType;

    use super::*;

    const STRIDE: [usize; 2] = [2, 2];
    const DILATION: [usize; 2] = [1, 1];

    fn channels_first<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
        B::float_permute(maps, &[0, 3, 1, 2])
    }

    fn channels_last<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
        B::float_permute(maps, &[0, 2, 3, 1])
    }

    /// Size of the squares, and how far they reach beyond the edges.
    fn squares(side: usize) -> ([usize; 2], [usize; 2]) {
        ([side; 2], [side - 2; 2])
    }

    pub(super) fn forward<B: Backend>(maps: FloatTensor<B>, side: usize) -> FloatTensor<B> {
        let (kernel, padding) = squares(side);
        channels_last::<B>(B::max_pool2d(channels_first::<B>(maps), kernel, STRIDE, padding, DILATION, false))
    }

    pub(super) fn gradient<B: Backend>(maps: FloatTensor<B>, side: usize, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let (kernel, padding) = squares(side);
        let (maps, gradient) = (channels_first::<B>(maps), channels_first::<B>(gradient));
        let indices = IntDType::I32;
        let pooled =
            B::max_pool2d_with_indices(maps.clone(), kernel, STRIDE, padding, DILATION, false, indices).indices;
        let of_maps =
            B::max_pool2d_with_indices_backward(maps, kernel, STRIDE, padding, DILATION, false, gradient, pooled);
        channels_last::<B>(of_maps.x_grad)
    }
}

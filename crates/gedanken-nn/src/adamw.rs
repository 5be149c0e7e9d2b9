//! An update of AdamW.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, Scalar, backend_extension};
use burn::tensor::Tensor;

use crate::kernels::adamw;
pub use crate::kernels::adamw::AdamWStep;
use crate::kernels::flex::contiguous;

/// The weights after an update, and the moments of their gradient, all of one shape: AdamW (Loshchilov and Hutter, 2019) as in PyTorch,
/// `w' = (1 - rate decay) w - rate m / (sqrt(v) + epsilon)` with the corrected moments.
///
/// On the CPU it is one pass in place by all threads; elsewhere it is burn's operations.
pub fn adamw<const D: usize>(
    weights: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let (first, second) = (first.into_dispatch(), second.into_dispatch());
    let (weights, first, second) =
        Dispatch::adamw(weights.into_dispatch(), gradient.into_dispatch(), first, second, step);
    (Tensor::from_dispatch(weights), [Tensor::from_dispatch(first), Tensor::from_dispatch(second)])
}

/// The operation of [`adamw`].
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait AdamWOps: Backend {
    /// The new weights and moments.
    fn adamw(
        weights: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::<Self>(weights, gradient, [first, second], step)
    }
}

impl AdamWOps for Cube {}

impl<B: AdamWOps, C: CheckpointStrategy> AdamWOps for Autodiff<B, C> {}

impl AdamWOps for Flex {
    fn adamw(
        weights: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match contiguous([weights, gradient, first, second]) {
            Ok([weights, mut gradient, mut first, mut second]) => {
                let moments = (first.storage_mut(), second.storage_mut());
                adamw::update(step, weights.storage(), gradient.storage_mut(), moments.0, moments.1);
                (gradient, first, second)
            }
            Err([weights, gradient, first, second]) => composed::<Self>(weights, gradient, [first, second], step),
        }
    }
}

/// The same with burn's own operations.
fn composed<B: Backend>(
    weights: FloatTensor<B>,
    gradient: FloatTensor<B>,
    [first, second]: [FloatTensor<B>; 2],
    step: AdamWStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let times = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, Scalar::Float(factor));
    let AdamWStep { rate, decay, betas: [beta_1, beta_2], epsilon, .. } = step;
    let [unbias_1, unbias_2] = step.unbias();
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let first = B::float_add(times(first, beta_1), times(gradient, 1.0 - beta_1));
    let second = B::float_add(times(second, beta_2), times(square, 1.0 - beta_2));
    let root = B::float_add_scalar(B::float_sqrt(times(second.clone(), unbias_2)), Scalar::Float(epsilon));
    let change = B::float_div(times(first.clone(), rate * unbias_1), root);
    (B::float_sub(times(weights, 1.0 - rate * decay), change), first, second)
}

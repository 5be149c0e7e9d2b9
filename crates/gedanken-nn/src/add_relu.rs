//! The end of a residual block.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use crate::conv::Conv3x3Ops;
use crate::kernels::add_relu::add_relu as kernel;
use crate::kernels::flex::{contiguous, tensor};

/// `relu(a + b)` of maps `[batch, height, width, channels]`, in one pass that threads share on the CPU; elsewhere burn's operations.
///
/// # Panics
///
/// If the two have different shapes.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    assert_eq!(a.dims(), b.dims(), "what is added up has one shape");
    Tensor::from_dispatch(Dispatch::add_relu(a.into_dispatch(), b.into_dispatch()))
}

/// The operation of [`add_relu`]; the way back is that of any ReLU of maps.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait AddReluOps: Conv3x3Ops {
    /// `relu(a + b)`.
    fn add_relu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::<Self>(a, b)
    }
}

impl AddReluOps for Cube {}

impl AddReluOps for Flex {
    fn add_relu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        match contiguous([a, b]) {
            Ok([a, b]) => {
                let shape = a.shape().dims::<4>();
                tensor(kernel(shape[0], a.storage(), b.storage()), shape)
            }
            Err([a, b]) => composed::<Self>(a, b),
        }
    }
}

impl<B: AddReluOps, C: CheckpointStrategy> AddReluOps for Autodiff<B, C> {
    fn add_relu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let step = Step.prepare::<C>([a.node(), b.node()]).compute_bound().stateful();
        let result = B::add_relu(a.into_primitive(), b.into_primitive());
        match step {
            OpsKind::Tracked(step) => step.finish(result.clone(), result),
            OpsKind::UnTracked(step) => step.finish(result),
        }
    }
}

/// The way back through [`AddReluOps::add_relu`].
#[derive(Debug)]
struct Step;

impl<B: AddReluOps> Backward<B, 2> for Step {
    /// The result.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = B::relu_gradient(ops.state, gradients.consume::<B>(&ops.node));
        for node in ops.parents.into_iter().flatten() {
            gradients.register::<B>(node.id, gradient.clone());
        }
    }
}

/// The same with burn's own operations.
fn composed<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    B::relu(B::float_add(a, b))
}

//! GELU.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use crate::kernels::flex::{contiguous, tensor};
use crate::kernels::gelu;

/// `x P(X <= x)` for a standard normal `X` (Hendrycks and Gimpel, 2016): the exact one, not the one by a hyperbolic tangent.
///
/// On the CPU it runs on a kernel of its own; elsewhere on burn's operations.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let shape = x.dims();
    let x: Tensor<1> = x.flatten(0, D - 1);
    Tensor::<1>::from_dispatch(Dispatch::normal_gate(x.into_dispatch())).reshape(shape)
}

/// The operation of [`gelu`] and its gradient, of one dimension.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait GeluOps: Backend {
    /// Every number times the share of a normal distribution below it.
    fn normal_gate(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::forward::<Self>(x)
    }

    /// The gradient of `x`, given that of the result.
    fn normal_gate_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gradient::<Self>(x, gradient)
    }
}

impl GeluOps for Cube {}

impl GeluOps for Flex {
    fn normal_gate(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match contiguous([x]) {
            Ok([x]) => tensor(gelu::forward(x.storage()), x.shape().dims::<1>()),
            Err([x]) => composed::forward::<Self>(x),
        }
    }

    fn normal_gate_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        match contiguous([x, gradient]) {
            Ok([x, gradient]) => tensor(gelu::backward(x.storage(), gradient.storage()), x.shape().dims::<1>()),
            Err([x, gradient]) => composed::gradient::<Self>(x, gradient),
        }
    }
}

impl<B: GeluOps, C: CheckpointStrategy> GeluOps for Autodiff<B, C> {
    fn normal_gate(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Step.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let state = x.primitive().clone();
                step.finish(state, B::normal_gate(x.into_primitive()))
            }
            OpsKind::UnTracked(step) => step.finish(B::normal_gate(x.into_primitive())),
        }
    }
}

/// The way back through [`GeluOps::normal_gate`].
#[derive(Debug)]
struct Step;

impl<B: GeluOps> Backward<B, 1> for Step {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::normal_gate_gradient(ops.state, gradient));
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use super::*;

    pub(super) fn forward<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
        B::float_mul(x.clone(), below::<B>(x))
    }

    pub(super) fn gradient<B: Backend>(x: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let half_square = B::float_mul_scalar(B::float_mul(x.clone(), x.clone()), (-0.5).into());
        let density = B::float_mul_scalar(B::float_exp(half_square), (2.0 * PI).sqrt().recip().into());
        B::float_mul(gradient, B::float_add(below::<B>(x.clone()), B::float_mul(x, density)))
    }

    /// The share of a standard normal distribution below each number.
    fn below<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
        let error = B::float_erf(B::float_mul_scalar(x, FRAC_1_SQRT_2.into()));
        B::float_mul_scalar(B::float_add_scalar(error, 1.0.into()), 0.5.into())
    }
}

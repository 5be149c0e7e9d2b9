//! The end of a residual block, and the gradient of a ReLU.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::kernels::add_relu;
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};

/// `relu(a + b)` of maps `[batch, height, width, channels]`, in one pass.
///
/// # Panics
///
/// If the two have different shapes.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    assert_eq!(a.dims(), b.dims(), "what is added up has one shape");
    call(AddRelu, [a.into_dispatch(), b.into_dispatch()])
}

/// Two maps.
#[derive(Clone, Debug)]
struct AddRelu;

impl Operation<2> for AddRelu {
    type Derivative = Written;

    fn kernel(self, [a, b]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        let shape = a.shape().dims::<4>();
        [tensor(add_relu::forward(shape[0], a.storage(), b.storage()), shape)]
    }

    fn composed<B: Operations>(self, [a, b]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        [B::relu(B::float_add(a, b))]
    }
}

impl Differentiable<2> for AddRelu {
    /// The result.
    type Kept<B: Backend> = FloatTensor<B>;

    fn forward<B: Operations>(self, inputs: [FloatTensor<B>; 2], _: [bool; 2]) -> (FloatTensor<B>, FloatTensor<B>) {
        let [result] = self.run::<B>(inputs);
        (result.clone(), result)
    }

    fn backward<B: Operations>(
        self,
        result: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let [gradient] = ReluGradient.run::<B>([result, gradient]);
        [Some(gradient.clone()), Some(gradient)]
    }
}

/// The result of a ReLU of maps and its gradient -> the gradient before the ReLU.
#[derive(Clone, Debug)]
pub(crate) struct ReluGradient;

impl Operation<2> for ReluGradient {
    type Derivative = Composed;

    fn kernel(self, [result, gradient]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        let shape = result.shape().dims::<4>();
        [tensor(add_relu::gradient(shape[0], result.storage(), gradient.storage()), shape)]
    }

    fn composed<B: Operations>(self, [result, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        [B::relu_backward(result, gradient)]
    }
}

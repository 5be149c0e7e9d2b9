//! An update of AdamW.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, Scalar};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::kernels::adamw;
pub use crate::kernels::adamw::AdamWStep;
use crate::operation::{Composed, Operation, Operations};

/// The weights after an update, and the moments of their gradient, all of one shape: AdamW (Loshchilov and Hutter, 2019) as in PyTorch,
/// `w' = (1 - rate decay) w - rate m / (sqrt(v) + epsilon)` with the corrected moments. On the CPU it is one pass, in place.
pub fn adamw<const D: usize>(
    weights: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let inputs = [weights, gradient, first, second].map(|input| input.into_dispatch());
    let [weights, first, second] = step.run::<Dispatch>(inputs).map(Tensor::from_dispatch);
    (weights, [first, second])
}

/// Weights, gradient, first moment, second moment -> weights, first moment, second moment.
impl Operation<4, 3> for AdamWStep {
    type Derivative = Composed;

    fn kernel(self, [weights, mut gradient, mut first, mut second]: [FlexTensor; 4]) -> [FlexTensor; 3] {
        let moments = (first.storage_mut(), second.storage_mut());
        adamw::update(self, weights.storage(), gradient.storage_mut(), moments.0, moments.1);
        [gradient, first, second]
    }

    fn composed<B: Operations>(self, [weights, gradient, first, second]: [FloatTensor<B>; 4]) -> [FloatTensor<B>; 3] {
        let times = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, Scalar::Float(factor));
        let AdamWStep { rate, decay, betas: [beta_1, beta_2], epsilon, .. } = self;
        let [unbias_1, unbias_2] = self.unbias();
        let square = B::float_mul(gradient.clone(), gradient.clone());
        let first = B::float_add(times(first, beta_1), times(gradient, 1.0 - beta_1));
        let second = B::float_add(times(second, beta_2), times(square, 1.0 - beta_2));
        let root = B::float_add_scalar(B::float_sqrt(times(second.clone(), unbias_2)), Scalar::Float(epsilon));
        let change = B::float_div(times(first.clone(), rate * unbias_1), root);
        [B::float_sub(times(weights, 1.0 - rate * decay), change), first, second]
    }
}

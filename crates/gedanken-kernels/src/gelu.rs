//! GELU.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::kernels::gelu;
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};

/// `x P(X <= x)` for a standard normal `X` (Hendrycks and Gimpel, 2016): the exact one, not the one by a hyperbolic tangent.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let shape = x.dims();
    let x: Tensor<1> = x.flatten(0, D - 1);
    call::<_, _, 1>(Gelu, [x.into_dispatch()]).reshape(shape)
}

/// `[numbers]`
#[derive(Clone, Debug)]
struct Gelu;

impl Operation<1> for Gelu {
    type Derivative = Written;

    fn kernel(self, [x]: [FlexTensor; 1]) -> [FlexTensor; 1] {
        [tensor(gelu::forward(x.storage()), x.shape().dims::<1>())]
    }

    fn composed<B: Operations>(self, [x]: [FloatTensor<B>; 1]) -> [FloatTensor<B>; 1] {
        [B::float_mul(x.clone(), below::<B>(x))]
    }
}

impl Differentiable<1> for Gelu {
    /// `x`
    type Kept<B: Backend> = FloatTensor<B>;

    fn forward<B: Operations>(self, [x]: [FloatTensor<B>; 1], _: [bool; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        let [result] = self.run::<B>([x.clone()]);
        (result, x)
    }

    fn backward<B: Operations>(
        self,
        x: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        GeluGradient.run::<B>([x, gradient]).map(Some)
    }
}

/// `x` and the gradient of the result -> that of `x`.
#[derive(Clone, Debug)]
struct GeluGradient;

impl Operation<2> for GeluGradient {
    type Derivative = Composed;

    fn kernel(self, [x, gradient]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        [tensor(gelu::backward(x.storage(), gradient.storage()), x.shape().dims::<1>())]
    }

    fn composed<B: Operations>(self, [x, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        let half_square = B::float_mul_scalar(B::float_mul(x.clone(), x.clone()), (-0.5).into());
        let density = B::float_mul_scalar(B::float_exp(half_square), (2.0 * PI).sqrt().recip().into());
        [B::float_mul(gradient, B::float_add(below::<B>(x.clone()), B::float_mul(x, density)))]
    }
}

/// The share of a standard normal distribution below each number.
fn below<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let error = B::float_erf(B::float_mul_scalar(x, FRAC_1_SQRT_2.into()));
    B::float_mul_scalar(B::float_add_scalar(error, 1.0.into()), 0.5.into())
}

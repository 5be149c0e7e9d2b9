//! Rows times a matrix, plus a bias.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_flex::FlexTensor;

use crate::kept::Kept;
use crate::kernels::linear::{self, Packed};
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};
use crate::precision::{Factor, matmul};

/// `x W + b`: `[rows, depth]`, `[depth, output]`, `[output]` -> `[rows, output]`. `packed` belongs to this layer.
///
/// # Panics
///
/// If the sizes do not fit.
pub fn dense(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, packed: &PackedWeights) -> Tensor<2> {
    let [depth, output] = weight.dims();
    assert_eq!(x.dims()[1], depth, "the layer takes rows of {depth} numbers");
    let packed = Some(PackedLayer { packed: packed.clone(), biased: bias.is_some() });
    let bias = bias.unwrap_or_else(|| Tensor::zeros([output], (&x.device(), x.dtype())));
    call(Dense { packed }, [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()])
}

/// A layer's weights as the kernel wants them, from one call to the next, where no gradient is asked for: packing reads and
/// writes all of them. Clones share it; weights that have changed are packed anew.
#[derive(Clone, Debug, Default)]
pub struct PackedWeights(Kept<Packed, 2>);

#[derive(Clone, Debug)]
struct PackedLayer {
    packed: PackedWeights,
    /// Without a bias of its own a layer gets other zeros every time.
    biased: bool,
}

impl PackedLayer {
    fn of(&self, weight: FlexTensor, bias: FlexTensor) -> Arc<Packed> {
        let size @ [_, output] = weight.shape().dims();
        let kept = &self.packed.0;
        match self.biased {
            true => kept.of([weight, bias], |[weight, bias]| Packed::new(size, weight, bias)),
            false => kept.of([weight.clone(), weight], |[weight, _]| Packed::new(size, weight, &vec![0.0; output])),
        }
    }
}

/// Rows, weight, bias.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    /// Where weights are kept that will be used again.
    packed: Option<PackedLayer>,
}

impl Dense {
    /// Of weights that are used once.
    pub fn once() -> Self {
        Self { packed: None }
    }
}

impl Operation<3> for Dense {
    type Derivative = Written;

    fn suits(&self, [x, weight, _]: &[FlexTensor; 3]) -> bool {
        pays(x, weight) || self.packed.is_some() && weight.shape().num_elements() > 0
    }

    fn kernel(self, [x, weight, bias]: [FlexTensor; 3]) -> [FlexTensor; 1] {
        let ([rows, _], size @ [_, output]) = (x.shape().dims(), weight.shape().dims());
        let packed = match self.packed {
            Some(packed) => packed.of(weight, bias),
            None => Arc::new(Packed::new(size, weight.storage(), bias.storage())),
        };
        [tensor(packed.multiply(rows, x.storage()), [rows, output])]
    }

    fn composed<B: Operations>(self, [x, weight, bias]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 1] {
        let output = weight.shape().dims::<2>()[1];
        [B::float_add(matmul::<B>(x, weight), B::float_reshape(bias, Shape::new([1, output])))]
    }
}

impl Differentiable<3> for Dense {
    /// Rows and weight.
    type Kept<B: Backend> = [FloatTensor<B>; 2];

    fn forward<B: Operations>(
        self,
        [x, weight, bias]: [FloatTensor<B>; 3],
        [_, of_weight, of_bias]: [bool; 3],
    ) -> (FloatTensor<B>, Self::Kept<B>) {
        // Weights that are being trained change with every update, in place if nobody keeps them.
        let packed = self.packed.filter(|_| !of_weight && !of_bias);
        let [result] = Dense { packed }.run::<B>([x.clone(), weight.clone(), bias]);
        (result, [x, weight])
    }

    fn backward<B: Operations>(
        self,
        [x, weight]: Self::Kept<B>,
        gradient: FloatTensor<B>,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FloatTensor<B>>; 3] {
        let parameters = (of_weight || of_bias).then(|| WeightGradient.run::<B>([x, gradient.clone()]));
        let x = of_x.then(|| InputGradient.run::<B>([weight, gradient]));
        let [weight, bias] = parameters.map_or([None, None], |parameters| parameters.map(Some));
        [x.map(|[x]| x), weight, bias]
    }
}

/// Weight and the gradient of the result -> that of the rows.
#[derive(Clone, Debug)]
struct InputGradient;

impl Operation<2> for InputGradient {
    type Derivative = Composed;

    fn suits(&self, [weight, gradient]: &[FlexTensor; 2]) -> bool {
        pays(gradient, weight)
    }

    fn kernel(self, [weight, gradient]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        let ([rows, _], size @ [depth, _]) = (gradient.shape().dims(), weight.shape().dims());
        [tensor(linear::input_gradient(rows, size, gradient.storage(), weight.storage()), [rows, depth])]
    }

    fn composed<B: Operations>(self, [weight, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        [Factor::<B>::gradient(gradient).times(Factor::of(B::float_swap_dims(weight, 0, 1)))]
    }
}

/// Rows and the gradient of the result -> those of weight and bias.
#[derive(Clone, Debug)]
struct WeightGradient;

impl Operation<2, 2> for WeightGradient {
    type Derivative = Composed;

    fn suits(&self, [x, gradient]: &[FlexTensor; 2]) -> bool {
        pays(x, gradient)
    }

    fn kernel(self, [x, gradient]: [FlexTensor; 2]) -> [FlexTensor; 2] {
        let ([_, depth], [_, output]) = (x.shape().dims(), gradient.shape().dims());
        let (weight, bias) = linear::weight_gradient([depth, output], x.storage(), gradient.storage());
        [tensor(weight, [depth, output]), tensor(bias, [output])]
    }

    fn composed<B: Operations>(self, [x, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 2] {
        parameter_gradients::<B>(x, gradient)
    }
}

/// The gradients of a matrix and of the bias behind it, of any rows `[rows, depth]` and the gradient of their result `[rows, output]`.
pub(crate) fn parameter_gradients<B: Backend>(x: FloatTensor<B>, gradient: FloatTensor<B>) -> [FloatTensor<B>; 2] {
    let [_, output] = gradient.shape().dims();
    let of_bias = B::float_reshape(B::float_sum_dim(gradient.clone(), 0), Shape::new([output]));
    let turned = B::float_swap_dims(x, 0, 1);
    let gradient = Factor::gradient_of_rows(gradient, &turned);
    [Factor::<B>::of(turned).times(gradient), of_bias]
}

/// There are enough rows to put a matrix in order for them.
fn pays(rows: &FlexTensor, other: &FlexTensor) -> bool {
    const FEW: usize = 32;
    rows.shape().dims::<2>()[0] >= FEW && rows.shape().num_elements() * other.shape().num_elements() > 0
}

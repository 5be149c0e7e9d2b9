//! Linear layers.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::module::{Initializer, Module, Param};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Shape, Tensor};
use burn_flex::FlexTensor;

use crate::kept::Kept;
use crate::kernels::flex::{contiguous, tensor};
use crate::kernels::linear::{Packed, input_gradient, weight_gradient};
use crate::precision::{Factor, matmul};

/// A linear layer, `x W + b`.
///
/// On the CPU it runs on kernels of its own; elsewhere on burn's operations.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`
    pub weight: Param<Tensor<2>>,
    /// `[output]`, if it has one.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    packed: Kept<Packed, 2>,
}

impl Linear {
    /// Weights and bias as PyTorch draws them: uniform between `± 1 / sqrt(input)`.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        LinearConfig::new(input, output).init(device).into()
    }

    /// Weights from normal(0, `std`) and a bias of zeros.
    pub fn normal(input: usize, output: usize, std: f64, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std };
        let mut linear: Self = LinearConfig::new(input, output).with_initializer(normal).init(device).into();
        linear.bias = Some(Initializer::Zeros.init([output], device));
        linear
    }

    /// The same where there is a `std`, else as PyTorch draws it.
    pub(crate) fn maybe_normal(input: usize, output: usize, std: Option<f64>, device: &Device) -> Self {
        match std {
            Some(std) => Self::normal(input, output, std, device),
            None => Self::new(input, output, device),
        }
    }

    /// `[..., input]` -> `[..., output]`.
    ///
    /// # Panics
    ///
    /// If the last axis of `x` is not `input`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (weight, mut shape) = (self.weight.val(), x.dims());
        let [depth, output] = weight.dims();
        assert_eq!(shape[D - 1], depth, "the layer takes rows of {depth} numbers");
        let bias = match &self.bias {
            Some(bias) => bias.val(),
            None => Tensor::zeros([output], (&x.device(), x.dtype())),
        };
        shape[D - 1] = output;
        let (x, weight, bias) = (x.reshape([-1, depth as i32]), weight.into_dispatch(), bias.into_dispatch());
        let x: Tensor<2> = x;
        let packed = Some(PackedWeights { kept: self.packed.clone(), biased: self.bias.is_some() });
        let out: Tensor<2> = Tensor::from_dispatch(Dispatch::dense(x.into_dispatch(), weight, bias, packed));
        out.reshape(shape)
    }
}

impl From<burn::nn::Linear> for Linear {
    fn from(burn::nn::Linear { weight, bias }: burn::nn::Linear) -> Self {
        Self { weight, bias, packed: Kept::default() }
    }
}

/// A layer's weights as the kernel wants them, from one call to the next, where no gradient is asked for: packing reads and
/// writes all of them.
#[derive(Clone, Debug)]
pub(crate) struct PackedWeights {
    kept: Kept<Packed, 2>,
    /// Without a bias of its own a layer gets other zeros every time.
    biased: bool,
}

impl PackedWeights {
    fn of(&self, weight: FlexTensor, bias: FlexTensor) -> Arc<Packed> {
        let [depth, output] = weight.shape().dims();
        match self.biased {
            true => self.kept.of([weight, bias], |[weight, bias]| Packed::new([depth, output], weight, bias)),
            false => self
                .kept
                .of([weight.clone(), weight], |[weight, _]| Packed::new([depth, output], weight, &vec![0.0; output])),
        }
    }
}

/// The operation of [`Linear`] and its gradients.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait LinearOps: Backend {
    /// `[rows, depth]` times `[depth, output]` plus `[output]`; `packed` belongs to these two, if they will be used again.
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _packed: Option<PackedWeights>,
    ) -> FloatTensor<Self> {
        composed::forward::<Self>(x, weight, bias)
    }

    /// The gradient of `x`, given that of the result.
    fn dense_input_gradient(weight: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::input_gradient::<Self>(weight, gradient)
    }

    /// The gradients of weight and bias, given that of the result.
    fn dense_weight_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::weight_gradient::<Self>(x, gradient)
    }
}

impl LinearOps for Cube {}

impl LinearOps for Flex {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        packed: Option<PackedWeights>,
    ) -> FloatTensor<Self> {
        match contiguous([x, weight, bias]) {
            Ok([x, weight, bias]) if pays(&x, &weight) || packed.is_some() && weight.shape().num_elements() > 0 => {
                let ([rows, _], [depth, output]) = (x.shape().dims(), weight.shape().dims());
                let packed = match packed {
                    Some(packed) => packed.of(weight, bias),
                    None => Arc::new(Packed::new([depth, output], weight.storage(), bias.storage())),
                };
                tensor(packed.multiply(rows, x.storage()), [rows, output])
            }
            Ok([x, weight, bias]) | Err([x, weight, bias]) => composed::forward::<Self>(x, weight, bias),
        }
    }

    fn dense_input_gradient(weight: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        match contiguous([weight, gradient]) {
            Ok([weight, gradient]) if pays(&gradient, &weight) => {
                let ([rows, _], [depth, output]) = (gradient.shape().dims(), weight.shape().dims());
                tensor(input_gradient(rows, [depth, output], gradient.storage(), weight.storage()), [rows, depth])
            }
            Ok([weight, gradient]) | Err([weight, gradient]) => composed::input_gradient::<Self>(weight, gradient),
        }
    }

    fn dense_weight_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match contiguous([x, gradient]) {
            Ok([x, gradient]) if pays(&x, &gradient) => {
                let ([_, depth], [_, output]) = (x.shape().dims(), gradient.shape().dims());
                let (weight, bias) = weight_gradient([depth, output], x.storage(), gradient.storage());
                (tensor(weight, [depth, output]), tensor(bias, [output]))
            }
            Ok([x, gradient]) | Err([x, gradient]) => composed::weight_gradient::<Self>(x, gradient),
        }
    }
}

/// Whether there are enough rows to put a matrix in order for them.
fn pays(rows: &FlexTensor, other: &FlexTensor) -> bool {
    const FEW: usize = 32;
    rows.shape().dims::<2>()[0] >= FEW && rows.shape().num_elements() * other.shape().num_elements() > 0
}

impl<B: LinearOps, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        packed: Option<PackedWeights>,
    ) -> FloatTensor<Self> {
        match Step.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let state = (x.primitive().clone(), weight.primitive().clone());
                // Weights that are being trained change with every update, in place if nobody keeps them.
                let trained = weight.is_tracked() || bias.is_tracked();
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                step.finish(state, B::dense(x, weight, bias, packed.filter(|_| !trained)))
            }
            OpsKind::UnTracked(step) => {
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                step.finish(B::dense(x, weight, bias, packed))
            }
        }
    }
}

/// The way back through [`LinearOps::dense`].
#[derive(Debug)]
struct Step;

impl<B: LinearOps> Backward<B, 3> for Step {
    /// Rows, weight.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let (x, weight) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if weight_node.is_some() || bias_node.is_some() {
            let (of_weight, of_bias) = B::dense_weight_gradient(x, gradient.clone());
            if let Some(node) = weight_node {
                gradients.register::<B>(node.id, of_weight);
            }
            if let Some(node) = bias_node {
                gradients.register::<B>(node.id, of_bias);
            }
        }
        if let Some(node) = x_node {
            gradients.register::<B>(node.id, B::dense_input_gradient(weight, gradient));
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use super::*;

    pub(super) fn forward<B: Backend>(
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
    ) -> FloatTensor<B> {
        let output = weight.shape().dims::<2>()[1];
        B::float_add(matmul::<B>(x, weight), B::float_reshape(bias, Shape::new([1, output])))
    }

    pub(super) fn input_gradient<B: Backend>(weight: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        Factor::<B>::gradient(gradient).times(Factor::of(B::float_swap_dims(weight, 0, 1)))
    }

    pub(super) fn weight_gradient<B: Backend>(
        x: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let [_, output] = gradient.shape().dims();
        let of_bias = B::float_reshape(B::float_sum_dim(gradient.clone(), 0), Shape::new([output]));
        let turned = B::float_swap_dims(x, 0, 1);
        let gradient = Factor::gradient_of_rows(gradient, &turned);
        (Factor::<B>::of(turned).times(gradient), of_bias)
    }
}

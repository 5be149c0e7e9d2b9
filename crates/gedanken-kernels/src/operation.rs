//! An operation with a kernel, and what burn needs to run it on any device and to differentiate it.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Cube, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    ExtensionType, Flex, backend_extension,
};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use burn_flex::FlexTensor;

/// An operation from `N` tensors to `M`; its other arguments are its fields.
pub(crate) trait Operation<const N: usize, const M: usize = 1>: Clone + Debug + Send + 'static {
    /// [`Composed`], or [`Written`] for an operation that is [`Differentiable`].
    type Derivative: Derivative<Self, N, M>;

    /// The kernel for the CPU. All inputs are `f32`, their numbers in order.
    fn kernel(self, inputs: [FlexTensor; N]) -> [FlexTensor; M];

    /// The same with burn's operations: for other devices, other types of numbers, and inputs that the kernel does not [suit](Self::suits).
    fn composed<B: Operations>(self, inputs: [FloatTensor<B>; N]) -> [FloatTensor<B>; M];

    /// True where the kernel is the right choice for inputs of these shapes. Default: always
    fn suits(&self, _inputs: &[FlexTensor; N]) -> bool {
        true
    }

    /// Runs the operation where its inputs are.
    fn run<B: Operations>(self, inputs: [FloatTensor<B>; N]) -> [FloatTensor<B>; M] {
        B::operate(self, Tensors(inputs.into())).into_array()
    }
}

/// The result of an operation on tensors of any device.
pub(crate) fn call<O: Operation<N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [DispatchTensor; N],
) -> Tensor<D> {
    let [result] = operation.run::<Dispatch>(inputs);
    Tensor::from_dispatch(result)
}

/// An operation whose gradients are operations of their own.
pub(crate) trait Differentiable<const N: usize>: Operation<N> {
    /// Inputs and results that the way back needs.
    type Kept<B: Backend>: Clone + Debug + Send + 'static;

    /// The result, and what is kept of it; `tracked` says which inputs' gradients will be asked for.
    fn forward<B: Operations>(self, inputs: [FloatTensor<B>; N], tracked: [bool; N])
    -> (FloatTensor<B>, Self::Kept<B>);

    /// The gradients of the inputs that are `tracked`, given that of the result.
    fn backward<B: Operations>(
        self,
        kept: Self::Kept<B>,
        gradient: FloatTensor<B>,
        tracked: [bool; N],
    ) -> [Option<FloatTensor<B>>; N];
}

/// Gradient of an operation.
pub(crate) trait Derivative<O, const N: usize, const M: usize> {
    fn run<B: Operations, C: CheckpointStrategy>(
        operation: O,
        inputs: [FloatTensor<Autodiff<B, C>>; N],
    ) -> [FloatTensor<Autodiff<B, C>>; M];
}

/// Through burn's operations that it is composed of.
pub(crate) struct Composed;

impl<O: Operation<N, M>, const N: usize, const M: usize> Derivative<O, N, M> for Composed {
    fn run<B: Operations, C: CheckpointStrategy>(
        operation: O,
        inputs: [FloatTensor<Autodiff<B, C>>; N],
    ) -> [FloatTensor<Autodiff<B, C>>; M] {
        operation.composed::<Autodiff<B, C>>(inputs)
    }
}

/// By its [`backward`](Differentiable::backward).
pub(crate) struct Written;

impl<O: Differentiable<N>, const N: usize> Derivative<O, N, 1> for Written {
    fn run<B: Operations, C: CheckpointStrategy>(
        operation: O,
        inputs: [FloatTensor<Autodiff<B, C>>; N],
    ) -> [FloatTensor<Autodiff<B, C>>; 1] {
        let tracked = inputs.each_ref().map(|input| input.is_tracked());
        let nodes = inputs.each_ref().map(|input| input.node());
        let step = WayBack(operation.clone()).prepare::<C>(nodes).compute_bound().stateful();
        let inputs = inputs.map(|input| input.into_primitive());
        [match step {
            OpsKind::Tracked(step) => {
                let (result, kept) = operation.forward::<B>(inputs, tracked);
                step.finish(kept, result)
            }
            OpsKind::UnTracked(step) => {
                let [result] = operation.run::<B>(inputs);
                step.finish(result)
            }
        }]
    }
}

/// The way back through an operation.
#[derive(Debug)]
struct WayBack<O>(O);

impl<B: Operations, O: Differentiable<N>, const N: usize> Backward<B, N> for WayBack<O> {
    type State = O::Kept<B>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let tracked = ops.parents.each_ref().map(|parent| parent.is_some());
        let of_inputs = self.0.backward::<B>(ops.state, gradient, tracked);
        for (parent, gradient) in ops.parents.into_iter().zip(of_inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// Backends that run [`Operation`]s: composed, but for the CPU.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait Operations: Backend {
    fn operate<O: Operation<N, M>, const N: usize, const M: usize>(
        operation: O,
        #[extension_type] inputs: Tensors<Self>,
    ) -> Tensors<Self> {
        Tensors(operation.composed::<Self>(inputs.into_array()).into())
    }
}

impl Operations for Cube {}

impl Operations for Flex {
    fn operate<O: Operation<N, M>, const N: usize, const M: usize>(
        operation: O,
        inputs: Tensors<Self>,
    ) -> Tensors<Self> {
        let inputs: [FlexTensor; N] = inputs.into_array();
        let single = inputs.iter().all(|input| input.dtype() == DType::F32);
        Tensors(if single && operation.suits(&inputs) {
            operation.kernel(inputs.map(|input| input.to_contiguous())).into()
        } else {
            operation.composed::<Self>(inputs).into()
        })
    }
}

impl<B: Operations, C: CheckpointStrategy> Operations for Autodiff<B, C> {
    fn operate<O: Operation<N, M>, const N: usize, const M: usize>(
        operation: O,
        inputs: Tensors<Self>,
    ) -> Tensors<Self> {
        Tensors(O::Derivative::run::<B, C>(operation, inputs.into_array()).into())
    }
}

/// An operation's inputs or results on their way to a backend.
pub(crate) struct Tensors<B: Backend>(Vec<FloatTensor<B>>);

impl<B: Backend> Tensors<B> {
    fn into_array<const N: usize>(self) -> [FloatTensor<B>; N] {
        self.0.try_into().unwrap_or_else(|tensors: Vec<_>| panic!("{} tensors instead of {N}", tensors.len()))
    }
}

impl<B: Backend> ExtensionType<B> for Tensors<B> {
    type Target = Tensors<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Tensors<Dispatch>
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let tensor = |tensor| DispatchTensor { kind: map_kind(BackendTensor::Float(tensor)), autodiff };
        Tensors(self.0.into_iter().map(tensor).collect())
    }

    fn map_from_dispatch<F>(target: Tensors<Dispatch>, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        Tensors(target.0.into_iter().map(|tensor| unwrap_kind(tensor).float()).collect())
    }

    fn routing_tensor(target: &Tensors<Dispatch>) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn routing_float_tensor(target: &Tensors<Dispatch>) -> Option<&DispatchTensor> {
        target.0.first()
    }

    fn autodiff_context(target: &Tensors<Dispatch>) -> DispatchAutodiffContext {
        target.0.iter().fold(DispatchAutodiffContext::Disabled, |context, tensor| context.merge(tensor.autodiff))
    }
}

/// A tensor on the CPU of `values`, which are as many as `shape` says.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::new(shape)))
}

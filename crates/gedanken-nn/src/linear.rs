//! Linear layers.

use burn::module::{Initializer, Module, Param};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use gedanken_kernels::{PackedWeights, dense};

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
    packed: PackedWeights,
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
        let mut shape = x.dims();
        let rows = x.reshape([-1, shape[D - 1] as i32]);
        let out = dense(rows, self.weight.val(), self.bias.as_ref().map(|bias| bias.val()), &self.packed);
        shape[D - 1] = out.dims()[1];
        out.reshape(shape)
    }

    /// Weight and bias.
    ///
    /// # Panics
    ///
    /// If the layer has no bias.
    pub(crate) fn biased(&self) -> (Tensor<2>, Tensor<1>) {
        (self.weight.val(), self.bias.as_ref().expect("the layer has a bias").val())
    }
}

impl From<burn::nn::Linear> for Linear {
    fn from(burn::nn::Linear { weight, bias }: burn::nn::Linear) -> Self {
        Self { weight, bias, packed: PackedWeights::default() }
    }
}

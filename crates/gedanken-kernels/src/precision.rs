//! What a GPU multiplies in.

use std::any::TypeId;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata};
use burn::tensor::{DType, Device, FloatDType, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a GPU multiplies in: linear layers, convolutions, attention and their gradients, but for those of a convolution's weights, which
/// burn may sum up in what it multiplies. Weights, their updates, norms, softmax, losses
/// and every statistic are in single precision whatever it is; the CPU knows nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision. Gradients are brought to a range that it has, product by product.
    F16,
    /// Half precision with the range of single precision.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        })
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(Precision::F32 as u8);

impl Precision {
    /// Multiplies in this from now on, on every GPU of the program.
    pub fn choose(self) {
        CHOSEN.store(self as u8, Ordering::Relaxed);
    }

    /// Whether a device can.
    pub fn works_on(self, device: &Device) -> bool {
        let gpu = *device != Device::flex();
        match self {
            Precision::F32 => true,
            Precision::F16 => gpu && device.supports_dtype(DType::F16),
            Precision::Bf16 => gpu && device.supports_dtype(DType::BF16),
        }
    }

    fn chosen() -> Self {
        match CHOSEN.load(Ordering::Relaxed) {
            1 => Precision::F16,
            2 => Precision::Bf16,
            _ => Precision::F32,
        }
    }
}

/// One side of a product, in what products are computed in, and what the product has to be multiplied by where that is not one.
pub(crate) struct Factor<B: Backend> {
    pub numbers: FloatTensor<B>,
    scale: Option<FloatTensor<B>>,
}

impl<B: Backend> Factor<B> {
    /// Weights, latents, maps.
    pub fn of(x: FloatTensor<B>) -> Self {
        let numbers = match half::<B>() {
            Some(precision) => B::float_cast(x, precision),
            None => x,
        };
        Factor { numbers, scale: None }
    }

    /// A gradient: those of a mean over a batch are too small for half precision.
    pub fn gradient(x: FloatTensor<B>) -> Self {
        if !needs_scale::<B>(&x) {
            return Self::of(x);
        }
        Self::scaled(x.clone(), greatest::<B>(B::float_abs(x)))
    }

    /// A gradient `[rows, columns]` that a product with `others`, `[.., rows]`, sums up row by row: these sums may be too great for half
    /// precision as well.
    pub fn gradient_of_rows(x: FloatTensor<B>, others: &FloatTensor<B>) -> Self {
        /// A quarter of half precision's greatest number.
        const MOST: f64 = 16_384.0;
        if !needs_scale::<B>(&x) {
            return Self::of(x);
        }
        let sizes = B::float_abs(x.clone());
        let sums = greatest::<B>(B::float_sum_dim(sizes.clone(), 0));
        let factor = B::float_clamp_min(greatest::<B>(B::float_abs(others.clone())), 1.0.into());
        let sums = B::float_mul_scalar(B::float_mul(sums, factor), MOST.recip().into());
        let both = B::float_cat(vec![greatest::<B>(sizes), sums], 0);
        Self::scaled(x, greatest::<B>(both))
    }

    /// In units of `[1]`, if that is not zero.
    fn scaled(x: FloatTensor<B>, unit: FloatTensor<B>) -> Self {
        let unit = B::float_clamp_min(unit, f64::from(f32::MIN_POSITIVE).into());
        let small = B::float_div(x.clone(), like::<B>(unit.clone(), &x));
        Factor { scale: Some(unit), ..Self::of(small) }
    }

    /// The matrix product.
    pub fn times(self, other: Self) -> FloatTensor<B> {
        let product = B::float_matmul(self.numbers, other.numbers);
        single::<B>(product, self.scale.or(other.scale))
    }

    /// What comes of another product of these numbers, such as a convolution.
    pub fn product(self, multiply: impl FnOnce(FloatTensor<B>) -> FloatTensor<B>) -> FloatTensor<B> {
        single::<B>(multiply(self.numbers), self.scale)
    }
}

/// `a b`.
pub(crate) fn matmul<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    Factor::<B>::of(a).times(Factor::of(b))
}

/// Whether a gradient has to be brought to a range, and there is something to bring.
fn needs_scale<B: Backend>(x: &FloatTensor<B>) -> bool {
    half::<B>() == Some(FloatDType::F16) && x.shape().num_elements() > 0
}

/// The precision of products where it is not single.
fn half<B: Backend>() -> Option<FloatDType> {
    match Precision::chosen() {
        _ if TypeId::of::<B>() == TypeId::of::<Flex>() => None,
        Precision::F32 => None,
        Precision::F16 => Some(FloatDType::F16),
        Precision::Bf16 => Some(FloatDType::BF16),
    }
}

fn single<B: Backend>(product: FloatTensor<B>, scale: Option<FloatTensor<B>>) -> FloatTensor<B> {
    if half::<B>().is_none() {
        return product;
    }
    let product = B::float_cast(product, FloatDType::F32);
    match scale {
        Some(scale) => B::float_mul(product.clone(), like::<B>(scale, &product)),
        None => product,
    }
}

/// A number `[1]` with as many axes as another tensor.
fn like<B: Backend>(number: FloatTensor<B>, other: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_reshape(number, Shape::from(vec![1; other.shape().num_dims()]))
}

/// The greatest number, `[1]`, in steps that many threads share.
fn greatest<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let mut left = x.shape().num_elements();
    let mut x = B::float_reshape(x, Shape::new([left]));
    while left > 1 {
        let each = match 1 << left.trailing_zeros().min(10) {
            1 => left,
            each => each,
        };
        left /= each;
        x = B::float_reshape(B::float_max_dim(B::float_reshape(x, Shape::new([left, each])), 1), Shape::new([left]));
    }
    x
}

//! Scaled dot-product attention.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice, Tensor, TensorData};
use burn_flex::FlexTensor;

use crate::kernels::attention::{self, Geometry};
use crate::operation::{Composed, Differentiable, Operation, Operations, Written, call, tensor};
use crate::precision::{Factor, matmul};

/// `softmax(q k^T / sqrt(dim)) v` in every head (Vaswani et al., 2017): queries, keys and values `[batch, tokens, 3 heads dim]` ->
/// `[batch, tokens, heads dim]`. With a `frame`, a token sees only the tokens of its own frame of so many and of those before it. On the CPU the
/// weights of the attention are never written down.
///
/// # Panics
///
/// If the last axis is not three times a multiple of `heads`, or a frame has no tokens.
pub fn attend(qkv: Tensor<3>, heads: usize, frame: Option<usize>) -> Tensor<3> {
    let numbers = qkv.dims()[2];
    assert!(heads > 0 && numbers.is_multiple_of(3 * heads), "{numbers} numbers are not 3 for each of {heads} heads");
    assert!(frame != Some(0), "a frame has tokens");
    call(Attend { heads, frame }, [qkv.into_dispatch()])
}

/// `[1, 1, tokens, tokens]`: minus infinity where a column's frame of `frame` tokens is later than its row's, else zero.
pub fn nothing_later(tokens: usize, frame: usize) -> TensorData {
    let later = |row, column| if column / frame > row / frame { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..tokens * tokens).map(|i| later(i / tokens, i % tokens)).collect();
    TensorData::new(mask, [1, 1, tokens, tokens])
}

/// Queries, keys and values.
#[derive(Clone, Copy, Debug)]
struct Attend {
    heads: usize,
    frame: Option<usize>,
}

impl Attend {
    fn geometry(self, qkv: &Shape) -> Geometry {
        let [batch, tokens, numbers] = qkv.dims();
        Geometry { batch, tokens, heads: self.heads, dim: numbers / (3 * self.heads), frame: self.frame }
    }

    /// Queries over the root of their length, keys, values: `[batch, heads, tokens, dim]`; and the weights of the attention,
    /// `[batch, heads, tokens, tokens]`.
    fn parts<B: Backend>(self, qkv: FloatTensor<B>) -> [FloatTensor<B>; 4] {
        let Geometry { batch, tokens, heads, dim, frame } = self.geometry(&qkv.shape());
        let qkv = B::float_reshape(qkv, Shape::new([batch, tokens, 3, heads, dim]));
        let [q, k, v] = [0, 1, 2].map(|part| {
            let of = B::float_slice(qkv.clone(), &[Slice::full(), Slice::full(), Slice::from(part..part + 1)]);
            swap_heads::<B>(B::float_reshape(of, Shape::new([batch, tokens, heads, dim])))
        });
        let q = B::float_mul_scalar(q, (dim as f64).sqrt().recip().into());
        let mut scores = matmul::<B>(q.clone(), turned::<B>(k.clone()));
        if let Some(frame) = frame.filter(|&frame| frame < tokens) {
            let mask = nothing_later(tokens, frame).convert_dtype(scores.dtype());
            let mask = B::float_from_data(mask, &scores.device());
            scores = B::float_add(scores, mask);
        }
        [q, k, v, B::softmax(scores, 3)]
    }
}

impl Operation<1> for Attend {
    type Derivative = Written;

    fn suits(&self, [qkv]: &[FlexTensor; 1]) -> bool {
        qkv.shape().num_elements() > 0
    }

    fn kernel(self, [qkv]: [FlexTensor; 1]) -> [FlexTensor; 1] {
        let geometry = self.geometry(&qkv.shape());
        let out = attention::forward(geometry, qkv.storage());
        [tensor(out, [geometry.batch, geometry.tokens, self.heads * geometry.dim])]
    }

    fn composed<B: Operations>(self, [qkv]: [FloatTensor<B>; 1]) -> [FloatTensor<B>; 1] {
        let Geometry { batch, tokens, heads, dim, .. } = self.geometry(&qkv.shape());
        let [_, _, v, weights] = self.parts::<B>(qkv);
        let out = swap_heads::<B>(matmul::<B>(weights, v));
        [B::float_reshape(out, Shape::new([batch, tokens, heads * dim]))]
    }
}

impl Differentiable<1> for Attend {
    /// Queries, keys and values.
    type Kept<B: Backend> = FloatTensor<B>;

    fn forward<B: Operations>(self, [qkv]: [FloatTensor<B>; 1], _: [bool; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        let [result] = self.run::<B>([qkv.clone()]);
        (result, qkv)
    }

    fn backward<B: Operations>(
        self,
        qkv: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        AttendGradient(self).run::<B>([qkv, gradient]).map(Some)
    }
}

/// Queries, keys and values, and the gradient of the result -> that of queries, keys and values.
#[derive(Clone, Debug)]
struct AttendGradient(Attend);

impl Operation<2> for AttendGradient {
    type Derivative = Composed;

    fn suits(&self, [qkv, _]: &[FlexTensor; 2]) -> bool {
        qkv.shape().num_elements() > 0
    }

    fn kernel(self, [qkv, gradient]: [FlexTensor; 2]) -> [FlexTensor; 1] {
        let of = attention::backward(self.0.geometry(&qkv.shape()), qkv.storage(), gradient.storage());
        [tensor(of, qkv.shape().dims::<3>())]
    }

    /// As in the kernel.
    fn composed<B: Operations>(self, [qkv, gradient]: [FloatTensor<B>; 2]) -> [FloatTensor<B>; 1] {
        let shape = qkv.shape();
        let Geometry { batch, tokens, heads, dim, .. } = self.0.geometry(&shape);
        let [q, k, v, weights] = self.0.parts::<B>(qkv);
        let gradient = swap_heads::<B>(B::float_reshape(gradient, Shape::new([batch, tokens, heads, dim])));
        let of = Factor::<B>::of;
        let of_v = of(turned::<B>(weights.clone())).times(Factor::gradient(gradient.clone()));
        let slopes = Factor::gradient(gradient).times(of(turned::<B>(v)));
        let slopes = B::float_mul(weights.clone(), slopes);
        let all = B::float_mul(weights, B::float_sum_dim(slopes.clone(), 3));
        let of_scores = B::float_sub(slopes, all);
        let of_q = Factor::gradient(of_scores.clone()).times(of(k));
        let of_q = B::float_mul_scalar(of_q, (dim as f64).sqrt().recip().into());
        let of_k = Factor::gradient(turned::<B>(of_scores)).times(of(q));
        let part = |x| B::float_reshape(swap_heads::<B>(x), Shape::new([batch, tokens, 1, heads, dim]));
        [B::float_reshape(B::float_cat([of_q, of_k, of_v].map(part).to_vec(), 2), shape)]
    }
}

/// `[batch, tokens, heads, dim]` <-> `[batch, heads, tokens, dim]`.
fn swap_heads<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(x, 1, 2)
}

/// The last two axes swapped.
fn turned<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(x, 2, 3)
}

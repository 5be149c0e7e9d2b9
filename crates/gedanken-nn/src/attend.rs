//! Scaled dot-product attention.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Slice, Tensor, TensorData};

use crate::kernels::attention::{self, Geometry};
use crate::kernels::flex::{contiguous, tensor};
use crate::precision::{Factor, matmul};

/// `softmax(q k^T / sqrt(dim)) v` in every head (Vaswani et al., 2017): queries, keys and values `[batch, tokens, 3 heads dim]` ->
/// `[batch, tokens, heads dim]`. Where it is `causal`, a token sees only itself and those before it.
///
/// On the CPU it runs on a kernel of its own, which does not keep the weights of the attention; elsewhere on burn's operations.
///
/// # Panics
///
/// If the last axis is not three times a multiple of `heads`.
pub(crate) fn attend(qkv: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    let numbers = qkv.dims()[2];
    assert!(heads > 0 && numbers.is_multiple_of(3 * heads), "{numbers} numbers are not 3 for each of {heads} heads");
    Tensor::from_dispatch(Dispatch::attend(qkv.into_dispatch(), heads, causal))
}

/// `[1, 1, tokens, tokens]`: minus infinity where a column is later than its row, else zero.
pub(crate) fn nothing_later(tokens: usize) -> TensorData {
    let later = |row, column| if column > row { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..tokens * tokens).map(|i| later(i / tokens, i % tokens)).collect();
    TensorData::new(mask, [1, 1, tokens, tokens])
}

/// The operation of [`attend`] and its gradient.
#[backend_extension(Flex, Cube, Autodiff)]
pub(crate) trait AttentionOps: Backend {
    /// `[batch, tokens, heads dim]`.
    fn attend(qkv: FloatTensor<Self>, heads: usize, causal: bool) -> FloatTensor<Self> {
        composed::forward::<Self>(qkv, heads, causal)
    }

    /// The gradient of queries, keys and values, given that of the result.
    fn attend_gradient(
        qkv: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self> {
        composed::gradient::<Self>(qkv, gradient, heads, causal)
    }
}

impl AttentionOps for Cube {}

impl AttentionOps for Flex {
    fn attend(qkv: FloatTensor<Self>, heads: usize, causal: bool) -> FloatTensor<Self> {
        match contiguous([qkv]) {
            Ok([qkv]) if qkv.shape().num_elements() > 0 => {
                let geometry = geometry(&qkv.shape(), heads, causal);
                let out = attention::forward(geometry, qkv.storage());
                tensor(out, [geometry.batch, geometry.tokens, heads * geometry.dim])
            }
            Ok([qkv]) | Err([qkv]) => composed::forward::<Self>(qkv, heads, causal),
        }
    }

    fn attend_gradient(
        qkv: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self> {
        match contiguous([qkv, gradient]) {
            Ok([qkv, gradient]) if qkv.shape().num_elements() > 0 => {
                let geometry = geometry(&qkv.shape(), heads, causal);
                let of = attention::backward(geometry, qkv.storage(), gradient.storage());
                tensor(of, qkv.shape().dims::<3>())
            }
            Ok([qkv, gradient]) | Err([qkv, gradient]) => composed::gradient::<Self>(qkv, gradient, heads, causal),
        }
    }
}

fn geometry(qkv: &Shape, heads: usize, causal: bool) -> Geometry {
    let [batch, tokens, numbers] = qkv.dims();
    Geometry { batch, tokens, heads, dim: numbers / (3 * heads), causal }
}

impl<B: AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attend(qkv: FloatTensor<Self>, heads: usize, causal: bool) -> FloatTensor<Self> {
        match Step.prepare::<C>([qkv.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let state = (qkv.primitive().clone(), heads, causal);
                step.finish(state, B::attend(qkv.into_primitive(), heads, causal))
            }
            OpsKind::UnTracked(step) => step.finish(B::attend(qkv.into_primitive(), heads, causal)),
        }
    }
}

/// The way back through [`AttentionOps::attend`].
#[derive(Debug)]
struct Step;

impl<B: AttentionOps> Backward<B, 1> for Step {
    /// Queries, keys and values; heads; whether it is causal.
    type State = (FloatTensor<B>, usize, bool);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (qkv, heads, causal) = ops.state;
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::attend_gradient(qkv, gradient, heads, causal));
        }
    }
}

/// The same with burn's own operations, for every backend without kernels.
mod composed {
    use super::*;

    /// Queries over the root of their length, keys, values: `[batch, heads, tokens, dim]`; and the weights of the attention,
    /// `[batch, heads, tokens, tokens]`.
    fn parts<B: Backend>(qkv: FloatTensor<B>, heads: usize, causal: bool) -> [FloatTensor<B>; 4] {
        let Geometry { batch, tokens, dim, .. } = geometry(&qkv.shape(), heads, causal);
        let qkv = B::float_reshape(qkv, Shape::new([batch, tokens, 3, heads, dim]));
        let [q, k, v] = [0, 1, 2].map(|part| {
            let of = B::float_slice(qkv.clone(), &[Slice::full(), Slice::full(), Slice::from(part..part + 1)]);
            B::float_swap_dims(B::float_reshape(of, Shape::new([batch, tokens, heads, dim])), 1, 2)
        });
        let q = B::float_mul_scalar(q, (dim as f64).sqrt().recip().into());
        let mut scores = matmul::<B>(q.clone(), B::float_swap_dims(k.clone(), 2, 3));
        if causal && tokens > 1 {
            let mask = nothing_later(tokens).convert_dtype(scores.dtype());
            let mask = B::float_from_data(mask, &scores.device());
            scores = B::float_add(scores, mask);
        }
        [q, k, v, B::softmax(scores, 3)]
    }

    /// `[batch, heads, tokens, dim]` -> `[batch, tokens, heads, dim]`.
    fn tokens_first<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
        B::float_swap_dims(x, 1, 2)
    }

    pub(super) fn forward<B: Backend>(qkv: FloatTensor<B>, heads: usize, causal: bool) -> FloatTensor<B> {
        let Geometry { batch, tokens, dim, .. } = geometry(&qkv.shape(), heads, causal);
        let [_, _, v, weights] = parts::<B>(qkv, heads, causal);
        B::float_reshape(tokens_first::<B>(matmul::<B>(weights, v)), Shape::new([batch, tokens, heads * dim]))
    }

    /// As in the kernel.
    pub(super) fn gradient<B: Backend>(
        qkv: FloatTensor<B>,
        gradient: FloatTensor<B>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<B> {
        let shape = qkv.shape();
        let Geometry { batch, tokens, dim, .. } = geometry(&shape, heads, causal);
        let [q, k, v, weights] = parts::<B>(qkv, heads, causal);
        let gradient = B::float_reshape(gradient, Shape::new([batch, tokens, heads, dim]));
        let gradient = B::float_swap_dims(gradient, 1, 2);
        let turned = |x: FloatTensor<B>| B::float_swap_dims(x, 2, 3);
        let of = Factor::<B>::of;
        let of_v = of(turned(weights.clone())).times(Factor::gradient(gradient.clone()));
        let slopes = Factor::gradient(gradient).times(of(turned(v)));
        let slopes = B::float_mul(weights.clone(), slopes);
        let all = B::float_mul(weights, B::float_sum_dim(slopes.clone(), 3));
        let of_scores = B::float_sub(slopes, all);
        let of_q = Factor::gradient(of_scores.clone()).times(of(k));
        let of_q = B::float_mul_scalar(of_q, (dim as f64).sqrt().recip().into());
        let of_k = Factor::gradient(turned(of_scores)).times(of(q));
        let part = |x| B::float_reshape(tokens_first::<B>(x), Shape::new([batch, tokens, 1, heads, dim]));
        B::float_reshape(B::float_cat([of_q, of_k, of_v].map(part).to_vec(), 2), shape)
    }
}

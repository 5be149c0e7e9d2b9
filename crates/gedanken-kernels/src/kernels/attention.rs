//! Self-attention of the tokens of many sequences, and its gradient.
//!
//! A task takes whole sequences, head by head: keys and values are put in order once, and some queries at a time go through scores,
//! softmax and values without leaving the cache. The weights of the attention are never written down; on the way back they are
//! computed again.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::exp::exp;
use super::panel::{Panel, correlate, panels, product};
use super::simd::dispatch;
use super::{Images, collect_images};

/// What attends: `batch` sequences of `tokens` tokens, each with a query, a key and a value of `dim` numbers for every head:
/// `[batch, tokens, 3, heads, dim]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub tokens: usize,
    pub heads: usize,
    pub dim: usize,
    /// Tokens of a frame, where a token sees only its own frame and those before it.
    pub frame: Option<usize>,
}

impl Geometry {
    /// Numbers of a token in all heads.
    fn inner(&self) -> usize {
        self.heads * self.dim
    }

    /// From one token's query to the next one's.
    fn stride(&self) -> usize {
        3 * self.inner()
    }

    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    /// Where the query, the key or the value of a head begins.
    fn part(&self, part: usize, head: usize) -> usize {
        (part * self.heads + head) * self.dim
    }
}

/// Queries that go through at a time: their weights stay in the second cache.
const QUERIES: usize = 48;

/// `softmax(q k^T / sqrt(dim)) v` of every head: `[batch, tokens, heads, dim]`.
pub(crate) fn forward(geometry: Geometry, qkv: &[f32]) -> Vec<f32> {
    let length = geometry.tokens * geometry.stride();
    let task = |range: Range<usize>, out: &mut Images| {
        dispatch(geometry.dim, Forward { geometry, qkv: &qkv[range.start * length..range.end * length], out });
    };
    collect_images(geometry.batch, geometry.tokens * geometry.inner(), task).0
}

/// The gradient of queries, keys and values, `[batch, tokens, 3, heads, dim]`, given that of the result.
pub(crate) fn backward(geometry: Geometry, qkv: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (length, inner) = (geometry.tokens * geometry.stride(), geometry.tokens * geometry.inner());
    let task = |range: Range<usize>, out: &mut Images| {
        let qkv = &qkv[range.start * length..range.end * length];
        let gradient = &gradient[range.start * inner..range.end * inner];
        dispatch(geometry.dim, Backward { geometry, qkv, gradient, out });
    };
    collect_images(geometry.batch, length, task).0
}

/// A matrix of tokens' numbers as the right factor of products, filled anew for every head.
struct Factor(Vec<Panel>);

impl Factor {
    /// Room for `depth` rows of `width` numbers, in vectors of so many `lanes`.
    fn new(depth: usize, width: usize, lanes: usize) -> Self {
        let panel = |(from, vectors): (usize, usize)| Panel {
            from,
            width: (width - from).min(vectors * lanes),
            vectors,
            weights: vec![0.0; depth * vectors * lanes],
            bias: vec![0.0; vectors * lanes],
        };
        Self(panels(width, lanes).map(panel).collect())
    }

    /// Rows are tokens, `stride` apart.
    fn fill(&mut self, numbers: &[f32], stride: usize) {
        for panel in &mut self.0 {
            let wide = panel.bias.len();
            for (to, token) in panel.weights.chunks_exact_mut(wide).zip(numbers.chunks(stride)) {
                to[..panel.width].copy_from_slice(&token[panel.from..][..panel.width]);
            }
        }
    }

    /// Columns are tokens, `stride` apart.
    fn fill_turned(&mut self, numbers: &[f32], stride: usize) {
        for panel in &mut self.0 {
            let wide = panel.bias.len();
            let depth = panel.weights.len() / wide;
            let tokens = numbers.chunks(stride).skip(panel.from).take(panel.width);
            for (column, token) in tokens.enumerate() {
                let to = panel.weights[column..].iter_mut().step_by(wide);
                to.zip(&token[..depth]).for_each(|(to, &number)| *to = number);
            }
        }
    }
}

/// Scores `[queries, tokens]`, the first of token `first`, become weights.
#[inline(always)]
fn softmax(g: Geometry, first: usize, scores: &mut [f32]) {
    let scale = g.scale();
    for (row, scores) in scores.chunks_exact_mut(g.tokens).enumerate() {
        let seen = g.frame.map_or(g.tokens, |frame| ((first + row) / frame + 1) * frame).min(g.tokens);
        let (scores, later) = scores.split_at_mut(seen);
        later.fill(0.0);
        let most = over_lanes(scores, f32::NEG_INFINITY, |most, score| if score > most { score } else { most });
        scores.iter_mut().for_each(|score| *score = exp(scale * (*score - most)));
        let inverse = 1.0 / over_lanes(scores, 0.0, |sum, weight| sum + weight);
        scores.iter_mut().for_each(|weight| *weight *= inverse);
    }
}

/// All numbers into one, in an order that vectors can follow.
#[inline(always)]
fn over_lanes(numbers: &[f32], start: f32, take: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; 16];
    let (chunks, rest) = numbers.as_chunks::<16>();
    chunks.iter().for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = take(*lane, x)));
    lanes.iter().chain(rest).fold(start, |all, &x| take(all, x))
}

struct Forward<'a, 'b> {
    geometry: Geometry,
    qkv: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let g = self.geometry;
        let (stride, inner) = (g.stride(), g.inner());
        let factor = |depth, width| Factor::new(depth, width, S::F32_LANES);
        let (mut keys, mut values) = (factor(g.dim, g.tokens), factor(g.tokens, g.dim));
        let mut scores = vec![0.0; QUERIES.min(g.tokens) * g.tokens];
        let mut out = vec![0.0; g.tokens * inner];
        for qkv in self.qkv.chunks_exact(g.tokens * stride) {
            for head in 0..g.heads {
                keys.fill_turned(&qkv[g.part(1, head)..], stride);
                values.fill(&qkv[g.part(2, head)..], stride);
                for first in (0..g.tokens).step_by(QUERIES) {
                    let count = QUERIES.min(g.tokens - first);
                    let scores = &mut scores[..count * g.tokens];
                    let queries = &qkv[first * stride + g.part(0, head)..];
                    product(simd, (queries, stride), &keys.0, (scores, g.tokens), count);
                    softmax(g, first, scores);
                    let out = &mut out[first * inner + head * g.dim..];
                    product(simd, (scores, g.tokens), &values.0, (out, inner), count);
                }
            }
            self.out.push(&out);
        }
    }
}

struct Backward<'a, 'b> {
    geometry: Geometry,
    qkv: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Backward<'_, '_> {
    type Output = ();

    /// With weights `p = softmax(s q k^T)` and `g` the gradient of `p v`: that of `v` is `p^T g`; of the scores
    /// `d = s p (g v^T - r)`, where `r` sums `p g v^T` over each row; of `q`, `d k`; of `k`, `d^T q`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let g = self.geometry;
        let (stride, inner, tokens) = (g.stride(), g.inner(), g.tokens);
        let wide = g.dim.next_multiple_of(S::F32_LANES);
        let factor = |depth, width| Factor::new(depth, width, S::F32_LANES);
        let (mut keys, mut keys_turned) = (factor(tokens, g.dim), factor(g.dim, tokens));
        let mut values_turned = factor(g.dim, tokens);
        let mut weights = vec![0.0; QUERIES.min(tokens) * tokens];
        let mut slopes = weights.clone();
        let [mut queries, mut results, mut of_keys, mut of_values] = [(); 4].map(|()| vec![0.0; tokens * wide]);
        let mut out = vec![0.0; tokens * stride];
        let sequences = self.qkv.chunks_exact(tokens * stride).zip(self.gradient.chunks_exact(tokens * inner));
        for (qkv, gradient) in sequences {
            for head in 0..g.heads {
                keys_turned.fill_turned(&qkv[g.part(1, head)..], stride);
                keys.fill(&qkv[g.part(1, head)..], stride);
                values_turned.fill_turned(&qkv[g.part(2, head)..], stride);
                let gradient = &gradient[head * g.dim..];
                widen(&qkv[g.part(0, head)..], stride, g.dim, wide, &mut queries);
                widen(gradient, inner, g.dim, wide, &mut results);
                of_keys.fill(0.0);
                of_values.fill(0.0);
                for first in (0..tokens).step_by(QUERIES) {
                    let count = QUERIES.min(tokens - first);
                    let (weights, slopes) = (&mut weights[..count * tokens], &mut slopes[..count * tokens]);
                    let (queries, results) = (&queries[first * wide..], &results[first * wide..]);
                    product(simd, (queries, wide), &keys_turned.0, (weights, tokens), count);
                    softmax(g, first, weights);
                    product(simd, (results, wide), &values_turned.0, (slopes, tokens), count);
                    let scale = g.scale();
                    for (weights, slopes) in weights.chunks_exact(tokens).zip(slopes.chunks_exact_mut(tokens)) {
                        slopes.iter_mut().zip(weights).for_each(|(slope, weight)| *slope *= weight);
                        let all = over_lanes(slopes, 0.0, |sum, slope| sum + slope);
                        let rest = |(slope, weight): (&mut f32, &f32)| *slope = scale * (*slope - weight * all);
                        slopes.iter_mut().zip(weights).for_each(rest);
                    }
                    let of_queries = &mut out[first * stride + g.part(0, head)..];
                    product(simd, (slopes, tokens), &keys.0, (of_queries, stride), count);
                    for (from, vectors) in panels(wide, S::F32_LANES) {
                        let add = |weights: &[f32], rows: &[f32], sum: &mut [f32]| {
                            let (weights, rows, sum) =
                                ((weights, tokens), (&rows[from..], wide), (&mut sum[from..], wide));
                            correlate(simd, vectors, weights, rows, count, sum, [tokens, vectors * S::F32_LANES]);
                        };
                        add(slopes, queries, &mut of_keys);
                        add(weights, results, &mut of_values);
                    }
                }
                for (part, rows) in [(1, &of_keys), (2, &of_values)] {
                    let to = out[g.part(part, head)..].chunks_mut(stride);
                    to.zip(rows.chunks_exact(wide)).for_each(|(to, row)| to[..g.dim].copy_from_slice(&row[..g.dim]));
                }
            }
            self.out.push(&out);
        }
    }
}

/// Rows of `dim` numbers, `stride` apart, in whole vectors: `[tokens, wide]`.
#[inline(always)]
fn widen(numbers: &[f32], stride: usize, dim: usize, wide: usize, rows: &mut [f32]) {
    for (to, row) in rows.chunks_exact_mut(wide).zip(numbers.chunks(stride)) {
        to[..dim].copy_from_slice(&row[..dim]);
    }
}

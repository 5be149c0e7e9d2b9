//! Rows times a matrix, plus a bias; and the gradients of the rows, of the matrix and of the bias.
//!
//! A task takes some rows at a time through all of the matrix, whose panels were put in order before. The gradient of the
//! matrix is shared by its own rows instead, each of which one task sums over all rows of the batch: nothing has to be added up.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::panel::{Panel, panels, product};
use super::simd::{dispatch, lanes};
use super::tile::{add_outers, for_pieces, load, store};
use super::{Images, add, collect_blocks};

/// Rows that go through the matrix at a time: they, and what becomes of them, stay in the second cache.
const ROWS: usize = 48;

/// Multiply-adds that are worth a task.
const WORK: usize = 1 << 19;

/// A matrix `[depth, output]` and a bias `[output]` in the order in which they are used.
#[derive(Debug)]
pub(crate) struct Packed {
    depth: usize,
    output: usize,
    panels: Vec<Panel>,
}

impl Packed {
    /// Of weights `[depth, output]`.
    pub fn new([depth, output]: [usize; 2], weights: &[f32], bias: &[f32]) -> Self {
        Self { depth, output, panels: Panel::all(output, weights, bias) }
    }

    /// `x W + b`: `[rows, depth]` -> `[rows, output]`.
    pub fn multiply(&self, rows: usize, x: &[f32]) -> Vec<f32> {
        let Self { depth, output, .. } = *self;
        let least = (WORK / (depth * output).max(1)).max(1).next_multiple_of(ROWS / 2);
        let task = |range: Range<usize>, out: &mut Images| {
            let x = &x[range.start * depth..range.end * depth];
            dispatch(output, Multiply { packed: self, x, out });
        };
        collect_blocks(rows, least, output, task).0
    }
}

struct Multiply<'a, 'b> {
    packed: &'a Packed,
    x: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Multiply<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Packed { depth, output, ref panels } = *self.packed;
        let mut out = vec![0.0; ROWS.min(self.x.len() / depth) * output];
        for x in self.x.chunks(ROWS * depth) {
            let rows = x.len() / depth;
            product(simd, (x, depth), panels, (&mut out, output), rows);
            self.out.push(&out[..rows * output]);
        }
    }
}

/// Gradient of the rows, `[rows, depth]`, given that of the result, `[rows, output]`.
pub(crate) fn input_gradient(rows: usize, [depth, output]: [usize; 2], gradient: &[f32], weights: &[f32]) -> Vec<f32> {
    let turned = Packed { depth: output, output: depth, panels: Panel::turned([depth, output], weights) };
    turned.multiply(rows, gradient)
}

/// Rows that are summed over before the next columns come: their share of the gradient stays in the first cache.
const SUMMED: usize = 128;

/// Rows of the gradient of the weights that are worth a task.
const LEAST_WEIGHTS: usize = 48;

/// Gradients of the weights `[depth, output]` and of the bias `[output]`.
pub(crate) fn weight_gradient([depth, output]: [usize; 2], x: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let lanes = lanes(output);
    let columns: Vec<(usize, usize)> = panels(output, lanes).collect();
    let columns: Vec<Columns> = columns
        .par_iter()
        .with_min_len((1 << 14) / (gradient.len() / columns.len()).max(1))
        .map(|&(from, vectors)| Columns::new((gradient, output), from, vectors, lanes))
        .collect();
    let mut weights = vec![0.0; depth * output];
    // However many tasks there are, an element's sum runs over the rows in their order.
    let share = depth.div_ceil(4 * rayon::current_num_threads()).max(LEAST_WEIGHTS);
    weights.par_chunks_mut(share * output).enumerate().for_each(|(index, sum)| {
        let x = &x[index * share..];
        dispatch(output, WeightGradient { depth, output, x, columns: &columns, sum });
    });
    (weights, columns.iter().flat_map(|columns| &columns.sums).copied().collect())
}

/// Some columns of the gradient of the result.
struct Columns {
    from: usize,
    vectors: usize,
    /// `[rows, vectors * lanes]`
    numbers: Vec<f32>,
    /// What they sum up to.
    sums: Vec<f32>,
}

impl Columns {
    fn new((gradient, output): (&[f32], usize), from: usize, vectors: usize, lanes: usize) -> Self {
        let wide = vectors * lanes;
        let width = (output - from).min(wide);
        let mut numbers = vec![0.0; gradient.len() / output * wide];
        let mut sums = vec![0.0; width];
        for (to, row) in numbers.chunks_exact_mut(wide).zip(gradient.chunks_exact(output)) {
            to[..width].copy_from_slice(&row[from..][..width]);
            add(&mut sums, &row[from..][..width]);
        }
        Self { from, vectors, numbers, sums }
    }
}

/// Some rows of the gradient of the weights, `[share, output]`; `x` begins where they do in its first row.
struct WeightGradient<'a> {
    depth: usize,
    output: usize,
    x: &'a [f32],
    columns: &'a [Columns],
    sum: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { depth, output, x, columns, sum } = self;
        let share = sum.len() / output;
        // Side by side: rows a power of two apart would drive each other out of the cache.
        let mut rows = vec![0.0; SUMMED * share];
        for (chunk, x) in x.chunks(SUMMED * depth).enumerate() {
            let count = x.len().div_ceil(depth);
            for (to, x) in rows.chunks_exact_mut(share).zip(x.chunks(depth)) {
                to.copy_from_slice(&x[..share]);
            }
            let rows = (&rows[..count * share], share);
            for columns in columns {
                match columns.vectors {
                    1 => correlate::<S, 1>(simd, rows, columns, chunk, (sum, output)),
                    _ => correlate::<S, 2>(simd, rows, columns, chunk, (sum, output)),
                }
            }
        }
    }
}

/// What a chunk of rows `[count, share]` adds to some columns of the sum `[share, output]`.
#[inline(always)]
fn correlate<S: Simd, const VECTORS: usize>(
    simd: S,
    (rows, share): (&[f32], usize),
    columns: &Columns,
    chunk: usize,
    (sum, output): (&mut [f32], usize),
) {
    let wide = VECTORS * S::F32_LANES;
    let (count, width) = (rows.len() / share, (output - columns.from).min(wide));
    let numbers = &columns.numbers[chunk * SUMMED * wide..];
    for_pieces!((k in share) correlate_rows::<S, _, VECTORS>(
        simd, (&rows[k..], share), numbers, count, &mut sum[k * output + columns.from..], output, width,
    ));
}

/// Adds to `WEIGHTS` rows of the sum.
#[inline(always)]
fn correlate_rows<S: Simd, const WEIGHTS: usize, const VECTORS: usize>(
    simd: S,
    x: (&[f32], usize),
    columns: &[f32],
    rows: usize,
    sum: &mut [f32],
    stride: usize,
    width: usize,
) {
    let mut tile = load::<S, WEIGHTS, VECTORS>(simd, sum, stride, width);
    add_outers(simd, x, (columns, VECTORS * S::F32_LANES), rows, &mut tile);
    store(simd, &tile, sum, stride, width);
}

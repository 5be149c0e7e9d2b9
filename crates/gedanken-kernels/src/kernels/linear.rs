//! Rows times a matrix, plus a bias; and the gradients of the rows, of the matrix and of the bias.
//!
//! A task takes some rows at a time through all of the matrix, whose panels were put in order before. The gradient of the
//! matrix is shared by its own rows instead, each of which one task sums over all rows of the batch: nothing has to be added up.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::panel::{Panel, correlate, panels, product};
use super::simd::{dispatch, lanes};
use super::{Images, TASKS, add, collect_blocks};

/// Rows that go through the matrix at a time: they, and what becomes of them, stay in the second cache.
const ROWS: usize = 48;

/// Multiply-adds that are worth a task.
const WORK: usize = 1 << 19;

/// Rows that are worth reading all of a matrix for.
const FEW: usize = 32;

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
        // Equal shares, however many rows are worth a task.
        let tasks = (rows * depth * output / WORK).min(rows / FEW).clamp(1, TASKS);
        let least = rows.div_ceil(tasks);
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
        let rows = self.x.len() / depth;
        let each = rows.div_ceil(rows.div_ceil(ROWS).max(1));
        let mut out = vec![0.0; each * output];
        for x in self.x.chunks(each * depth) {
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
const LEAST_WEIGHTS: usize = 16;

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
    let shares = (depth / LEAST_WEIGHTS).clamp(1, 4 * rayon::current_num_threads());
    let share = depth.div_ceil(shares);
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
            for &Columns { from, vectors, ref numbers, .. } in columns {
                let wide = vectors * S::F32_LANES;
                let (numbers, sum) = ((&numbers[chunk * SUMMED * wide..], wide), (&mut sum[from..], output));
                correlate(simd, vectors, (&rows, share), numbers, count, sum, [share, wide.min(output - from)]);
            }
        }
    }
}

//! Products of matrices whose right factor is cut into panels of as many columns as a tile has.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::simd::{With, lanes};
use super::tile::{add_dots, add_outers, for_pieces, load, store};

/// Rows of a panel that are summed over at a time, for all rows of the other factor: they stay in the first cache meanwhile.
const DEPTH: usize = 256;

/// Weights and bias of the output channels `from..from + width`, in rows of `vectors` vectors.
#[derive(Debug)]
pub(super) struct Panel {
    pub from: usize,
    pub width: usize,
    pub vectors: usize,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// Numbers of a matrix that are worth threads to put in order.
const MANY: usize = 1 << 16;

/// Numbers of a row of a turned matrix that are read at a time: what they become stays in the first cache meanwhile.
const BLOCK: usize = 32;

impl Panel {
    /// The panels of weights `[rows, output]` and a bias `[output]`.
    pub fn all(output: usize, weights: &[f32], bias: &[f32]) -> Vec<Self> {
        Self::of(output, weights.len(), |from, width, wide| {
            let mut packed = Vec::with_capacity(weights.len() / output * wide);
            for row in weights.chunks_exact(output) {
                packed.extend_from_slice(&row[from..][..width]);
                packed.resize(packed.len() + wide - width, 0.0);
            }
            let mut start = vec![0.0; wide];
            start[..width].copy_from_slice(&bias[from..][..width]);
            (packed, start)
        })
    }

    /// The panels of weights `[columns, rows]` turned to `[rows, columns]`, without a bias.
    pub fn turned([columns, rows]: [usize; 2], weights: &[f32]) -> Vec<Self> {
        Self::of(columns, weights.len(), |from, width, wide| {
            let mut packed = vec![0.0; rows * wide];
            for (block, packed) in packed.chunks_mut(BLOCK * wide).enumerate() {
                for (column, weights) in weights[from * rows..].chunks_exact(rows).take(width).enumerate() {
                    let weights = &weights[block * BLOCK..];
                    packed[column..].iter_mut().step_by(wide).zip(weights).for_each(|(to, &weight)| *to = weight);
                }
            }
            (packed, vec![0.0; wide])
        })
    }

    /// Panels of `output` columns of a matrix of so many numbers, each from its first column, its columns, and the numbers of a
    /// row of it.
    fn of(
        output: usize,
        numbers: usize,
        fill: impl Fn(usize, usize, usize) -> (Vec<f32>, Vec<f32>) + Sync,
    ) -> Vec<Self> {
        let lanes = lanes(output);
        let panel = |(from, vectors): (usize, usize)| {
            let width = (output - from).min(vectors * lanes);
            let (weights, bias) = fill(from, width, vectors * lanes);
            Self { from, width, vectors, weights, bias }
        };
        let columns: Vec<(usize, usize)> = panels(output, lanes).collect();
        let least = if numbers < MANY { columns.len().max(1) } else { 1 };
        columns.into_par_iter().with_min_len(least).map(panel).collect()
    }
}

/// Cuts channels into panels of two vectors, and one for what is left: (first channel, vectors).
pub(super) fn panels(channels: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(2 * lanes).map(move |from| (from, if channels - from > lanes { 2 } else { 1 }))
}

/// `ROWS` rows of a product: `out = bias + a * panel` or `out += a * panel`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn multiply_rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    a: &[f32],
    a_stride: usize,
    panel: &[S::f32s],
    bias: Option<&[S::f32s]>,
    out: &mut [f32],
    stride: usize,
    width: usize,
) {
    let mut tile = match bias {
        None => load::<S, ROWS, VECTORS>(simd, out, stride, width),
        Some(bias) => {
            let mut tile = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
            tile.iter_mut().for_each(|registers| registers.copy_from_slice(bias));
            tile
        }
    };
    add_dots(simd, a, a_stride, panel, &mut tile);
    store(simd, &tile, out, stride, width);
}

/// A product: `count` rows, which begin `stride` apart, times all panels, into as many rows that begin `stride` apart there.
pub(super) fn product<S: Simd>(
    simd: S,
    rows: (&[f32], usize),
    panels: &[Panel],
    out: (&mut [f32], usize),
    count: usize,
) {
    Product { rows, panels, out, count }.with(simd);
}

struct Product<'a> {
    rows: (&'a [f32], usize),
    panels: &'a [Panel],
    out: (&'a mut [f32], usize),
    count: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, panels, out: (out, stride), count } = self;
        for panel in panels {
            match panel.vectors {
                1 => multiply::<S, 1>(simd, rows, panel, (&mut *out, stride), count),
                _ => multiply::<S, 2>(simd, rows, panel, (&mut *out, stride), count),
            }
        }
    }
}

/// The columns of one panel of a product.
#[inline(always)]
fn multiply<S: Simd, const VECTORS: usize>(
    simd: S,
    (rows, apart): (&[f32], usize),
    panel: &Panel,
    (out, stride): (&mut [f32], usize),
    count: usize,
) {
    let ((weights, _), (bias, _)) = (S::as_simd_f32s(&panel.weights), S::as_simd_f32s(&panel.bias));
    for (block, weights) in weights.chunks(DEPTH * VECTORS).enumerate() {
        let bias = (block == 0).then_some(bias);
        for_pieces!((row in count) multiply_rows::<S, _, VECTORS>(
            simd, &rows[row * apart + block * DEPTH..], apart, weights, bias,
            &mut out[row * stride + panel.from..], stride, panel.width,
        ));
    }
}

/// What `count` rows of `a` and as many of `b` add to `sum`: `sum += a^T b`. Rows begin so many numbers apart; `sum` has `rows` of
/// them, of `width` numbers, and `b` whole vectors, `vectors` of them.
pub(super) fn correlate<S: Simd>(
    simd: S,
    vectors: usize,
    a: (&[f32], usize),
    b: (&[f32], usize),
    count: usize,
    sum: (&mut [f32], usize),
    size: [usize; 2],
) {
    Correlate { vectors, a, b, count, sum, size }.with(simd);
}

struct Correlate<'a> {
    vectors: usize,
    a: (&'a [f32], usize),
    b: (&'a [f32], usize),
    count: usize,
    sum: (&'a mut [f32], usize),
    size: [usize; 2],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { vectors, a, b, count, sum, size } = self;
        match vectors {
            1 => correlate_vectors::<S, 1>(simd, a, b, count, sum, size),
            _ => correlate_vectors::<S, 2>(simd, a, b, count, sum, size),
        }
    }
}

#[inline(always)]
fn correlate_vectors<S: Simd, const VECTORS: usize>(
    simd: S,
    (a, apart): (&[f32], usize),
    b: (&[f32], usize),
    count: usize,
    (sum, stride): (&mut [f32], usize),
    [rows, width]: [usize; 2],
) {
    for_pieces!((row in rows) correlate_rows::<S, _, VECTORS>(
        simd, (&a[row..], apart), b, count, (&mut sum[row * stride..], stride), width,
    ));
}

/// `ROWS` rows of the sum.
#[inline(always)]
fn correlate_rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    a: (&[f32], usize),
    b: (&[f32], usize),
    count: usize,
    (sum, stride): (&mut [f32], usize),
    width: usize,
) {
    let mut tile = load::<S, ROWS, VECTORS>(simd, sum, stride, width);
    add_outers(simd, a, b, count, &mut tile);
    store(simd, &tile, sum, stride, width);
}

//! The right factor of a product, cut into panels of as many columns as a tile has.

use pulp::Simd;

use super::simd::lanes;
use super::tile::{add_dots, load, store};

/// Weights and bias of the output channels `from..from + width`, in rows of `vectors` vectors.
pub(super) struct Panel {
    pub from: usize,
    pub width: usize,
    pub vectors: usize,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Panel {
    /// The panels of weights `[rows, output]` and a bias `[output]`.
    pub fn all(output: usize, weights: &[f32], bias: &[f32]) -> Vec<Self> {
        let lanes = lanes(output);
        let panel = |(from, vectors): (usize, usize)| {
            let width = (output - from).min(vectors * lanes);
            let mut rows = vec![0.0; weights.len() / output.max(1) * vectors * lanes];
            for (to, row) in rows.chunks_exact_mut(vectors * lanes).zip(weights.chunks_exact(output)) {
                to[..width].copy_from_slice(&row[from..][..width]);
            }
            let mut start = vec![0.0; vectors * lanes];
            start[..width].copy_from_slice(&bias[from..][..width]);
            Self { from, width, vectors, weights: rows, bias: start }
        };
        panels(output, lanes).map(panel).collect()
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

//! Squares of an image, side by side, each times a matrix; and the gradient of the matrix.
//!
//! The squares of one image are gathered into rows that fit into the cache, and multiplied there: the rows of a whole batch are
//! never written.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::panel::{Panel, multiply_rows, panels};
use super::simd::dispatch;
use super::tile::{add_outers, for_pieces, load, store};
use super::{Images, add, collect_images, for_images};

/// What is embedded: `batch` images `[channels, height, width]`, in squares of `side * side` pixels, into `output` numbers each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub side: usize,
    pub output: usize,
}

impl Geometry {
    fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Squares of an image.
    fn squares(&self) -> usize {
        (self.height / self.side) * (self.width / self.side)
    }

    /// Numbers of a square.
    pub fn depth(&self) -> usize {
        self.channels * self.side * self.side
    }

    fn output_len(&self) -> usize {
        self.squares() * self.output
    }

    /// The squares of an image as rows `[squares, channels * side * side]`.
    #[inline(always)]
    fn gather(&self, image: &[f32], rows: &mut [f32]) {
        let Self { height, width, side, .. } = *self;
        let columns = width / side;
        for (index, line) in image.chunks_exact(width).enumerate() {
            let (channel, y) = (index / height, index % height);
            let first = y / side * columns;
            let within = (channel * side + y % side) * side;
            for (column, from) in line.chunks_exact(side).enumerate() {
                rows[(first + column) * self.depth() + within..][..side].copy_from_slice(from);
            }
        }
    }
}

/// Images `[batch, channels, height, width]`, weights `[channels * side * side, output]`, bias `[output]` ->
/// `[batch, squares, output]`.
pub(crate) fn forward(geometry: Geometry, images: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let panels = Panel::all(geometry.output, weights, bias);
    let length = geometry.image_len();
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        dispatch(geometry.output, Forward { geometry, images, panels: &panels, out });
    };
    collect_images(geometry.batch, geometry.output_len(), task).0
}

/// Gradients of the weights `[channels * side * side, output]` and of the bias `[output]`.
pub(crate) fn weight_gradient(geometry: Geometry, images: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (length, out_length) = (geometry.image_len(), geometry.output_len());
    let batch = if length * out_length == 0 { 0 } else { geometry.batch };
    let parts = for_images(batch, |range| {
        let images = &images[range.start * length..range.end * length];
        let gradient = &gradient[range.start * out_length..range.end * out_length];
        dispatch(geometry.output, WeightGradient { geometry, images, gradient })
    });
    let (mut weights, mut bias) = (vec![0.0; geometry.depth() * geometry.output], vec![0.0; geometry.output]);
    for part in parts {
        for (to, row) in weights.chunks_exact_mut(geometry.output).zip(part.weights.chunks_exact(part.stride)) {
            add(to, row);
        }
        add(&mut bias, &part.bias);
    }
    (weights, bias)
}

struct Forward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    panels: &'a [Panel],
    out: &'a mut Images<'b>,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let g = self.geometry;
        let (mut rows, mut out) = (vec![0.0; g.squares() * g.depth()], vec![0.0; g.output_len()]);
        for image in self.images.chunks_exact(g.image_len()) {
            g.gather(image, &mut rows);
            for panel in self.panels {
                match panel.vectors {
                    1 => multiply::<S, 1>(simd, g, &rows, panel, &mut out),
                    _ => multiply::<S, 2>(simd, g, &rows, panel, &mut out),
                }
            }
            self.out.push(&out);
        }
    }
}

/// One image, one panel of the output.
#[inline(always)]
fn multiply<S: Simd, const VECTORS: usize>(simd: S, g: Geometry, rows: &[f32], panel: &Panel, out: &mut [f32]) {
    let ((weights, _), (bias, _)) = (S::as_simd_f32s(&panel.weights), S::as_simd_f32s(&panel.bias));
    for_pieces!((row in g.squares()) multiply_rows::<S, _, VECTORS>(
        simd, &rows[row * g.depth()..], g.depth(), weights, Some(bias),
        &mut out[row * g.output + panel.from..], g.output, panel.width,
    ));
}

struct WeightGradient<'a> {
    geometry: Geometry,
    images: &'a [f32],
    gradient: &'a [f32],
}

/// The rows of `weights` are `stride` apart, a whole number of vectors.
struct Part {
    stride: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl WithSimd for WeightGradient<'_> {
    type Output = Part;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Part {
        let g = self.geometry;
        let stride = g.output.next_multiple_of(S::F32_LANES);
        let mut part = Part { stride, weights: vec![0.0; g.depth() * stride], bias: vec![0.0; g.output] };
        let (mut rows, mut widened) = (vec![0.0; g.squares() * g.depth()], vec![0.0; g.squares() * stride]);
        let gradients = self.gradient.chunks_exact(g.output_len());
        for (image, gradient) in self.images.chunks_exact(g.image_len()).zip(gradients) {
            g.gather(image, &mut rows);
            for (to, square) in widened.chunks_exact_mut(stride).zip(gradient.chunks_exact(g.output)) {
                add(&mut part.bias, square);
                to[..g.output].copy_from_slice(square);
            }
            for (from, vectors) in panels(g.output, S::F32_LANES) {
                match vectors {
                    1 => correlate::<S, 1>(simd, g, &rows, &widened, from, &mut part),
                    _ => correlate::<S, 2>(simd, g, &rows, &widened, from, &mut part),
                }
            }
        }
        part
    }
}

/// One image, one panel of the output.
#[inline(always)]
fn correlate<S: Simd, const VECTORS: usize>(
    simd: S,
    g: Geometry,
    rows: &[f32],
    gradient: &[f32],
    from: usize,
    part: &mut Part,
) {
    let stride = part.stride;
    for_pieces!((k in g.depth()) correlate_rows::<S, _, VECTORS>(
        simd, (&rows[k..], g.depth()), (&gradient[from..], stride), g.squares(),
        &mut part.weights[k * stride + from..], stride,
    ));
}

/// The gradient of `WEIGHTS` consecutive rows of the weights, over all squares.
#[inline(always)]
fn correlate_rows<S: Simd, const WEIGHTS: usize, const VECTORS: usize>(
    simd: S,
    rows: (&[f32], usize),
    gradient: (&[f32], usize),
    squares: usize,
    sum: &mut [f32],
    stride: usize,
) {
    let width = VECTORS * S::F32_LANES;
    let mut tile = load::<S, WEIGHTS, VECTORS>(simd, sum, stride, width);
    add_outers(simd, rows, gradient, squares, &mut tile);
    store(simd, &tile, sum, stride, width);
}

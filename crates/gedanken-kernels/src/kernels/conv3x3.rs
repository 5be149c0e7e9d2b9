//! A 3x3 convolution of channels-last images, stride 1, zeros around, and its gradients.
//!
//! Nothing is copied or unrolled into a matrix first. The three pixels that one row of the kernel sees are consecutive numbers, and
//! those of the next pixel begin one pixel later. So each row of the kernel is a matrix product whose left factor is the image
//! itself, with rows that overlap. At the left and right edge, where the kernel sees two pixels, the product's rows are those of
//! a column. Of the zeros around an image none is ever read.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::panel::{Panel, multiply_rows, panels};
use super::part::Part;
use super::simd::dispatch;
use super::tile::{add_dots, add_outers, for_pieces, load, store};
use super::{Images, collect_images, for_images};

/// What is convolved: `batch` images of `height * width` pixels, from `input` to `output` channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub input: usize,
    pub output: usize,
}

impl Geometry {
    fn input_len(&self) -> usize {
        self.height * self.width * self.input
    }

    fn output_len(&self) -> usize {
        self.height * self.width * self.output
    }

    /// The rows of the result for which row `kernel_row` of the kernel lies within the image: all but the first or last.
    fn rows(&self, kernel_row: usize) -> Range<usize> {
        within(self.height, kernel_row)
    }
}

/// Those of `pixels` for which a kernel's row or column `tap` lies within.
fn within(pixels: usize, tap: usize) -> Range<usize> {
    1usize.saturating_sub(tap)..pixels.min(pixels + 1 - tap)
}

/// The convolution: images `[batch, height, width, input]`, weights `[3 * 3 * input, output]`, bias `[output]`
/// -> `[batch, height, width, output]`; with `relu`, negative results become zero.
pub(crate) fn forward(geometry: Geometry, images: &[f32], weights: &[f32], bias: &[f32], relu: bool) -> Vec<f32> {
    let panels = Panel::all(geometry.output, weights, bias);
    let (length, out_length) = (geometry.input_len(), geometry.output_len());
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        dispatch(geometry.output, Forward { geometry, images, panels: &panels, relu, out });
    };
    collect_images(geometry.batch, out_length, task).0
}

/// Gradient of the images `[batch, height, width, input]` from that of the result `[batch, height, width, output]`: a
/// convolution with the kernel turned by half a turn and its channels swapped.
pub(crate) fn input_gradient(geometry: Geometry, gradient: &[f32], weights: &[f32]) -> Vec<f32> {
    let Geometry { input, output, .. } = geometry;
    let mut turned = vec![0.0; weights.len()];
    for tap in 0..9 {
        for i in 0..input {
            for o in 0..output {
                turned[((8 - tap) * output + o) * input + i] = weights[(tap * input + i) * output + o];
            }
        }
    }
    forward(Geometry { input: output, output: input, ..geometry }, gradient, &turned, &vec![0.0; input], false)
}

/// Gradients of the weights `[3 * 3 * input, output]` and of the bias `[output]`.
pub(crate) fn weight_gradient(geometry: Geometry, images: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (length, out_length) = (geometry.input_len(), geometry.output_len());
    let batch = if length * out_length == 0 { 0 } else { geometry.batch };
    let parts = for_images(batch, Part::LEAST_IMAGES, |range| {
        let images = &images[range.start * length..range.end * length];
        let gradient = &gradient[range.start * out_length..range.end * out_length];
        dispatch(geometry.output, WeightGradient { geometry, images, gradient })
    });
    Part::sum(parts, 9 * geometry.input, geometry.output)
}

/// Convolves one task's images.
struct Forward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    panels: &'a [Panel],
    relu: bool,
    out: &'a mut Images<'b>,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let geometry = self.geometry;
        let mut out = vec![0.0; geometry.output_len()];
        for image in self.images.chunks_exact(geometry.input_len()) {
            for panel in self.panels {
                match panel.vectors {
                    1 => convolve::<S, 1>(simd, geometry, image, panel, &mut out),
                    _ => convolve::<S, 2>(simd, geometry, image, panel, &mut out),
                }
            }
            if self.relu {
                // What is not a number stays so: it must be seen.
                out.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
            }
            self.out.push(&out);
        }
    }
}

/// One image, one panel of the output's channels.
#[inline(always)]
fn convolve<S: Simd, const VECTORS: usize>(simd: S, g: Geometry, image: &[f32], panel: &Panel, out: &mut [f32]) {
    let (row, out_row) = (g.width * g.input, g.width * g.output);
    let (weights, _) = S::as_simd_f32s(&panel.weights);
    let (bias, _) = S::as_simd_f32s(&panel.bias);
    let row_weights = 3 * g.input * VECTORS;
    for y in 0..g.height {
        let kernel_rows = 1usize.saturating_sub(y)..3.min(g.height + 1 - y);
        let weights = &weights[kernel_rows.start * row_weights..kernel_rows.end * row_weights];
        let seen = &image[(y + kernel_rows.start - 1) * row..];
        let out = &mut out[y * out_row..][..out_row];
        for_pieces!((x in g.width.saturating_sub(2)) convolve_pixels::<S, _, VECTORS>(
            simd, &seen[x * g.input..], (g.input, row), weights, bias,
            &mut out[(x + 1) * g.output + panel.from..], g.output, panel.width,
        ));
    }
    // At the edges, the kernel's middle row first: it lies within the image everywhere, so it starts the sums.
    for kernel_row in [1, 0, 2] {
        let weights = &weights[kernel_row * row_weights..][..row_weights];
        let bias = (kernel_row == 1).then_some(bias);
        let rows = g.rows(kernel_row);
        for x in (0..g.width).step_by(g.width.saturating_sub(1).max(1)) {
            let taps = usize::from(x == 0)..3 - usize::from(x + 1 == g.width);
            let weights = &weights[taps.start * g.input * VECTORS..taps.end * g.input * VECTORS];
            let (first, from) = (rows.start, (x + taps.start - 1) * g.input);
            for_pieces!((y in rows.len()) multiply_rows::<S, _, VECTORS>(
                simd, &image[(first + y + kernel_row - 1) * row + from..], row, weights, bias,
                &mut out[(first + y) * out_row + x * g.output + panel.from..], out_row, panel.width,
            ));
        }
    }
}

/// `PIXELS` pixels side by side, away from the edges: those rows of the kernel whose weights are given.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn convolve_pixels<S: Simd, const PIXELS: usize, const VECTORS: usize>(
    simd: S,
    seen: &[f32],
    (pixel, row): (usize, usize),
    weights: &[S::f32s],
    bias: &[S::f32s],
    out: &mut [f32],
    stride: usize,
    width: usize,
) {
    let mut tile = [[simd.splat_f32s(0.0); VECTORS]; PIXELS];
    tile.iter_mut().for_each(|registers| registers.copy_from_slice(bias));
    for (kernel_row, weights) in weights.chunks_exact(3 * pixel * VECTORS).enumerate() {
        add_dots(simd, &seen[kernel_row * row..], pixel, weights, &mut tile);
    }
    store(simd, &tile, out, stride, width);
}

/// Sums what one task's images add to the gradients of weights and bias.
struct WeightGradient<'a> {
    geometry: Geometry,
    images: &'a [f32],
    gradient: &'a [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = Part;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Part {
        let g = self.geometry;
        let mut part = Part::new(9 * g.input, g.output, S::F32_LANES);
        let mut room = vec![0.0; g.height * g.width * part.stride];
        for (image, gradient) in self.images.chunks_exact(g.input_len()).zip(self.gradient.chunks_exact(g.output_len()))
        {
            let gradient = part.widen(gradient, &mut room);
            for (from, vectors) in panels(g.output, S::F32_LANES) {
                match vectors {
                    1 => correlate::<S, 1>(simd, g, image, gradient, from, &mut part),
                    _ => correlate::<S, 2>(simd, g, image, gradient, from, &mut part),
                }
            }
        }
        part
    }
}

/// Pixels of a strip: what the inner loop of the weights' gradient sums over before it turns to other weights. With 32
/// channels, strips of image and gradient fit into the first cache.
const STRIP: usize = 96;

/// One image, one panel of the output's channels.
#[inline(always)]
fn correlate<S: Simd, const VECTORS: usize>(
    simd: S,
    g: Geometry,
    image: &[f32],
    gradient: &[f32],
    from: usize,
    part: &mut Part,
) {
    let strip = (STRIP / g.width).max(1);
    for top in (0..g.height).step_by(strip) {
        for tap in 0..9 {
            let rows = g.rows(tap / 3);
            let rows = rows.start.max(top)..rows.end.min(top + strip);
            for_pieces!((k in g.input) correlate_weights::<S, _, VECTORS>(
                simd, g, &image[k..], tap, rows.clone(), &gradient[from..],
                &mut part.weights[(tap * g.input + k) * part.stride + from..], part.stride,
            ));
        }
    }
}

/// The gradient of a kernel's pixel `tap`, of `WEIGHTS` consecutive channels, summed over some rows of the result.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn correlate_weights<S: Simd, const WEIGHTS: usize, const VECTORS: usize>(
    simd: S,
    g: Geometry,
    image: &[f32],
    tap: usize,
    rows: Range<usize>,
    gradient: &[f32],
    sum: &mut [f32],
    stride: usize,
) {
    let columns = within(g.width, tap % 3);
    let mut tile = load::<S, WEIGHTS, VECTORS>(simd, sum, stride, VECTORS * S::F32_LANES);
    for y in rows.filter(|_| !columns.is_empty()) {
        let seen = (y + tap / 3 - 1) * g.width + columns.start + tap % 3 - 1;
        let a = (&image[seen * g.input..], g.input);
        let b = (&gradient[(y * g.width + columns.start) * stride..], stride);
        add_outers(simd, a, b, columns.len(), &mut tile);
    }
    store(simd, &tile, sum, stride, VECTORS * S::F32_LANES);
}

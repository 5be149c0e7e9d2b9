//! The greatest of 3 x 3 pixels around every second one of channels-last images, or of 2 x 2 side by side; and the way back.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::simd::dispatch;
use super::tile::{load, store};
use super::{Images, collect_images};

/// What is pooled: `batch` images of `height * width` pixels of `channels` numbers, by squares of `side` pixels: 3, which overlap and
/// reach beyond the edges, or 2, which leave an odd last row or column out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub side: usize,
}

impl Geometry {
    /// Rows and columns of the result.
    pub fn pooled(&self) -> [usize; 2] {
        [self.height, self.width].map(|pixels| (pixels + self.side - 2) / 2)
    }

    fn length(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn pooled_length(&self) -> usize {
        let [rows, columns] = self.pooled();
        rows * columns * self.channels
    }

    /// Where the pixels that the result at a row and column is the greatest of begin, row by row: as many as it says.
    #[inline(always)]
    fn taps(&self, row: usize, column: usize, taps: &mut [usize; 9]) -> usize {
        let Self { height, width, channels, side, .. } = *self;
        let mut count = 0;
        for y in (2 * row + 2).saturating_sub(side)..(2 * row + 2).min(height) {
            for x in (2 * column + 2).saturating_sub(side)..(2 * column + 2).min(width) {
                taps[count] = (y * width + x) * channels;
                count += 1;
            }
        }
        count
    }
}

/// Images `[batch, height, width, channels]` -> `[batch, rows, columns, channels]`.
pub(crate) fn forward(geometry: Geometry, images: &[f32]) -> Vec<f32> {
    let length = geometry.length();
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        dispatch(geometry.channels, Forward { geometry, images, out });
    };
    collect_images(geometry.batch, geometry.pooled_length(), task).0
}

/// The gradient of the images from that of the result: it goes to the first of the greatest, and nowhere where that is not a number.
pub(crate) fn backward(geometry: Geometry, images: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (length, pooled) = (geometry.length(), geometry.pooled_length());
    if pooled == 0 {
        return vec![0.0; geometry.batch * length];
    }
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        let gradient = &gradient[range.start * pooled..range.end * pooled];
        dispatch(geometry.channels, Backward { geometry, images, gradient, out });
    };
    collect_images(geometry.batch, length, task).0
}

struct Forward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let g = self.geometry;
        let ([rows, columns], mut pooled, mut taps) = (g.pooled(), vec![0.0; g.pooled_length()], [0; 9]);
        for image in self.images.chunks_exact(g.length()) {
            for row in 0..rows {
                for column in 0..columns {
                    let count = g.taps(row, column, &mut taps);
                    let to = &mut pooled[(row * columns + column) * g.channels..][..g.channels];
                    for from in (0..g.channels).step_by(S::F32_LANES) {
                        let width = S::F32_LANES.min(g.channels - from);
                        let best = greatest(simd, &image[from..], &taps[..count], width);
                        store(simd, &[[best]], &mut to[from..], width, width);
                    }
                }
            }
            self.out.push(&pooled);
        }
    }
}

/// The greatest of some channels, at most a vector, of the pixels at some taps. What is not a number is greater than any, as in PyTorch.
#[inline(always)]
fn greatest<S: Simd>(simd: S, image: &[f32], taps: &[usize], width: usize) -> S::f32s {
    let mut best = simd.splat_f32s(f32::NEG_INFINITY);
    for &tap in taps {
        let [[pixel]] = load::<S, 1, 1>(simd, &image[tap..], width, width);
        let greater = simd.select_f32s(simd.less_than_or_equal_f32s(pixel, best), best, pixel);
        best = simd.select_f32s(simd.equal_f32s(best, best), greater, best);
    }
    best
}

struct Backward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Backward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (g, none) = (self.geometry, simd.splat_f32s(0.0));
        let ([rows, columns], mut of_image, mut taps) = (g.pooled(), vec![0.0; g.length()], [0; 9]);
        let gradients = self.gradient.chunks_exact(g.pooled_length());
        for (image, gradient) in self.images.chunks_exact(g.length()).zip(gradients) {
            of_image.fill(0.0);
            for row in 0..rows {
                for column in 0..columns {
                    let count = g.taps(row, column, &mut taps);
                    let gradient = &gradient[(row * columns + column) * g.channels..][..g.channels];
                    for from in (0..g.channels).step_by(S::F32_LANES) {
                        let width = S::F32_LANES.min(g.channels - from);
                        let best = greatest(simd, &image[from..], &taps[..count], width);
                        // The first of the greatest takes all of it.
                        let [[mut left]] = load::<S, 1, 1>(simd, &gradient[from..], width, width);
                        for &tap in &taps[..count] {
                            let [[pixel]] = load::<S, 1, 1>(simd, &image[tap + from..], width, width);
                            let [[sum]] = load::<S, 1, 1>(simd, &of_image[tap + from..], width, width);
                            let here = simd.equal_f32s(pixel, best);
                            let more = simd.add_f32s(sum, simd.select_f32s(here, left, none));
                            store(simd, &[[more]], &mut of_image[tap + from..], width, width);
                            left = simd.select_f32s(here, none, left);
                        }
                    }
                }
            }
            self.out.push(&of_image);
        }
    }
}

//! The greatest of 3 x 3 pixels around every second one of channels-last images, or of 2 x 2 side by side; and the way back.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::simd::dispatch;
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

    /// Where the pixels that the result at a row and column is the greatest of begin, row by row.
    #[inline(always)]
    fn taps(&self, row: usize, column: usize) -> impl Iterator<Item = usize> + use<> {
        let Self { height, width, channels, side, .. } = *self;
        let around = |middle: usize, end: usize| (middle + 2).saturating_sub(side)..(middle + 2).min(end);
        let columns = around(2 * column, width);
        around(2 * row, height).flat_map(move |y| columns.clone().map(move |x| (y * width + x) * channels))
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

/// The gradient of the images from that of the result: it goes to the first of the greatest.
pub(crate) fn backward(geometry: Geometry, images: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (length, pooled) = (geometry.length(), geometry.pooled_length());
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        let gradient = &gradient[range.start * pooled..range.end * pooled];
        dispatch(geometry.channels, Backward { geometry, images, gradient, out });
    };
    collect_images(geometry.batch, length, task).0
}

/// Whether a number takes the place of the greatest so far; what is not a number does, as in PyTorch.
#[inline(always)]
fn greater(x: f32, best: f32) -> bool {
    x > best || x.is_nan()
}

struct Forward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let g = self.geometry;
        let ([_, columns], mut pooled) = (g.pooled(), vec![0.0; g.pooled_length()]);
        for image in self.images.chunks_exact(g.length()) {
            for (at, best) in pooled.chunks_exact_mut(g.channels).enumerate() {
                for (number, tap) in g.taps(at / columns, at % columns).enumerate() {
                    let pixel = &image[tap..][..g.channels];
                    if number == 0 {
                        best.copy_from_slice(pixel);
                    } else {
                        for (best, &x) in best.iter_mut().zip(pixel) {
                            *best = if greater(x, *best) { x } else { *best };
                        }
                    }
                }
            }
            self.out.push(&pooled);
        }
    }
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
    fn with_simd<S: Simd>(self, _: S) {
        let g = self.geometry;
        let [_, columns] = g.pooled();
        let (mut of_image, mut best, mut which) = (vec![0.0; g.length()], vec![0.0; g.channels], vec![0; g.channels]);
        let gradients = self.gradient.chunks_exact(g.pooled_length());
        for (image, gradient) in self.images.chunks_exact(g.length()).zip(gradients) {
            of_image.fill(0.0);
            for (at, gradient) in gradient.chunks_exact(g.channels).enumerate() {
                for (number, tap) in g.taps(at / columns, at % columns).enumerate() {
                    let pixel = &image[tap..][..g.channels];
                    if number == 0 {
                        best.copy_from_slice(pixel);
                        which.fill(0);
                    } else {
                        for ((best, which), &x) in best.iter_mut().zip(&mut which).zip(pixel) {
                            let wins = greater(x, *best);
                            *best = if wins { x } else { *best };
                            *which = if wins { number as u32 } else { *which };
                        }
                    }
                }
                for (number, tap) in g.taps(at / columns, at % columns).enumerate() {
                    let pixel = &mut of_image[tap..][..g.channels];
                    for ((sum, &which), &gradient) in pixel.iter_mut().zip(&which).zip(gradient) {
                        *sum += if which == number as u32 { gradient } else { 0.0 };
                    }
                }
            }
            self.out.push(&of_image);
        }
    }
}

//! Patches of an image, side by side, each times a matrix; and the gradients of the image and of the matrix.
//!
//! The patches of one image are gathered into rows that fit into the cache, and multiplied there: the rows of a whole batch are
//! never written.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::panel::{Panel, correlate, panels, product};
use super::part::Part;
use super::simd::dispatch;
use super::{Images, collect_images, for_images};

/// What is embedded: `batch` images `[channels, height, width]`, in patches of `tall * wide` numbers of every channel, into `output`
/// numbers each. An image whose channels come last is one of a single channel with wider patches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub tall: usize,
    pub wide: usize,
    pub output: usize,
}

impl Geometry {
    fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        (self.height / self.tall) * (self.width / self.wide)
    }

    /// Numbers of a patch.
    pub fn depth(&self) -> usize {
        self.channels * self.tall * self.wide
    }

    fn output_len(&self) -> usize {
        self.patches() * self.output
    }

    /// Where each piece of a line of an image stands in the rows `[patches, channels * tall * wide]`: a function of line and piece.
    #[inline(always)]
    fn place(&self) -> impl Fn(usize, usize) -> usize {
        let Self { height, tall, wide, .. } = *self;
        let (columns, depth) = (self.width / wide, self.depth());
        move |line, piece| {
            let (channel, y) = (line / height, line % height);
            (y / tall * columns + piece) * depth + (channel * tall + y % tall) * wide
        }
    }

    /// The patches of an image as rows.
    #[inline(always)]
    fn gather(&self, image: &[f32], rows: &mut [f32]) {
        let place = self.place();
        for (index, line) in image.chunks_exact(self.width).enumerate() {
            for (piece, from) in line.chunks_exact(self.wide).enumerate() {
                rows[place(index, piece)..][..self.wide].copy_from_slice(from);
            }
        }
    }

    /// The way back.
    #[inline(always)]
    fn scatter(&self, rows: &[f32], image: &mut [f32]) {
        let place = self.place();
        for (index, line) in image.chunks_exact_mut(self.width).enumerate() {
            for (piece, to) in line.chunks_exact_mut(self.wide).enumerate() {
                to.copy_from_slice(&rows[place(index, piece)..][..self.wide]);
            }
        }
    }
}

/// Images `[batch, channels, height, width]`, weights `[channels * tall * wide, output]`, bias `[output]` ->
/// `[batch, patches, output]`.
pub(crate) fn forward(geometry: Geometry, images: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let panels = Panel::all(geometry.output, weights, bias);
    let length = geometry.image_len();
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        dispatch(geometry.output, Forward { geometry, images, panels: &panels, out });
    };
    collect_images(geometry.batch, geometry.output_len(), task).0
}

/// Gradient of the images, given that of the result: the same product with the matrix turned, its rows put back.
pub(crate) fn image_gradient(geometry: Geometry, gradient: &[f32], weights: &[f32]) -> Vec<f32> {
    let (depth, output) = (geometry.depth(), geometry.output);
    let panels = Panel::turned([depth, output], weights);
    let length = geometry.output_len();
    let task = |range: Range<usize>, out: &mut Images| {
        let gradient = &gradient[range.start * length..range.end * length];
        dispatch(depth, ImageGradient { geometry, gradient, panels: &panels, out });
    };
    collect_images(geometry.batch, geometry.image_len(), task).0
}

/// Gradients of the weights `[channels * tall * wide, output]` and of the bias `[output]`.
pub(crate) fn weight_gradient(geometry: Geometry, images: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (length, out_length) = (geometry.image_len(), geometry.output_len());
    let batch = if length * out_length == 0 { 0 } else { geometry.batch };
    let parts = for_images(batch, Part::LEAST_IMAGES, |range| {
        let images = &images[range.start * length..range.end * length];
        let gradient = &gradient[range.start * out_length..range.end * out_length];
        dispatch(geometry.output, WeightGradient { geometry, images, gradient })
    });
    Part::sum(parts, geometry.depth(), geometry.output)
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
        let (mut rows, mut out) = (vec![0.0; g.patches() * g.depth()], vec![0.0; g.output_len()]);
        for image in self.images.chunks_exact(g.image_len()) {
            g.gather(image, &mut rows);
            product(simd, (&rows, g.depth()), self.panels, (&mut out, g.output), g.patches());
            self.out.push(&out);
        }
    }
}

struct ImageGradient<'a, 'b> {
    geometry: Geometry,
    gradient: &'a [f32],
    panels: &'a [Panel],
    out: &'a mut Images<'b>,
}

impl WithSimd for ImageGradient<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let g = self.geometry;
        let (mut rows, mut image) = (vec![0.0; g.patches() * g.depth()], vec![0.0; g.image_len()]);
        for gradient in self.gradient.chunks_exact(g.output_len()) {
            product(simd, (gradient, g.output), self.panels, (&mut rows, g.depth()), g.patches());
            g.scatter(&rows, &mut image);
            self.out.push(&image);
        }
    }
}

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
        let mut part = Part::new(g.depth(), g.output, S::F32_LANES);
        let (mut rows, mut room) = (vec![0.0; g.patches() * g.depth()], vec![0.0; g.patches() * part.stride]);
        let gradients = self.gradient.chunks_exact(g.output_len());
        for (image, gradient) in self.images.chunks_exact(g.image_len()).zip(gradients) {
            g.gather(image, &mut rows);
            let gradient = part.widen(gradient, &mut room);
            for (from, vectors) in panels(g.output, S::F32_LANES) {
                let (rows, gradient) = ((&rows[..], g.depth()), (&gradient[from..], part.stride));
                let sum = (&mut part.weights[from..], part.stride);
                correlate(simd, vectors, rows, gradient, g.patches(), sum, [g.depth(), vectors * S::F32_LANES]);
            }
        }
        part
    }
}

//! Group normalisation of channels-last images, with or without a rectifier behind it, and its gradients.
//!
//! An image stays in the cache while it is passed over: once for the mean, once for the variance, once for the result. The
//! loops are plain ones over runs of whole pixels, so that few channels fill a vector as well as many.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::simd::dispatch;
use super::{Images, add, collect_images};

/// What is normalised: `batch` images of `pixels` pixels with `channels` channels in `groups` groups of neighbours; with
/// `relu`, negative results become zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub pixels: usize,
    pub channels: usize,
    pub groups: usize,
    pub epsilon: f32,
    pub relu: bool,
}

/// The gradients of the images `[batch, pixels, channels]`, of gamma `[channels]` and of beta `[channels]`.
pub(crate) struct Gradients {
    pub images: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
}

/// Numbers in a run, rounded down to whole pixels.
const RUN: usize = 256;

impl Geometry {
    fn image_len(&self) -> usize {
        self.pixels * self.channels
    }

    /// Channels in a group.
    fn width(&self) -> usize {
        self.channels / self.groups
    }

    /// What a result is raised to.
    fn floor(&self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }

    /// A number for each channel of each pixel of a run.
    fn run(&self) -> Vec<f32> {
        vec![0.0; (RUN / self.channels).max(1) * self.channels]
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance over the pixels and channels of an image's
/// group: images `[batch, pixels, channels]`, gamma and beta `[channels]` -> `[batch, pixels, channels]`.
pub(crate) fn forward(geometry: Geometry, images: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let length = geometry.image_len();
    let task = |range: Range<usize>, out: &mut Images| {
        let images = &images[range.start * length..range.end * length];
        dispatch(RUN, Forward { geometry, images, gamma, beta, out });
    };
    collect_images(geometry.batch, length, task).0
}

/// The gradients from that of the result, `[batch, pixels, channels]`.
pub(crate) fn backward(geometry: Geometry, images: &[f32], gamma: &[f32], beta: &[f32], gradient: &[f32]) -> Gradients {
    let length = geometry.image_len();
    let task = |range: Range<usize>, out: &mut Images| {
        let numbers = range.start * length..range.end * length;
        let (images, gradient) = (&images[numbers.clone()], &gradient[numbers]);
        dispatch(RUN, Backward { geometry, images, gamma, beta, gradient, out })
    };
    let (images, parts) = collect_images(geometry.batch, length, task);
    let zeros = vec![0.0; geometry.channels];
    let mut sums = Gradients { images, gamma: zeros.clone(), beta: zeros };
    for (gamma, beta) in parts {
        add(&mut sums.gamma, &gamma);
        add(&mut sums.beta, &beta);
    }
    sums
}

/// Numbers of each channel, repeated for every pixel of a run: the result is `(x - mean) * scale + beta`.
struct Affine {
    mean: Vec<f32>,
    scale: Vec<f32>,
    beta: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`, for the first pixel only.
    inverse: Vec<f32>,
    sums: Vec<f32>,
}

impl Affine {
    fn new(geometry: Geometry, beta: &[f32]) -> Self {
        let mut run = geometry.run();
        let zeros = run.clone();
        run[..geometry.channels].copy_from_slice(beta);
        repeat(geometry, &mut run);
        Self { mean: zeros.clone(), scale: zeros.clone(), beta: run, inverse: zeros.clone(), sums: zeros }
    }

    /// Takes mean and variance of an image.
    #[inline(always)]
    fn measure(&mut self, geometry: Geometry, image: &[f32], gamma: &[f32]) {
        let count = (geometry.pixels * geometry.width()) as f32;
        self.sums.fill(0.0);
        for run in image.chunks(self.sums.len()) {
            add(&mut self.sums, run);
        }
        over_groups(geometry, &mut self.sums, |_, sum| sum, &mut self.mean);
        self.mean.iter_mut().for_each(|mean| *mean /= count);
        repeat(geometry, &mut self.mean);
        self.sums.fill(0.0);
        for run in image.chunks(self.sums.len()) {
            for ((sum, x), mean) in self.sums.iter_mut().zip(run).zip(&self.mean) {
                let centred = x - mean;
                *sum += centred * centred;
            }
        }
        over_groups(geometry, &mut self.sums, |_, sum| sum, &mut self.inverse);
        for ((inverse, scale), gamma) in self.inverse.iter_mut().zip(&mut self.scale).zip(gamma) {
            *inverse = (*inverse / count + geometry.epsilon).sqrt().recip();
            *scale = *inverse * gamma;
        }
        repeat(geometry, &mut self.scale);
    }
}

/// Adds up a run's pixels into its first, then `value(channel, sum)` over each group: every channel of `out`'s first pixel
/// gets its group's.
#[inline(always)]
fn over_groups(geometry: Geometry, run: &mut [f32], value: impl Fn(usize, f32) -> f32, out: &mut [f32]) {
    let (first, rest) = run.split_at_mut(geometry.channels);
    rest.chunks_exact(geometry.channels).for_each(|pixel| add(first, pixel));
    for from in (0..geometry.channels).step_by(geometry.width()) {
        let group = from..from + geometry.width();
        let sum: f32 = group.clone().map(|channel| value(channel, first[channel])).sum();
        out[group].fill(sum);
    }
}

/// Copies a run's first pixel to the others.
#[inline(always)]
fn repeat(geometry: Geometry, run: &mut [f32]) {
    let (first, rest) = run.split_at_mut(geometry.channels);
    rest.chunks_exact_mut(geometry.channels).for_each(|pixel| pixel.copy_from_slice(first));
}

/// Normalises one task's images.
struct Forward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { geometry, images, gamma, beta, out } = self;
        let floor = geometry.floor();
        let mut affine = Affine::new(geometry, beta);
        let mut result = geometry.run();
        for image in images.chunks_exact(geometry.image_len()) {
            affine.measure(geometry, image, gamma);
            let Affine { mean, scale, beta, .. } = &affine;
            for run in image.chunks(result.len()) {
                for ((((x, y), mean), scale), beta) in run.iter().zip(&mut result).zip(mean).zip(scale).zip(beta) {
                    let value = (x - mean) * scale + beta;
                    *y = if value < floor { floor } else { value };
                }
                out.push(&result[..run.len()]);
            }
        }
    }
}

/// The gradient of one task's images, and its part of the sums that gamma's and beta's are.
struct Backward<'a, 'b> {
    geometry: Geometry,
    images: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for Backward<'_, '_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { geometry, images, gamma, beta, gradient, out } = self;
        let (length, floor) = (geometry.image_len(), geometry.floor());
        let count = (geometry.pixels * geometry.width()) as f32;
        let mut parts = (vec![0.0; geometry.channels], vec![0.0; geometry.channels]);
        let mut affine = Affine::new(geometry, beta);
        let (mut sums, mut moments) = (geometry.run(), geometry.run());
        let (mut slope, mut constant) = (geometry.run(), geometry.run());
        let mut result = geometry.run();
        for (image, gradient) in images.chunks_exact(length).zip(gradient.chunks_exact(length)) {
            affine.measure(geometry, image, gamma);
            let Affine { mean, scale, beta, inverse, .. } = &affine;
            let run = mean.len();
            // Per channel, the sums of the gradient and of the gradient times the centred image.
            sums.fill(0.0);
            moments.fill(0.0);
            for (x, g) in image.chunks(run).zip(gradient.chunks(run)) {
                let sums = sums.iter_mut().zip(&mut moments);
                let affine = mean.iter().zip(scale).zip(beta);
                for (((x, &g), (sum, moment)), ((mean, scale), beta)) in x.iter().zip(g).zip(sums).zip(affine) {
                    let centred = x - mean;
                    let g = if centred * scale + beta <= floor { 0.0 } else { g };
                    *sum += g;
                    *moment += g * centred;
                }
            }
            // dx = scale * g - inverse * mean(gamma * g) - inverse^3 * (x - mean) * mean(gamma * g * (x - mean))
            over_groups(geometry, &mut sums, |channel, sum| gamma[channel] * sum, &mut constant);
            over_groups(geometry, &mut moments, |channel, moment| gamma[channel] * moment, &mut slope);
            for ((constant, slope), inverse) in constant.iter_mut().zip(&mut slope).zip(&inverse[..geometry.channels]) {
                *constant *= -inverse / count;
                *slope *= -inverse * inverse * inverse / count;
            }
            repeat(geometry, &mut constant);
            repeat(geometry, &mut slope);
            for (x, g) in image.chunks(run).zip(gradient.chunks(run)) {
                let affine = mean.iter().zip(scale).zip(beta);
                let coefficients = slope.iter().zip(&constant);
                let numbers = x.iter().zip(g).zip(&mut result);
                for ((((x, &g), result), ((mean, scale), beta)), (slope, constant)) in
                    numbers.zip(affine).zip(coefficients)
                {
                    let centred = x - mean;
                    let g = if centred * scale + beta <= floor { 0.0 } else { g };
                    *result = g * scale + (centred * slope + constant);
                }
                out.push(&result[..x.len()]);
            }
            for ((part, moment), inverse) in parts.0.iter_mut().zip(&moments).zip(inverse) {
                *part += moment * inverse;
            }
            add(&mut parts.1, &sums);
        }
        parts
    }
}

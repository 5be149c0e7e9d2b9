//! Imagined latents drawn by the decoder, beside the pictures that came.

use std::fmt;

use burn::tensor::Tensor;
use gedanken_model::heads::Decoder;
use serde::Serialize;

use crate::LearnedWorld;
use crate::walks::Walks;
use crate::worlds::{host, pixels_of};

/// Likeness of drawn pictures to true ones after every block of actions, the mean over episodes.
#[derive(Clone, Debug, Serialize)]
pub struct Pictures {
    /// Of imagined latents.
    pub imagined: Vec<Likeness>,
    /// Of the latents of the true pictures themselves: what the decoder can do.
    pub encoded: Vec<Likeness>,
}

/// The likeness of pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Likeness {
    /// Peak signal-to-noise ratio, dB.
    pub psnr: f64,
    /// Structural similarity: 1 for the same picture.
    pub ssim: f64,
}

impl Pictures {
    /// Of a model with a decoder: imagined latents `[episodes, horizon, tokens, dim]`, and those of what came.
    pub(crate) fn of(world: &LearnedWorld<'_>, walks: &Walks, imagined: &Tensor<4>, came: &Tensor<4>) -> Option<Self> {
        let decoder = world.model.term::<Decoder>()?;
        let shape = world.model.spaces().pixels;
        let likeness = |latents: &Tensor<4>, step: usize| {
            let latents = latents.clone().narrow(1, step, 1).squeeze_dim::<3>(1);
            let drawn = world.statistics.pictures(&host(decoder.draw(latents).flatten::<1>(0, 3)), shape);
            let size = shape.iter().product();
            let seen = pixels_of(&walks.after[step]);
            let pairs = drawn.chunks(size).zip(seen.chunks(size));
            let all: Vec<Likeness> = pairs.map(|(drawn, seen)| Likeness::of(drawn, seen, shape)).collect();
            let mean = |of: &dyn Fn(&Likeness) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
            Likeness { psnr: mean(&|one| one.psnr), ssim: mean(&|one| one.ssim) }
        };
        let by_step = |latents| (0..walks.horizon).map(|step| likeness(latents, step)).collect();
        Some(Self { imagined: by_step(imagined), encoded: by_step(came) })
    }
}

/// Side and standard deviation of the window of the structural similarity, px.
const WINDOW: (usize, f64) = (11, 1.5);

impl Likeness {
    /// Of two pictures u8 `[channels, height, width]`.
    ///
    /// Source: Wang, Bovik, Sheikh and Simoncelli, 2004: a Gaussian window of 11 px, constants 0.01 and 0.03 of the range, the mean over
    /// places where the window fits, and over channels.
    pub fn of(one: &[u8], other: &[u8], [channels, height, width]: [usize; 3]) -> Self {
        let errors = one.iter().zip(other).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        let error = errors.sum::<f64>() / one.len().max(1) as f64;
        let planes = one.chunks(height * width).zip(other.chunks(height * width));
        let ssim = planes.map(|(a, b)| ssim(a, b, [height, width])).sum::<f64>() / channels.max(1) as f64;
        // The same picture has no noise: as one whose error is a hundredth of a step of brightness.
        Self { psnr: 10.0 * (255.0_f64.powi(2) / error.max(1e-4)).log10(), ssim }
    }
}

/// Structural similarity of two planes.
fn ssim(one: &[u8], other: &[u8], [height, width]: [usize; 2]) -> f64 {
    let side = WINDOW.0.min(height).min(width);
    let middle = (side as f64 - 1.0) / 2.0;
    let bell: Vec<f64> = (0..side).map(|i| (-0.5 * ((i as f64 - middle) / WINDOW.1).powi(2)).exp()).collect();
    let bell: Vec<f64> = bell.iter().map(|weight| weight / bell.iter().sum::<f64>()).collect();
    // The mean under the window, wherever it fits: along rows, then along columns.
    let blurred = |plane: Vec<f64>| -> Vec<f64> {
        let along =
            |row: &[f64]| row.windows(side).map(|part| part.iter().zip(&bell).map(|(x, w)| x * w).sum()).collect();
        let rows: Vec<Vec<f64>> = plane.chunks(width).map(along).collect();
        let down = |top: usize, column: usize| bell.iter().enumerate().map(|(i, w)| rows[top + i][column] * w).sum();
        (0..=height - side)
            .flat_map(|top| (0..=width - side).map(move |column| (top, column)))
            .map(|(top, column)| down(top, column))
            .collect()
    };
    let both = || one.iter().zip(other).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let [a, b] = [blurred(both().map(|(a, _)| a).collect()), blurred(both().map(|(_, b)| b).collect())];
    let (aa, bb) = (blurred(both().map(|(a, _)| a * a).collect()), blurred(both().map(|(_, b)| b * b).collect()));
    let ab = blurred(both().map(|(a, b)| a * b).collect());
    let [c1, c2] = [0.01, 0.03].map(|share: f64| (share * 255.0).powi(2));
    let at = |i: usize| {
        let (variances, covariance) = (aa[i] - a[i] * a[i] + bb[i] - b[i] * b[i], ab[i] - a[i] * b[i]);
        (2.0 * a[i] * b[i] + c1) * (2.0 * covariance + c2) / ((a[i] * a[i] + b[i] * b[i] + c1) * (variances + c2))
    };
    (0..a.len()).map(at).sum::<f64>() / a.len().max(1) as f64
}

impl fmt::Display for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.imagined.len().saturating_sub(1);
        let mut steps = vec![0, last / 2, last];
        steps.dedup();
        let said = |numbers: &[Likeness], of: &dyn Fn(&Likeness) -> String| {
            steps.iter().filter_map(|&step| numbers.get(step)).map(of).collect::<Vec<_>>().join(", ")
        };
        let psnr = |numbers| said(numbers, &|one: &Likeness| format!("{:.1}", one.psnr));
        let ssim = |numbers| said(numbers, &|one: &Likeness| format!("{:.3}", one.ssim));
        writeln!(
            f,
            "drawn from imagined latents after {} blocks: {} dB, structural similarity {} (from those of the true pictures: {} dB, {})",
            steps.iter().map(|step| (step + 1).to_string()).collect::<Vec<_>>().join(", "),
            psnr(&self.imagined),
            ssim(&self.imagined),
            psnr(&self.encoded),
            ssim(&self.encoded)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pictures by formula.
    fn wave(phase: f64) -> Vec<u8> {
        (0..2 * 24 * 20).map(|i| (127.0 + 100.0 * (0.05 * ((i * i) % 1009) as f64 + phase).sin()) as u8).collect()
    }

    #[test]
    fn likeness_is_that_of_a_convolution_in_numpy() {
        let same = Likeness::of(&wave(0.0), &wave(0.0), [2, 24, 20]);
        assert!((same.ssim - 1.0).abs() < 1e-12 && same.psnr > 88.0, "{same:?}");
        let other = Likeness::of(&wave(0.0), &wave(0.4), [2, 24, 20]);
        assert!((other.psnr - 18.992262366).abs() < 1e-6 && (other.ssim - 0.915656354).abs() < 1e-6, "{other:?}");
    }
}

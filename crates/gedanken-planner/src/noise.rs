//! Random numbers of a search, on the host: they follow from a task's seed and step alone.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The generator of one task's plan at one step of its episode.
pub(crate) fn rng(seed: u64, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng
}

/// Noise along a sequence, dimension by dimension. Each number is standard normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Correlation `s` of consecutive control steps: `x_t = s x_{t-1} + sqrt(1 - s^2) e_t`. 0 is white noise.
    Smooth(f32),
    /// Power at frequency f falls as `f^-b` (Timmer and Koenig, 1995; iCEM: Pinneri et al., 2020). 0 is white noise.
    Colored(f32),
}

/// Fills `noise` `[steps, dims]`.
pub(crate) fn fill(noise: &mut [f32], dims: usize, kind: Noise, rng: &mut ChaCha8Rng) {
    match kind {
        Noise::Smooth(smoothness) => smooth(noise, dims, smoothness, rng),
        Noise::Colored(exponent) => (0..dims).for_each(|dim| colored(&mut noise[dim..], dims, exponent, rng)),
    }
}

fn smooth(noise: &mut [f32], dims: usize, smoothness: f32, rng: &mut ChaCha8Rng) {
    let fresh = (1.0 - smoothness * smoothness).sqrt();
    for i in 0..noise.len() {
        let e: f32 = StandardNormal.sample(rng);
        noise[i] = if i < dims { e } else { smoothness * noise[i - dims] + fresh * e };
    }
}

/// Every `stride`-th number of `noise`: a sum over the frequencies that fit the sequence, each with a random phase and a normal
/// amplitude that falls with it. The constant one is scaled as the lowest that is not constant.
fn colored(noise: &mut [f32], stride: usize, exponent: f32, rng: &mut ChaCha8Rng) {
    let steps = noise.len().div_ceil(stride);
    let waves: Vec<[f64; 3]> = (0..=steps / 2)
        .map(|frequency| {
            let [cosine, sine]: [f64; 2] = [(); 2].map(|()| StandardNormal.sample(rng));
            let amplitude = (frequency.max(1) as f64).powf(-0.5 * f64::from(exponent));
            // The constant wave and the fastest have no sine beside them, and half the power.
            let alone = frequency == 0 || 2 * frequency == steps;
            let amplitude = if alone { amplitude * std::f64::consts::FRAC_1_SQRT_2 } else { amplitude };
            [amplitude, cosine, sine]
        })
        .collect();
    // A cosine and a sine with normal amplitudes have variance 1 together, at every step; so has a constant alone.
    let power: f64 = waves.iter().map(|[amplitude, ..]| amplitude * amplitude).sum();
    for (step, x) in noise.iter_mut().step_by(stride).enumerate() {
        let angle = |frequency: usize| std::f64::consts::TAU * (frequency * step) as f64 / steps as f64;
        let wave = |(frequency, [amplitude, cosine, sine]): (usize, &[f64; 3])| {
            let (s, c) = angle(frequency).sin_cos();
            amplitude * (cosine * c + sine * s)
        };
        *x = (waves.iter().enumerate().map(wave).sum::<f64>() / power.sqrt()) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlation(noise: &[f32], lag: usize) -> f32 {
        let (a, b) = (&noise[..noise.len() - lag], &noise[lag..]);
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn smooth_noise_has_unit_variance_and_the_correlation_asked_for() {
        for smoothness in [0.0, 0.5, 0.9] {
            let mut noise = vec![0.0; 200_000];
            fill(&mut noise, 2, Noise::Smooth(smoothness), &mut rng(3, 0));
            assert!((correlation(&noise, 0) - 1.0).abs() < 0.04, "variance at {smoothness}");
            assert!((correlation(&noise, 2) - smoothness).abs() < 0.04, "next step at {smoothness}");
            assert!(correlation(&noise, 1).abs() < 0.04, "other dimension at {smoothness}");
        }
    }

    #[test]
    fn coloured_noise_has_unit_variance_and_the_redder_it_is_the_longer_it_pushes_one_way() {
        let next = |exponent| {
            let (mut variance, mut next, mut rng) = ([0f32; 8], 0.0, rng(3, 0));
            for _ in 0..20_000 {
                let mut noise = [0.0; 16];
                fill(&mut noise, 2, Noise::Colored(exponent), &mut rng);
                (0..8).for_each(|step| variance[step] += noise[2 * step + 1].powi(2) / 20_000.0);
                next += noise[6] * noise[8] / 20_000.0;
            }
            assert!(variance.iter().all(|v| (v - 1.0).abs() < 0.05), "{exponent}: {variance:?}");
            next
        };
        // Lag one of 8 steps: the sum over frequencies 0 to 4 of power times cos(2 pi f / 8), over that of power, where it is half
        // of f^-b for 0 (as for 1) and 4. At b = 2: (1/2 + 0.7071 + 0 - 0.7071 / 9 - 1/32) / (1/2 + 1 + 1/4 + 1/9 + 1/32).
        assert!(next(0.0).abs() < 0.03 && (next(2.0) - 0.580).abs() < 0.03 && next(6.0) > 0.75, "{}", next(2.0));
    }

    #[test]
    fn another_seed_or_step_is_another_stream_and_the_same_is_the_same() {
        let draw = |seed, step| {
            let mut noise = vec![0.0; 8];
            fill(&mut noise, 2, Noise::Smooth(0.5), &mut rng(seed, step));
            noise
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}

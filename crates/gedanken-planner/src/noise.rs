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

/// Fills `noise` `[steps, dims]` with standard normal numbers whose neighbours in time correlate by `smoothness`:
/// `x_t = s x_{t-1} + sqrt(1 - s^2) e_t`, so that each stays standard normal. 0 is white noise.
pub(crate) fn fill(noise: &mut [f32], dims: usize, smoothness: f32, rng: &mut ChaCha8Rng) {
    let fresh = (1.0 - smoothness * smoothness).sqrt();
    for i in 0..noise.len() {
        let e: f32 = StandardNormal.sample(rng);
        noise[i] = if i < dims { e } else { smoothness * noise[i - dims] + fresh * e };
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
            fill(&mut noise, 2, smoothness, &mut rng(3, 0));
            assert!((correlation(&noise, 0) - 1.0).abs() < 0.04, "variance at {smoothness}");
            assert!((correlation(&noise, 2) - smoothness).abs() < 0.04, "next step at {smoothness}");
            assert!(correlation(&noise, 1).abs() < 0.04, "other dimension at {smoothness}");
        }
    }

    #[test]
    fn another_seed_or_step_is_another_stream_and_the_same_is_the_same() {
        let draw = |seed, step| {
            let mut noise = vec![0.0; 8];
            fill(&mut noise, 2, 0.5, &mut rng(seed, step));
            noise
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}

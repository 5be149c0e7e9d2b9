//! Distributions that the policies and the bounce draw from.

use std::f64::consts::{PI, TAU};

use gedanken_env::{Rng, derive_seed};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// A number from `low` to `high`.
pub fn uniform(low: f64, high: f64, rng: &mut Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// N(mean, std²), drawn again until it lies in `[low, high]`, which must hold a fair part of it.
pub fn truncated_normal(mean: f64, std: f64, [low, high]: [f64; 2], rng: &mut Rng) -> f64 {
    loop {
        let normal: f64 = StandardNormal.sample(rng);
        let value = mean + std * normal;
        if (low..=high).contains(&value) {
            return value;
        }
    }
}

/// An angle in `[-π, π]` from the von Mises distribution around 0 with concentration `kappa` (Best and Fisher, 1979).
pub fn von_mises(kappa: f64, rng: &mut Rng) -> f64 {
    if kappa < 1e-6 {
        return uniform(-PI, PI, rng);
    }
    let tau = 1.0 + (1.0 + 4.0 * kappa * kappa).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * kappa);
    let r = (1.0 + rho * rho) / (2.0 * rho);
    loop {
        let z = (PI * rng.random::<f64>()).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = kappa * (r - f);
        let u = 1.0 - rng.random::<f64>();
        if c * (2.0 - c) > u || (c / u).ln() + 1.0 - c >= 0.0 {
            let angle = f.clamp(-1.0, 1.0).acos();
            return if rng.random() { angle } else { -angle };
        }
    }
}

/// A counter of random numbers that an f64 holds exactly: 53 bits, and every one of them comes before any comes twice.
pub fn advance(counter: u64) -> u64 {
    counter.wrapping_add(0x9e37_79b9_7f4a_7c15) & ((1 << 53) - 1)
}

/// Two independent numbers from N(0, 1) that follow from a counter and from what they are for (Box and Muller, 1958).
pub fn normal_pair(counter: u64, purpose: u64) -> [f64; 2] {
    let [first, second] = unit_pair(counter, purpose);
    let radius = (-2.0 * (1.0 - first).ln()).sqrt();
    let (sin, cos) = (TAU * second).sin_cos();
    [radius * cos, radius * sin]
}

/// Two independent numbers from 0 to 1 that follow from a counter and from what they are for.
pub fn unit_pair(counter: u64, purpose: u64) -> [f64; 2] {
    let bits = derive_seed(counter, &[purpose]);
    [bits, derive_seed(bits, &[])].map(unit)
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 200_000;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..N).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / N as f64;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / N as f64).sqrt())
    }

    #[test]
    fn the_mean_resultant_length_of_von_mises_is_the_ratio_of_bessel_functions() {
        let mut rng = gedanken_env::rng(0, &[]);
        // I1(kappa) / I0(kappa)
        for (kappa, expected) in [(0.0, 0.0), (0.5, 0.242_500), (5.0, 0.893_383), (50.0, 0.989_948)] {
            let cos = moments(|| von_mises(kappa, &mut rng).cos()).0;
            let sin = moments(|| von_mises(kappa, &mut rng).sin()).0;
            assert!((cos - expected).abs() < 6e-3 && sin.abs() < 6e-3, "kappa {kappa}: {cos}, {sin}");
        }
    }

    #[test]
    fn the_truncated_normal_has_the_moments_of_the_step_length() {
        let mut rng = gedanken_env::rng(1, &[]);
        let (mean, std) = moments(|| truncated_normal(1.0, 0.4, [0.2, 1.8], &mut rng));
        assert!((mean - 1.0).abs() < 3e-3 && (std - 0.352).abs() < 3e-3, "{mean}, {std}");
    }

    #[test]
    fn counted_normals_are_standard_and_independent() {
        let mut counter = 5;
        let mut products = 0.0;
        let (mean, std) = moments(|| {
            counter = advance(counter);
            let [a, b] = normal_pair(counter, 0);
            products += a * b;
            a
        });
        assert!(mean.abs() < 0.01 && (std - 1.0).abs() < 0.01 && (products / N as f64).abs() < 0.01, "{mean}, {std}");
        assert_eq!(counter as f64 as u64, counter);
    }
}

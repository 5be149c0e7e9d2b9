//! SIGReg: the latents of a batch should be a standard Gaussian, whichever way one looks at them.

use burn::prelude::*;
use burn::tensor::TensorData;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// SIGReg (LeJEPA): the latents of a batch are a standard Gaussian. Default weight 0.09, LeWorldModel's, which has no other term:
/// with it, variance and covariance can have the weight 0. Batches of 128 windows or more.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sigreg {
    /// Random directions in which the latents are looked at, others at every update. Default 1024.
    #[schemars(range(min = 1, max = 65536))]
    pub projections: usize,
}

impl Default for Sigreg {
    fn default() -> Self {
        Self { projections: 1024 }
    }
}

impl Term for Sigreg {
    fn weight(&self) -> f64 {
        0.09
    }

    fn loss(&self, view: &View) -> Value {
        let z = view.sequences.clone();
        let directions = directions(z.dims()[3], self.projections, view.batch.seed, &z.device());
        sigreg(z.clone(), directions.cast(z.dtype())).into()
    }
}

/// The characteristic functions are compared at so many points but 0, where all are 1: 16.
const KNOTS: usize = 16;
/// Between neighbouring points: 3/16, so that they reach 3.
const SPACING: f64 = 3.0 / KNOTS as f64;

/// `count` random directions in a space of `dim`, `[dim, count]`, that follow from `seed` alone: Gaussian columns of length 1.
pub fn directions(dim: usize, count: usize, seed: u64, device: &Device) -> Tensor<2> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers: Vec<f32> = (0..dim * count).map(|_| StandardNormal.sample(&mut rng)).collect();
    let mut lengths = vec![0.0_f32; count];
    for row in numbers.chunks_exact(count.max(1)) {
        lengths.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
    }
    for row in numbers.chunks_exact_mut(count.max(1)) {
        row.iter_mut().zip(&lengths).for_each(|(x, sum)| *x /= sum.sqrt());
    }
    Tensor::from_data(TensorData::new(numbers, [dim, count]), device)
}

/// The Epps-Pulley statistic of normality of the batch, seen along each direction, separately for every frame index; the mean
/// over directions and frames.
///
/// With `x_b` the samples of a frame index along a direction, it is the distance of their empirical characteristic function
/// from that of a standard Gaussian, `phi(t) = exp(-t^2 / 2)`, under the window `phi`:
///
/// ```text
/// B * sum_k w_k phi(t_k) [ (mean_b cos(t_k x_b) - phi(t_k))^2 + (mean_b sin(t_k x_b))^2 ]
/// ```
///
/// at 17 knots `t_k` from 0 to 3, `w` the trapezoid rule's weights for the integral over -3 to 3.
///
/// `z`: `[batch, time, tokens, dim]`, tokens count as samples; `directions`: `[dim, count]`, columns of length 1. Returns a scalar
/// `[1]`.
///
/// Its slope is written down and not left to autodiff, which would keep a hundred tensors of the size of all projections.
///
/// Source: LeJEPA (Balestriero and LeCun, 2025, arXiv:2511.08544), with the knots, the window and the frames apart as in the
/// code of LeWorldModel (arXiv:2603.19312).
pub fn sigreg(z: Tensor<4>, directions: Tensor<2>) -> Tensor<1> {
    let [batch, time, tokens, dim] = z.dims();
    let count = directions.dims()[1];
    let samples = batch * tokens;
    let rows = z.swap_dims(0, 1).reshape([time * samples, dim]);
    let along = rows.matmul(directions).reshape([time, samples, count]);
    let (value, slope) = epps_pulley(along.clone().detach());
    // The value, with the slope as its gradient: the two sums cancel.
    let tangent = (along * slope).sum();
    tangent.clone() - tangent.detach() + value
}

/// Samples `[time, samples, count]` -> the statistic `[1]`, mean over time and count, and its slope in every sample.
fn epps_pulley(x: Tensor<3>) -> (Tensor<1>, Tensor<3>) {
    let [time, samples, count] = x.dims();
    let angle = x * SPACING;
    let (cos1, sin1) = (angle.clone().cos(), angle.sin());
    let twice = cos1.clone() * 2.0;
    let (mut cos, mut sin) = (cos1.clone(), sin1.clone());
    let (mut earlier_cos, mut earlier_sin) = (cos1.ones_like(), sin1.zeros_like());
    let mut value = Tensor::zeros_like(&cos.clone().narrow(1, 0, 1));
    let mut slope = cos.zeros_like();
    for k in 1..=KNOTS {
        let t = SPACING * k as f64;
        let window = (-t * t / 2.0).exp();
        let weight = window * SPACING * if k < KNOTS { 2.0 } else { 1.0 };
        let (real, imaginary) = (cos.clone().mean_dim(1) - window, sin.clone().mean_dim(1));
        value = value + (real.clone().square() + imaginary.clone().square()) * weight;
        slope = slope + (cos.clone() * imaginary - sin.clone() * real) * (weight * t);
        // cos((k + 1) a) = 2 cos(a) cos(k a) - cos((k - 1) a), and so the sine.
        let (next_cos, next_sin) =
            (twice.clone() * cos.clone() - earlier_cos, twice.clone() * sin.clone() - earlier_sin);
        (earlier_cos, earlier_sin, cos, sin) = (cos, sin, next_cos, next_sin);
    }
    (value.mean() * samples as f64, slope * (2.0 / (time * count) as f64))
}

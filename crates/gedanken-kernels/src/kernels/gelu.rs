//! GELU, number by number, and its slope.

use pulp::{Simd, WithSimd};

use super::collect_blocks;
use super::exp::exp;
use super::simd::dispatch;

/// Numbers that are worth a task.
const LEAST: usize = 1 << 14;

/// Numbers at a time: they stay in the first cache.
const RUN: usize = 1 << 10;

/// `x P(X <= x)` for a standard normal `X`.
pub(crate) fn forward(x: &[f32]) -> Vec<f32> {
    over_runs(x.len(), |range, out| dispatch(RUN, Forward { x: &x[range], out }))
}

/// The gradient of `x`, given that of the result.
pub(crate) fn backward(x: &[f32], gradient: &[f32]) -> Vec<f32> {
    over_runs(x.len(), |range, out| dispatch(RUN, Backward { x: &x[range.clone()], gradient: &gradient[range], out }))
}

fn over_runs(count: usize, run: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
    let task = |range: std::ops::Range<usize>, out: &mut super::Images| {
        let mut room = [0.0; RUN];
        for from in range.clone().step_by(RUN) {
            let room = &mut room[..RUN.min(range.end - from)];
            run(from..from + room.len(), room);
            out.push(room);
        }
    };
    collect_blocks(count, LEAST, 1, task).0
}

struct Forward<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = x * normal(x).0;
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((out, &x), gradient) in self.out.iter_mut().zip(self.x).zip(self.gradient) {
            let (below, density) = normal(x);
            *out = gradient * (below + x * density);
        }
    }
}

/// `P(X <= x)` for a standard normal `X`, to 1e-7, and its density: the error function by Hastings' polynomial (Abramowitz and
/// Stegun, 7.1.26), without a branch.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let coefficients = [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6];
    let beyond = 0.5 * t * bell * coefficients.iter().fold(1.061_405_4_f32, |sum, coefficient| sum * t + coefficient);
    // 1 / sqrt(2 pi)
    (if x < 0.0 { beyond } else { 1.0 - beyond }, 0.398_942_3 * bell)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Python 3.11: `statistics.NormalDist().cdf`.
    #[test]
    fn the_share_below_is_the_normal_distributions() {
        for (x, below) in
            [(0.0, 0.5), (1.0, 0.841_344_746), (-1.0, 0.158_655_254), (2.5, 0.993_790_335), (-4.0, 3.167_12e-5)]
        {
            assert!((f64::from(normal(x).0) - below).abs() < 2e-7, "{x}: {}", normal(x).0);
        }
        assert_eq!((normal(50.0).0, normal(f32::NAN).0.is_nan()), (1.0, true));
        assert!(normal(-50.0).0.abs() < 1e-30);
    }
}

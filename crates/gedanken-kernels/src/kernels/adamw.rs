//! An update of AdamW, in one pass and in place.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::simd::dispatch;

/// What an update of AdamW is made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// The learning rate.
    pub rate: f64,
    /// Decay of the weights, in learning rates.
    pub decay: f64,
    /// How much of each moment stays.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Number of the update, from 1 on.
    pub time: usize,
}

impl AdamWStep {
    /// What corrects the moments for having begun at zero.
    pub(crate) fn unbias(&self) -> [f64; 2] {
        self.betas.map(|beta| 1.0 / (1.0 - beta.powi(self.time as i32)))
    }
}

/// Numbers that a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Moves both moments, and puts the new weights in the gradient's place.
pub(crate) fn update(step: AdamWStep, weights: &[f32], gradient: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    let chunks = gradient.par_chunks_mut(CHUNK).zip(weights.par_chunks(CHUNK));
    let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
    chunks.for_each(|(((gradient, weights), first), second)| {
        dispatch(CHUNK, Update { step, weights, gradient, first, second });
    });
}

struct Update<'a> {
    step: AdamWStep,
    weights: &'a [f32],
    gradient: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let AdamWStep { rate, decay, betas, epsilon, .. } = self.step;
        let [rate, decay, beta_1, beta_2, epsilon] = [rate, decay, betas[0], betas[1], epsilon].map(|x| x as f32);
        let (kept, [unbias_1, unbias_2]) = (1.0 - rate * decay, self.step.unbias().map(|x| x as f32));
        let moments = self.first.iter_mut().zip(self.second);
        for ((gradient, weight), (first, second)) in self.gradient.iter_mut().zip(self.weights).zip(moments) {
            *first = beta_1 * *first + (1.0 - beta_1) * *gradient;
            *second = beta_2 * *second + (1.0 - beta_2) * *gradient * *gradient;
            *gradient = kept * weight - rate * (*first * unbias_1) / ((*second * unbias_2).sqrt() + epsilon);
        }
    }
}

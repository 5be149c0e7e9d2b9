//! Random sequences of the tasks of a batch, each drawn from its own generator.

use burn::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::noise::{self, Noise};
use crate::scored::read;
use crate::{Belief, PlanError};

/// Draws sequences for the active tasks of a search. Numbers come from the host's generators, one for each task, so that a plan is a
/// function of its seed on every device.
pub struct Draw<'a> {
    /// Of all tasks.
    pub(crate) rngs: &'a mut [ChaCha8Rng],
    /// The active ones.
    pub(crate) tasks: &'a [usize],
    /// Numbers of a control step's action.
    pub(crate) dims: usize,
    /// Numbers of a sequence.
    pub(crate) length: usize,
    pub(crate) device: &'a Device,
    /// Sequences are made on the host.
    pub(crate) on_host: bool,
}

impl Draw<'_> {
    /// Numbers of a sequence.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Standard normal numbers, `[tasks, count, length]`.
    pub fn noise(&mut self, count: usize, noise: Noise) -> Tensor<3> {
        let mut numbers = vec![0.0; self.tasks.len() * count * self.length];
        for (&task, own) in self.tasks.iter().zip(numbers.chunks_exact_mut((count * self.length).max(1))) {
            for sequence in own.chunks_exact_mut(self.length) {
                noise::fill(sequence, self.dims, noise, &mut self.rngs[task]);
            }
        }
        self.upload(numbers, count)
    }

    /// Sequences `[tasks, count, length]`: up to `keep` of the last elites, or before the first round of what the search starts from; then
    /// the belief's mean, if asked for; the rest drawn from the belief's Gaussian.
    ///
    /// # Errors
    /// A device that fails.
    pub fn around(
        &mut self,
        belief: &Belief,
        count: usize,
        keep: usize,
        with_mean: bool,
        noise: Noise,
    ) -> Result<Tensor<3>, PlanError> {
        match &belief.elites {
            Some(elites) if !self.on_host => {
                let keep = keep.min(count).min(elites.actions.dims()[1]);
                let mut parts = Vec::new();
                parts.extend((keep > 0).then(|| elites.actions.clone().narrow(1, 0, keep)));
                parts.extend((with_mean && keep < count).then(|| belief.mean.clone()));
                let fresh = count - parts.iter().map(|part| part.dims()[1]).sum::<usize>();
                if fresh > 0 {
                    parts.push(belief.mean.clone() + belief.std.clone() * self.noise(fresh, noise));
                }
                Ok(Tensor::cat(parts, 1))
            }
            _ => self.around_on_host(belief, count, keep, with_mean, noise),
        }
    }

    /// The same made on the host, where tasks may start from different numbers of sequences.
    fn around_on_host(
        &mut self,
        belief: &Belief,
        count: usize,
        keep: usize,
        with_mean: bool,
        noise: Noise,
    ) -> Result<Tensor<3>, PlanError> {
        let length = self.length;
        let (means, stds) = (read(belief.mean.clone())?, read(belief.std.clone())?);
        let elites = belief.elites.as_ref().map(|elites| read(elites.actions.clone())).transpose()?;
        let mut scores = belief.elites.as_ref().and_then(|elites| elites.scores());
        let mut numbers = vec![0.0; self.tasks.len() * count * length];
        for (row, (&task, own)) in self.tasks.iter().zip(numbers.chunks_exact_mut(count * length)).enumerate() {
            let [mean, std] = [&means, &stds].map(|numbers| &numbers[row * length..][..length]);
            let known: Vec<&[f32]> = match (&elites, scores.as_mut().and_then(Iterator::next)) {
                (Some(elites), Some(scores)) => {
                    let finite = scores.iter().take_while(|score| score.energy.is_finite()).count();
                    elites[row * scores.len() * length..].chunks_exact(length).take(finite).collect()
                }
                _ => belief.known[row].iter().map(Vec::as_slice).collect(),
            };
            let mut known = known.into_iter().take(keep).chain(with_mean.then_some(mean));
            for sequence in own.chunks_exact_mut(length) {
                if let Some(known) = known.next() {
                    sequence.copy_from_slice(known);
                } else {
                    noise::fill(sequence, self.dims, noise, &mut self.rngs[task]);
                    for ((x, mean), std) in sequence.iter_mut().zip(mean).zip(std) {
                        *x = mean + std * *x;
                    }
                }
            }
        }
        Ok(self.upload(numbers, count))
    }

    /// Sequences of choices `[tasks, count, length]`: of the numbers of every control step's action one is 1, the others 0. They are drawn by
    /// the numbers' `shares` `[tasks, 1, length]`, which need not add up to 1, of which a part `even` goes to all alike. The first of every
    /// task is the likeliest.
    ///
    /// # Errors
    /// A device that fails.
    pub fn choices(&mut self, count: usize, shares: Tensor<3>, even: f32) -> Result<Tensor<3>, PlanError> {
        let (shares, length) = (read(shares)?, self.length);
        let mut numbers = vec![0.0; self.tasks.len() * count * length];
        for ((&task, own), shares) in
            self.tasks.iter().zip(numbers.chunks_exact_mut(count * length)).zip(shares.chunks_exact(length))
        {
            for (number, sequence) in own.chunks_exact_mut(length).enumerate() {
                for (action, shares) in sequence.chunks_mut(self.dims).zip(shares.chunks(self.dims)) {
                    let choice = match number {
                        0 => likeliest(shares),
                        _ => chosen(shares, even, self.rngs[task].random()),
                    };
                    action[choice] = 1.0;
                }
            }
        }
        Ok(self.upload(numbers, count))
    }

    fn upload(&self, numbers: Vec<f32>, count: usize) -> Tensor<3> {
        Tensor::from_data(TensorData::new(numbers, [self.tasks.len(), count, self.length]), self.device)
    }
}

/// The first number of the greatest share.
fn likeliest(shares: &[f32]) -> usize {
    (0..shares.len()).fold(0, |best, number| if shares[number] > shares[best] { number } else { best })
}

/// The number at a place from 0 to 1 along all shares, of which a part is even.
fn chosen(shares: &[f32], even: f32, place: f32) -> usize {
    let total: f32 = shares.iter().sum();
    let alike = 1.0 / shares.len() as f32;
    let mut left = place;
    for (number, share) in shares.iter().enumerate() {
        let share = if total > 0.0 { share / total } else { alike };
        left -= (1.0 - even) * share + even * alike;
        if left < 0.0 {
            return number;
        }
    }
    likeliest(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_drawn_by_their_shares_and_the_even_part_goes_to_all() {
        let count = |even: f32| {
            let mut found = [0; 4];
            (0..10_000).for_each(|i| found[chosen(&[3.0, 0.0, 1.0, 0.0], even, (i as f32 + 0.5) / 10_000.0)] += 1);
            found
        };
        // The places are spread evenly, so the counts are the shares, to rounding.
        let near = |found: [i32; 4], expected: [i32; 4]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 2);
        assert!(near(count(0.0), [7500, 0, 2500, 0]), "{:?}", count(0.0));
        assert!(near(count(0.2), [6500, 500, 2500, 500]), "{:?}", count(0.2));
        assert_eq!((likeliest(&[0.2, 0.5, 0.5]), chosen(&[0.0, 0.0], 0.0, 0.75)), (1, 1));
    }
}

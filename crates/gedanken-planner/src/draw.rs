//! Random sequences of the tasks of a batch, each drawn from its own generator.

use burn::prelude::*;
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

    fn upload(&self, numbers: Vec<f32>, count: usize) -> Tensor<3> {
        Tensor::from_data(TensorData::new(numbers, [self.tasks.len(), count, self.length]), self.device)
    }
}

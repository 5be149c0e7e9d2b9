//! Sequences and their energies: ranking, and the moments of the best.
//!
//! Each operation has two bodies: on the host, which ranks and sums in `f64` fastest where the tensors lie on a CPU, and in tensor
//! operations for a GPU, where nothing waits. Both find the same but for the last bits of sums.

use burn::prelude::*;

use crate::PlanError;
use crate::score::{FAR, Score};
use crate::strategy::Weights;

/// Pairs of candidates that a device compares at once, at most.
pub(crate) const PAIRS: usize = 1 << 24;

/// Sequences of every task and their energies.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Sequences `[tasks, samples, length]`.
    pub actions: Tensor<3>,
    /// Energies `[tasks, samples]`; 1e30 where not finite.
    pub energy: Tensor<2>,
    /// Violations of the guardrails, summed over them and a sequence's steps, `[tasks, samples]`; 0 where all are kept, 1e30 where not
    /// finite.
    pub violation: Tensor<2>,
    /// The same numbers `[tasks * samples]` where the host ranks.
    host: Option<Vec<Score>>,
}

impl Scored {
    /// Sequences with these energies; read at once where the host ranks.
    pub(crate) fn new(
        actions: Tensor<3>,
        energy: Tensor<2>,
        violation: Option<Tensor<2>>,
        on_host: bool,
    ) -> Result<Self, PlanError> {
        if on_host {
            let violations = violation.map(read).transpose()?;
            let energies = read(energy)?;
            let violations = violations.unwrap_or_else(|| vec![0.0; energies.len()]);
            let score = |(energy, violation)| Score::of(energy, violation);
            let scores = energies.into_iter().zip(violations).map(score).collect();
            return Ok(Self::on_host(actions, scores));
        }
        // What is not a number compares as false.
        let known = |numbers: &Tensor<2>| numbers.clone().abs().lower_elem(FAR);
        let or_far = |numbers: Tensor<2>, known| (numbers.zeros_like() + FAR).mask_where(known, numbers);
        let finite = known(&energy);
        let violation = match violation {
            Some(violation) => or_far(violation.clone(), known(&violation)),
            None => energy.zeros_like(),
        };
        let (energy, violation) = (or_far(energy, finite.clone()), or_far(violation, finite));
        Ok(Scored { actions, energy, violation, host: None })
    }

    fn on_host(actions: Tensor<3>, scores: Vec<Score>) -> Self {
        let ([tasks, samples, _], device) = (actions.dims(), actions.device());
        let tensor = |number: fn(&Score) -> f32| {
            let numbers: Vec<f32> = scores.iter().map(|score| number(score).min(FAR)).collect();
            Tensor::from_data(TensorData::new(numbers, [tasks, samples]), &device)
        };
        let (energy, violation) = (tensor(|score| score.energy), tensor(|score| score.violation));
        Scored { actions, energy, violation, host: Some(scores) }
    }

    /// Scores of every task, where the host ranks.
    pub(crate) fn scores(&self) -> Option<std::slice::ChunksExact<'_, Score>> {
        let samples = self.actions.dims()[1];
        self.host.as_ref().map(|scores| scores.chunks_exact(samples))
    }

    /// The best `count` of every task, best first: those that keep the guardrails before those that do not, by violation, then by
    /// energy, and those without a finite energy last. Of two alike the earlier one.
    ///
    /// # Errors
    /// A device that fails.
    pub fn best(&self, count: usize) -> Result<Self, PlanError> {
        let [tasks, samples, length] = self.actions.dims();
        let count = count.clamp(1, samples);
        let Some(scores) = self.scores() else { return Ok(self.best_on_device(count)) };
        let all = read(self.actions.clone())?;
        let (mut actions, mut best) = (Vec::with_capacity(tasks * count * length), Vec::with_capacity(tasks * count));
        for (own, scores) in all.chunks_exact(samples * length).zip(scores) {
            let mut order: Vec<usize> = (0..samples).collect();
            order.sort_by(|&a, &b| scores[a].order(&scores[b]));
            for &at in &order[..count] {
                actions.extend_from_slice(&own[at * length..][..length]);
                best.push(scores[at]);
            }
        }
        let data = TensorData::new(actions, [tasks, count, length]);
        Ok(Self::on_host(Tensor::from_data(data, &self.actions.device()), best))
    }

    /// The first of every task.
    pub(crate) fn first(&self) -> Self {
        let samples = self.actions.dims()[1];
        Scored {
            actions: self.actions.clone().narrow(1, 0, 1),
            energy: self.energy.clone().narrow(1, 0, 1),
            violation: self.violation.clone().narrow(1, 0, 1),
            host: self.host.as_ref().map(|scores| scores.iter().copied().step_by(samples).collect()),
        }
    }

    /// Mean and standard deviation of the sequences, number by number, each `[tasks, 1, length]`. Sequences must be ordered as by
    /// [`Scored::best`]; those without a finite energy count for nothing, and by softmax those that violate guardrails more than the best.
    ///
    /// # Errors
    /// A device that fails.
    pub fn moments(&self, weights: Weights) -> Result<(Tensor<3>, Tensor<3>), PlanError> {
        let ([tasks, samples, length], device) = (self.actions.dims(), self.actions.device());
        let Some(scores) = self.scores() else { return Ok(self.moments_on_device(weights)) };
        let all = read(self.actions.clone())?;
        let (mut mean, mut std) = (Vec::with_capacity(tasks * length), Vec::with_capacity(tasks * length));
        for (own, scores) in all.chunks_exact(samples * length).zip(scores) {
            let finite = scores.iter().take_while(|score| score.energy.is_finite()).count();
            let (own_mean, own_std) = moments(own, length, &weights.of(&scores[..finite]), weights == Weights::Equal);
            mean.extend(own_mean.into_iter().map(|mean| mean as f32));
            std.extend(own_std.into_iter().map(|std| std as f32));
        }
        let tensor = |numbers| Tensor::from_data(TensorData::new(numbers, [tasks, 1, length]), &device);
        Ok((tensor(mean), tensor(std)))
    }

    /// The better of two, task by task; the other where they are alike. Both have one sample.
    pub(crate) fn or(self, other: &Self) -> Result<Self, PlanError> {
        let wins = match (&self.host, &other.host) {
            (Some(own), Some(others)) => {
                let wins: Vec<bool> = own.iter().zip(others).map(|(own, other)| own.order(other).is_lt()).collect();
                if wins.iter().all(|&wins| wins) {
                    return Ok(self);
                }
                if !wins.contains(&true) {
                    return Ok(other.clone());
                }
                let rows = wins.len();
                Tensor::<2, Bool>::from_data(TensorData::new(wins, [rows, 1]), &self.actions.device())
            }
            _ => {
                let alike = self.violation.clone().equal(other.violation.clone());
                let cheaper = self.energy.clone().lower(other.energy.clone());
                self.violation.clone().lower(other.violation.clone()).bool_or(alike.bool_and(cheaper))
            }
        };
        let along = wins.clone().unsqueeze_dim::<3>(2).expand(self.actions.dims());
        let better = |(own, other): (&Score, &Score)| if own.order(other).is_lt() { *own } else { *other };
        let host = self.host.iter().zip(&other.host).next();
        Ok(Scored {
            host: host.map(|(own, others)| own.iter().zip(others).map(better).collect()),
            actions: other.actions.clone().mask_where(along, self.actions),
            energy: other.energy.clone().mask_where(wins.clone(), self.energy),
            violation: other.violation.clone().mask_where(wins, self.violation),
        })
    }

    /// These tasks alone; `index` holds their `rows`.
    pub(crate) fn select(&self, rows: &[usize], index: &Tensor<1, Int>) -> Self {
        let samples = self.actions.dims()[1];
        let of =
            |scores: &Vec<Score>| rows.iter().flat_map(|&row| &scores[row * samples..][..samples]).copied().collect();
        Scored {
            actions: self.actions.clone().select(0, index.clone()),
            energy: self.energy.clone().select(0, index.clone()),
            violation: self.violation.clone().select(0, index.clone()),
            host: self.host.as_ref().map(of),
        }
    }

    fn best_on_device(&self, count: usize) -> Self {
        let [tasks, samples, length] = self.actions.dims();
        let each = (PAIRS / (samples * samples)).clamp(1, tasks);
        let (mut actions, mut energy, mut violation) = (Vec::new(), Vec::new(), Vec::new());
        for first in (0..tasks).step_by(each) {
            let rows = each.min(tasks - first);
            let part = |numbers: &Tensor<2>| numbers.clone().narrow(0, first, rows);
            let (own_energy, own_violation) = (part(&self.energy), part(&self.violation));
            let order = order(&own_energy, &own_violation, count);
            let along = order.clone().unsqueeze_dim::<3>(2).expand([rows, count, length]);
            actions.push(self.actions.clone().narrow(0, first, rows).gather(1, along));
            energy.push(own_energy.gather(1, order.clone()));
            violation.push(own_violation.gather(1, order));
        }
        let (energy, violation) = (Tensor::cat(energy, 0), Tensor::cat(violation, 0));
        Scored { actions: Tensor::cat(actions, 0), energy, violation, host: None }
    }

    fn moments_on_device(&self, weights: Weights) -> (Tensor<3>, Tensor<3>) {
        let finite = self.energy.clone().lower_elem(FAR).float();
        let share = match weights {
            Weights::Equal => finite,
            Weights::Softmax { temperature } => {
                let above = self.energy.clone() - self.energy.clone().narrow(1, 0, 1);
                let as_good = self.violation.clone().lower_equal(self.violation.clone().narrow(1, 0, 1));
                // One that breaks the guardrails more may have a lower energy: it weighs nothing.
                (-above.clamp_min(0.0) / temperature).exp() * as_good.float() * finite
            }
        };
        let share = share.clone() / share.sum_dim(1).clamp_min(f32::MIN_POSITIVE);
        let share: Tensor<3> = share.unsqueeze_dim(2);
        let mean = (self.actions.clone() * share.clone()).sum_dim(1);
        let mut variance = ((self.actions.clone() - mean.clone()).square() * share.clone()).sum_dim(1);
        if weights == Weights::Equal {
            // A single elite has no spread, with or without the correction.
            let spread: Tensor<3> = -share.square().sum_dim(1) + 1.0;
            variance = variance / spread.clone().mask_fill(spread.lower_elem(1e-6), 1.0);
        }
        (mean, variance.sqrt())
    }
}

impl Weights {
    /// Weights, summing to one, of elites with these scores, best first. By softmax, those that violate guardrails more than the best one
    /// weigh nothing.
    pub(crate) fn of(self, scores: &[Score]) -> Vec<f64> {
        let Weights::Softmax { temperature } = self else { return vec![1.0 / scores.len() as f64; scores.len()] };
        let weight = |score: &Score| match score.violation <= scores[0].violation {
            true => (-f64::from(score.energy - scores[0].energy) / f64::from(temperature)).exp(),
            false => 0.0,
        };
        let weights: Vec<f64> = scores.iter().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }
}

/// Indices `[tasks, count]` of the best. A rank is the number of those that come before: burn sorts on the host.
fn order(energy: &Tensor<2>, violation: &Tensor<2>, count: usize) -> Tensor<2, Int> {
    let ([_, samples], device) = (energy.dims(), energy.device());
    let before = |numbers: &Tensor<2>, else_before: Tensor<3, Bool>| {
        let (one, other) = (numbers.clone().unsqueeze_dim::<3>(2), numbers.clone().unsqueeze_dim::<3>(1));
        one.clone().lower(other.clone()).bool_or(one.equal(other).bool_and(else_before))
    };
    let place = Tensor::<1, Int>::arange(0..samples as i64, &device);
    let earlier = place.clone().reshape([1, samples as i32, 1]).lower(place.clone().reshape([1, 1, samples as i32]));
    let rank = before(violation, before(energy, earlier)).int().sum_dim(1);
    let wanted = Tensor::<1, Int>::arange(0..count as i64, &device).reshape([1, count as i32, 1]);
    let held = rank.equal(wanted).int() * place.reshape([1, 1, samples as i32]);
    held.sum_dim(2).squeeze_dim(2)
}

/// Weighted mean and standard deviation of as many sequences as there are weights.
fn moments(sequences: &[f32], length: usize, weights: &[f64], unbiased: bool) -> (Vec<f64>, Vec<f64>) {
    let mut mean = vec![0.0; length];
    let mut variance = vec![0.0; length];
    for (sequence, weight) in sequences.chunks_exact(length).zip(weights) {
        mean.iter_mut().zip(sequence).for_each(|(sum, &x)| *sum += weight * f64::from(x));
    }
    for (sequence, weight) in sequences.chunks_exact(length).zip(weights) {
        let parts = variance.iter_mut().zip(&mean).zip(sequence);
        parts.for_each(|((sum, mean), &x)| *sum += weight * (f64::from(x) - mean).powi(2));
    }
    // A single elite has no spread, with or without the correction.
    let spread = 1.0 - weights.iter().map(|weight| weight.powi(2)).sum::<f64>();
    let scale = if unbiased && spread > 1e-9 { 1.0 / spread } else { 1.0 };
    (mean, variance.into_iter().map(|variance| (scale * variance).sqrt()).collect())
}

/// Numbers from the device.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, PlanError> {
    let failed = |error: &dyn std::fmt::Debug| PlanError::Device(format!("{error:?}"));
    let data = tensor.try_into_data().map_err(|error| failed(&error))?;
    data.try_into_vec_as::<f32>().map_err(|error| failed(&error))
}

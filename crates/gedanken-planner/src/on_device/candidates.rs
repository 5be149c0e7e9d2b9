//! Candidates that lie on a device, and their order.

use burn::prelude::*;

use crate::PlanError;
use crate::candidate::{Round, Score};
use crate::evaluate::Evaluator;
use crate::search::Refit;

/// An energy that is none: not every GPU keeps infinities.
const FAR: f32 = 1e30;
/// Most pairs of candidates that are compared at once.
pub const PAIRS: usize = 1 << 24;

/// Sequences `[tasks, samples, length]` with their energies and how far they break the guardrails, `[tasks, samples]`: both are
/// [`FAR`] where the energy is not finite.
#[derive(Clone)]
pub struct Candidates {
    pub actions: Tensor<3>,
    energy: Tensor<2>,
    violation: Tensor<2>,
}

impl Candidates {
    /// What the futures of these actions are worth.
    pub fn judged(evaluator: &mut Evaluator, actions: Tensor<3>) -> Result<Self, PlanError> {
        // What is not a number compares as false.
        let known = |numbers: &Tensor<2>| numbers.clone().abs().lower_elem(FAR);
        let or_far = |numbers: Tensor<2>, known| (numbers.zeros_like() + FAR).mask_where(known, numbers);
        let (energy, violation) = evaluator.imagine(actions.clone())?;
        let finite = known(&energy);
        let violation = match violation {
            Some(violation) => or_far(violation.clone(), known(&violation)),
            None => energy.zeros_like(),
        };
        let (energy, violation) = (or_far(energy, finite.clone()), or_far(violation, finite));
        Ok(Candidates { actions, energy, violation })
    }

    /// The best of every task, best first: in the order of [`Score::order`], and the earlier one of two that are alike.
    pub fn best(&self, count: usize) -> Self {
        let [tasks, samples, length] = self.actions.dims();
        let each = (PAIRS / (samples * samples)).clamp(1, tasks);
        let part = |first: usize| {
            let part = self.narrow(0, first, each.min(tasks - first));
            let order = part.order(count);
            let along = order.clone().unsqueeze_dim::<3>(2).expand([order.dims()[0], count, length]);
            Candidates {
                actions: part.actions.gather(1, along),
                energy: part.energy.gather(1, order.clone()),
                violation: part.violation.gather(1, order),
            }
        };
        let parts: Vec<Self> = (0..tasks).step_by(each).map(part).collect();
        Candidates {
            actions: Tensor::cat(parts.iter().map(|part| part.actions.clone()).collect(), 0),
            energy: Tensor::cat(parts.iter().map(|part| part.energy.clone()).collect(), 0),
            violation: Tensor::cat(parts.into_iter().map(|part| part.violation).collect(), 0),
        }
    }

    /// Indices `[tasks, count]` of the best. A rank is the number of those that come before: burn sorts on the host.
    fn order(&self, count: usize) -> Tensor<2, Int> {
        let ([_, samples], device) = (self.energy.dims(), self.energy.device());
        let pairs =
            |numbers: &Tensor<2>| (numbers.clone().unsqueeze_dim::<3>(2), numbers.clone().unsqueeze_dim::<3>(1));
        let before = |numbers: &Tensor<2>, else_before: Tensor<3, Bool>| {
            let (one, other) = pairs(numbers);
            one.clone().lower(other.clone()).bool_or(one.equal(other).bool_and(else_before))
        };
        let place = Tensor::<1, Int>::arange(0..samples as i64, &device);
        let earlier =
            place.clone().reshape([1, samples as i32, 1]).lower(place.clone().reshape([1, 1, samples as i32]));
        let rank = before(&self.violation, before(&self.energy, earlier)).int().sum_dim(1);
        let wanted = Tensor::<1, Int>::arange(0..count as i64, &device).reshape([1, count as i32, 1]);
        let held = rank.equal(wanted).int() * place.reshape([1, 1, samples as i32]);
        held.sum_dim(2).squeeze_dim(2)
    }

    /// Some tasks (`dim` 0), or some samples of every task (1).
    pub fn narrow(&self, dim: usize, first: usize, count: usize) -> Self {
        Candidates {
            actions: self.actions.clone().narrow(dim, first, count),
            energy: self.energy.clone().narrow(dim, first, count),
            violation: self.violation.clone().narrow(dim, first, count),
        }
    }

    /// The better of two, sample by sample; the others where they are alike.
    pub fn or(self, others: Self) -> Self {
        let alike = self.violation.clone().equal(others.violation.clone());
        let cheaper = self.energy.clone().lower(others.energy.clone());
        let wins = self.violation.clone().lower(others.violation.clone()).bool_or(alike.bool_and(cheaper));
        let along = wins.clone().unsqueeze_dim::<3>(2).expand(self.actions.dims());
        Candidates {
            actions: others.actions.mask_where(along, self.actions),
            energy: others.energy.mask_where(wins.clone(), self.energy),
            violation: others.violation.mask_where(wins, self.violation),
        }
    }

    /// 1 where the energy is finite, else 0.
    fn finite(&self) -> Tensor<2> {
        self.energy.clone().lower_elem(FAR).float()
    }

    /// [`Refit::weights`] of elites, best first.
    pub fn weights(&self, refit: Refit) -> Tensor<2> {
        let weights = match refit {
            Refit::Equal => self.finite(),
            Refit::Softmax { temperature, .. } => {
                let above = self.energy.clone() - self.energy.clone().narrow(1, 0, 1);
                let as_good = self.violation.clone().lower_equal(self.violation.clone().narrow(1, 0, 1));
                // One that breaks the guardrails more may have a lower energy: it weighs nothing.
                (-above.clamp_min(0.0) / temperature).exp() * as_good.float() * self.finite()
            }
        };
        let sum = weights.clone().sum_dim(1).clamp_min(f32::MIN_POSITIVE);
        weights / sum
    }

    /// Energies and violations, one after the other, `[tasks, 2 samples]`.
    pub fn scores(&self) -> Tensor<2> {
        let ([tasks, samples], stacked) =
            (self.energy.dims(), Tensor::stack::<3>(vec![self.energy.clone(), self.violation.clone()], 2));
        stacked.reshape([tasks, 2 * samples])
    }

    /// The numbers of a [`Look`], `[tasks, NUMBERS]`.
    pub fn look(&self, elites: &Self, std: &Tensor<3>) -> Tensor<2> {
        let finite = self.finite();
        let count = finite.clone().sum_dim(1);
        let energy = self.energy.clone() * finite.clone();
        let mean = energy.clone().sum_dim(1) / count.clone().clamp_min(1.0);
        let variance = ((energy - mean.clone()) * finite).square().sum_dim(1) / count.clone().clamp_min(1.0);
        let first = elites.narrow(1, 0, 1);
        let deviation = std.clone().mean_dim(2).squeeze_dim::<2>(2);
        Tensor::cat(vec![count, mean, variance.sqrt(), first.energy, first.violation, deviation], 1)
    }
}

/// What is kept of a round for the trace.
pub struct Look {
    /// Candidates with a finite energy.
    pub finite: f32,
    pub round: Round,
}

impl Look {
    /// Numbers of one.
    pub const NUMBERS: usize = 6;

    /// As they were read.
    pub fn of(numbers: &[f32]) -> Self {
        let Score { energy: best, violation } = score(&numbers[3..]);
        let [finite, mean, spread, _, _, deviation] = [0, 1, 2, 3, 4, 5].map(|number| numbers[number]);
        Look { finite, round: Round { mean, best, violation, spread, deviation, ..Round::default() } }
    }
}

/// An energy and a violation, as they were read.
pub fn score(numbers: &[f32]) -> Score {
    let of = |number: f32| if number < FAR { number } else { f32::INFINITY };
    Score { energy: of(numbers[0]), violation: of(numbers[1]) }
}

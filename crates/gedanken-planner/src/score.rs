//! The order of candidates, and a round of them in numbers.

use std::cmp::Ordering;

/// Stands for an energy that is not finite: not every GPU keeps infinities.
pub(crate) const FAR: f32 = 1e30;

/// Energy and violation of a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// Energy; infinite where it is not finite.
    pub energy: f32,
    /// Violation of the guardrails, summed over them and the steps; 0 where all are kept.
    pub violation: f32,
}

impl Score {
    /// Of a sequence that has not been imagined.
    pub const UNTRIED: Self = Score { energy: f32::INFINITY, violation: 0.0 };

    /// A score of numbers as they come from a device.
    pub fn of(energy: f32, violation: f32) -> Self {
        let known = |number: f32| if number.is_finite() && number < FAR { number } else { f32::INFINITY };
        Score { energy: known(energy), violation: known(violation) }
    }

    /// Less is better: sequences that keep the guardrails before those that do not, by violation, then by energy; those without a finite
    /// energy last.
    pub fn order(&self, other: &Self) -> Ordering {
        let broken = self.energy.is_infinite().cmp(&other.energy.is_infinite());
        broken.then(self.violation.total_cmp(&other.violation)).then(self.energy.total_cmp(&other.energy))
    }

    /// True if the other one is a plan and this one is none, or if the other one violates the guardrails less.
    pub fn worse_kind(&self, other: &Self) -> bool {
        self.energy.is_infinite() || self.violation > other.violation
    }
}

/// A sequence `[length]` and its score.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub actions: Vec<f32>,
    pub score: Score,
}

/// One task's round in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    /// Mean energy.
    pub mean: f32,
    /// Mean minus best energy, among candidates with the smallest violation.
    pub gap: f32,
    /// Energy of the best candidate.
    pub best: f32,
    /// Violation of the best candidate.
    pub violation: f32,
    /// Standard deviation of the energies.
    pub spread: f32,
    /// Standard deviation of the next distribution, the mean over a sequence's numbers.
    pub deviation: f32,
    /// Root mean square, over the candidates, of the gradient's norm.
    pub gradient: f32,
}

impl Stats {
    /// Of candidates with these scores, those without a finite energy left out; none where there is no other.
    pub fn of(scores: &[Score]) -> Option<Self> {
        let mut ranked: Vec<Score> = scores.iter().copied().filter(|score| score.energy.is_finite()).collect();
        ranked.sort_by(Score::order);
        let best = *ranked.first()?;
        let moments = |energies: &[f64]| {
            let mean = energies.iter().sum::<f64>() / energies.len() as f64;
            (mean, energies.iter().map(|energy| (energy - mean).powi(2)).sum::<f64>() / energies.len() as f64)
        };
        let energies: Vec<f64> = ranked.iter().map(|score| f64::from(score.energy)).collect();
        let alike = ranked.iter().take_while(|score| score.violation <= best.violation).count();
        let (mean, variance) = moments(&energies);
        Some(Stats {
            mean: mean as f32,
            gap: (moments(&energies[..alike]).0 - f64::from(best.energy)) as f32,
            best: best.energy,
            violation: best.violation,
            spread: variance.sqrt() as f32,
            ..Stats::default()
        })
    }
}

//! Candidates, and what they are worth.

use std::cmp::Ordering;

/// What a sequence is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// The plan's energy; infinite where it is not finite.
    pub energy: f32,
    /// How far it breaks the guardrails, summed over them and its steps; 0 where it keeps them all.
    pub violation: f32,
}

impl Score {
    /// Of what has not been imagined.
    pub const UNTRIED: Self = Score { energy: f32::INFINITY, violation: 0.0 };

    /// Better is less: a plan that keeps the guardrails before any that does not, then by how far it breaks them, then by energy;
    /// what has no finite energy last.
    pub fn order(&self, other: &Self) -> Ordering {
        let broken = self.energy.is_infinite().cmp(&other.energy.is_infinite());
        broken.then(self.violation.total_cmp(&other.violation)).then(self.energy.total_cmp(&other.energy))
    }

    /// Whether the other one is a plan and this one is none, or the other one breaks the guardrails less.
    pub fn worse_kind(&self, other: &Self) -> bool {
        self.energy.is_infinite() || self.violation > other.violation
    }

    /// Indices of those with a finite energy, best first.
    pub fn rank(scores: &[Score]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..scores.len()).filter(|&i| scores[i].energy.is_finite()).collect();
        order.sort_by(|&a, &b| scores[a].order(&scores[b]));
        order
    }
}

/// What a task's search ends with.
pub(crate) struct Chosen {
    /// The plan.
    pub plan: Candidate,
    /// The best sequence seen.
    pub best: Option<Candidate>,
    /// Other good sequences.
    pub others: Vec<Vec<f32>>,
}

/// A sequence `[horizon * action]` and its score.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub actions: Vec<f32>,
    pub score: Score,
    /// Its share in the next distribution.
    pub weight: f64,
}

impl Candidate {
    /// One that has not been imagined.
    pub fn untried(actions: Vec<f32>) -> Self {
        Candidate { actions, score: Score::UNTRIED, weight: 1.0 }
    }
}

/// One task's round in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    pub mean: f32,
    /// How much less the best one's energy is than the mean of those that break the guardrails as little.
    pub gap: f32,
    /// Energy of the best one, and how far it breaks the guardrails.
    pub best: f32,
    pub violation: f32,
    pub spread: f32,
    pub deviation: f32,
    pub gradient: f32,
}

impl Round {
    /// Of candidates with these scores, of which some are `ranked`.
    pub fn of(scores: &[Score], ranked: &[usize]) -> Self {
        let Some(best) = ranked.first().map(|&first| scores[first]) else { return Round::default() };
        let moments = |energies: &[f64]| {
            let mean = energies.iter().sum::<f64>() / energies.len() as f64;
            (mean, energies.iter().map(|energy| (energy - mean).powi(2)).sum::<f64>() / energies.len() as f64)
        };
        let energies: Vec<f64> = ranked.iter().map(|&i| f64::from(scores[i].energy)).collect();
        let alike = ranked.iter().take_while(|&&i| scores[i].violation <= best.violation).count();
        let (mean, variance) = moments(&energies);
        Round {
            mean: mean as f32,
            gap: (moments(&energies[..alike]).0 - f64::from(best.energy)) as f32,
            best: best.energy,
            violation: best.violation,
            spread: variance.sqrt() as f32,
            ..Round::default()
        }
    }
}

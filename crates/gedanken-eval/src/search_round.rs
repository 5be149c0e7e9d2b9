//! A round of a search in a report.

use gedanken_planner::Iteration;
use serde::Serialize;

/// One round of a search, the mean over the tasks.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SearchRound {
    /// Mean energy of the candidates.
    pub mean: f64,
    /// The lowest energy.
    pub best: f64,
    /// Standard deviation of the candidates' energies.
    pub spread: f64,
    /// Standard deviation of the distribution that the elites make, the mean over a sequence's numbers.
    pub deviation: f64,
    /// Norm of the gradient, where there was one.
    pub gradient: f64,
}

impl SearchRound {
    pub(crate) fn of(round: &Iteration) -> Self {
        let mean = |values: &[f32]| values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len().max(1) as f64;
        Self {
            mean: mean(&round.mean),
            best: mean(&round.best),
            spread: mean(&round.spread),
            deviation: mean(&round.deviation),
            gradient: mean(&round.gradient),
        }
    }
}

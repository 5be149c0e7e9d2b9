//! The improved cross-entropy method (Pinneri et al., 2020).

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::between;
use crate::sampling::{Sampling, rounds_for};
use crate::{Belief, Draw, Noise, PlanError, Returned, Round, Strategy, Style, Table, Weights};

/// CEM with coloured noise, fewer samples from round to round, elites that are kept from round to round and shifted from plan to plan
/// (`keep`), and the mean among the last round's samples. The authors execute the best sequence: `returns = "best"`.
///
/// Other than theirs, a plan starts around the rest of the one before, not around the shifted mean of its elites, and what is shifted
/// ends in the middle of the box, not in a repeated or a new action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Icem {
    /// Rounds, samples, elites and the Gaussian.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Exponent of the noise's power spectrum along a sequence: 0 is white, 2 Brownian.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub color: f32,
    /// Ratio of a round's samples to those of the next, which are no fewer than two for each elite.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub decay: f32,
}

impl Default for Icem {
    fn default() -> Self {
        Icem { sampling: Sampling::default(), color: 2.0, decay: 1.25 }
    }
}

impl Strategy for Icem {
    fn table(&self) -> Table {
        Table::of("icem", self)
    }

    fn style(&self) -> Style {
        Style { carries: self.sampling.keep, ..self.sampling.style(self.sampling.elites()) }
    }

    fn samples(&self, round: usize) -> usize {
        let decayed = self.sampling.samples as f64 * f64::from(self.decay).powi(-(round as i32));
        (decayed as usize).max((2 * self.sampling.elites()).min(self.sampling.samples))
    }

    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        let last = round + 1 == self.sampling.iterations;
        draw.around(belief, self.samples(round), self.sampling.keep, last, Noise::Colored(self.color))
    }

    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        self.sampling.refit(belief, round, Weights::Equal, true)
    }

    fn check(&self) -> Result<(), PlanError> {
        self.sampling.check(self.style().elites)?;
        between(self.color, (0.0..=10.0).contains(&self.color), "color", "0 to 10")?;
        between(self.decay, (1.0..=100.0).contains(&self.decay), "decay", "1 to 100")
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        let rounds = rounds_for(futures);
        let decayed: f64 = (0..rounds).map(|round| f64::from(self.decay).powi(-(round as i32))).sum();
        let sampling = Sampling {
            iterations: rounds,
            samples: ((futures as f64 / decayed) as usize).max(4),
            elites: Some(2.max(futures / rounds / 8)),
            returns: Returned::Best,
            keep: 2,
            ..self.sampling.clone()
        };
        Some(Box::new(Icem { sampling, ..self.clone() }))
    }
}

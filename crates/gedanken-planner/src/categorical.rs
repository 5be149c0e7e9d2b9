//! The cross-entropy method over choices (Rubinstein, 1999): for worlds whose actions are one of a few.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::between;
use crate::sampling::{Sampling, rounds_for};
use crate::{Belief, Draw, PlanError, Returned, Round, Strategy, Style, Table, Weights, Width};

/// Cross-entropy method over choices: every control step takes one of the numbers of an action, at the upper end of its side, all others at the
/// lower; the shares of the choices follow the best sequences. For discrete actions (one-hot: a box from 0 to 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Categorical {
    /// Rounds of sampling and refitting.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iterations: usize,
    /// Sequences tried per round and task; the first is the likeliest.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub samples: usize,
    /// Best sequences of a round that the next shares are those of. Left out: an eighth of the samples, at least two.
    #[schemars(range(min = 2))]
    pub elites: Option<usize>,
    /// Share of every control step's choice that stays even over all in the first round, around the rest of the plan before.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub init_even: f32,
    /// The same in later rounds: no choice dies out.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_even: f32,
    /// Share of the old shares in the new ones: 0 forgets them.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f32,
}

impl Default for Categorical {
    fn default() -> Self {
        Self { iterations: 4, samples: 64, elites: None, init_even: 0.5, min_even: 0.05, momentum: 0.1 }
    }
}

impl Categorical {
    /// The rounds of a search around a mean and a deviation, of which the mean says the shares.
    fn sampling(&self) -> Sampling {
        let Self { iterations, samples, elites, momentum, .. } = *self;
        let (init_std, min_std) = (Width::share(1.0), Width::Units(0.0));
        Sampling { iterations, samples, elites, keep: 0, init_std, min_std, momentum, returns: Returned::Best }
    }
}

impl Strategy for Categorical {
    fn table(&self) -> Table {
        Table::of("categorical", self)
    }

    fn style(&self) -> Style {
        let sampling = self.sampling();
        sampling.style(sampling.elites())
    }

    fn samples(&self, _round: usize) -> usize {
        self.samples
    }

    fn propose(&self, round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        // Where a number stands on its side, from 0 to 1: the mean of sequences of choices is their share.
        let share = (belief.mean.clone() - belief.middle.clone()) / (belief.half_widths.clone() * 2.0) + 0.5;
        let even = if round == 0 { self.init_even } else { self.min_even };
        let chosen = draw.choices(self.samples, share.clamp(0.0, 1.0), even)?;
        Ok(belief.middle.clone() + (chosen * 2.0 - 1.0) * belief.half_widths.clone())
    }

    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        self.sampling().refit(belief, round, Weights::Equal, true)
    }

    fn check(&self) -> Result<(), PlanError> {
        self.sampling().check(self.style().elites)?;
        for (key, share) in [("init_even", self.init_even), ("min_even", self.min_even)] {
            between(share, (0.0..=1.0).contains(&share), key, "0 to 1")?;
        }
        Ok(())
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        let iterations = rounds_for(futures);
        let samples = (futures / iterations).max(3);
        Some(Box::new(Self { iterations, samples, elites: None, ..self.clone() }))
    }
}

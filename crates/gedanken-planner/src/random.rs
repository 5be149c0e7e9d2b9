//! Random shooting: the simplest planner, and the floor of the others.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::at_least;
use crate::sampling::check_smoothness;
use crate::{Belief, Draw, Noise, PlanError, Strategy, Style, Table, Width};

/// Random shooting: the best of `iterations * samples` sequences around the warm start; nothing is learnt from any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Random {
    /// Rounds of sampling.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iterations: usize,
    /// Action sequences tried per round and task, the first of them the warm start or the best of the round before.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub samples: usize,
    /// Standard deviation of the actions: in their units, or `{ share = 1.0 }` of half the width of their box.
    pub init_std: Width,
    /// Correlation of the noise of consecutive control steps: 0 is white, near 1 pushes one way for long.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smoothness: f32,
}

impl Default for Random {
    fn default() -> Self {
        Random { iterations: 3, samples: 64, init_std: Width::share(1.0), smoothness: 0.5 }
    }
}

impl Strategy for Random {
    fn table(&self) -> Table {
        Table::of("random", self)
    }

    fn style(&self) -> Style {
        // Elites are there to be polished and drawn.
        let elites = (self.samples / 8).max(2).min(self.samples);
        Style { rounds: self.iterations, elites, init_std: self.init_std, ..Style::default() }
    }

    fn samples(&self, _round: usize) -> usize {
        self.samples
    }

    fn propose(&self, _round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        draw.around(belief, self.samples, 1, false, Noise::Smooth(self.smoothness))
    }

    fn check(&self) -> Result<(), PlanError> {
        at_least(self.iterations, 1, "iterations")?;
        at_least(self.samples, 2, "samples")?;
        self.init_std.check("init_std", false)?;
        check_smoothness(self.smoothness)
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        Some(Box::new(Random { iterations: 1, samples: futures, ..self.clone() }))
    }
}

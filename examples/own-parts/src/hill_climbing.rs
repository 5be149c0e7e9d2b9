//! A planner: small changes to the best sequence so far.

use burn::tensor::Tensor;
use gedanken::planner::{Belief, Draw, Noise, PlanError, Round, Strategy, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hill climbing: small changes to the best sequence so far.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HillClimbing {
    /// Changes tried at once. Default 32.
    #[schemars(range(min = 1, max = 10000))]
    pub samples: usize,
    /// Rounds. Default 10.
    #[schemars(range(min = 1, max = 10000))]
    pub rounds: usize,
    /// Standard deviation of a change, in the actions' units. Default 0.3.
    #[schemars(range(min = 0.0))]
    pub size: f64,
}

impl Default for HillClimbing {
    fn default() -> Self {
        Self { samples: 32, rounds: 10, size: 0.3 }
    }
}

impl Strategy for HillClimbing {
    fn table(&self) -> Table {
        Table::of("hill-climbing", self)
    }

    fn rounds(&self) -> usize {
        self.rounds
    }

    fn samples(&self, _: usize) -> usize {
        self.samples
    }

    fn propose(&self, _: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        Ok(belief.mean.clone() + draw.noise(self.samples, Noise::Smooth(0.5)) * self.size)
    }

    fn refine(&self, belief: &mut Belief, _: &Round) -> Result<(), PlanError> {
        if let Some(best) = &belief.best {
            belief.mean = best.actions.clone();
        }
        Ok(())
    }
}

//! The cross-entropy method (Rubinstein, 1999; for model-predictive control: Chua et al., 2018).

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sampling::{Sampling, check_smoothness};
use crate::{Belief, Draw, Noise, PlanError, Returned, Round, Strategy, Style, Table, Weights, Width};

/// Cross-entropy method: refit a Gaussian to the best sequences, by their mean and unbiased standard deviation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cem {
    /// Rounds, samples, elites and the Gaussian.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Correlation of the noise of consecutive control steps: 0 is white, near 1 pushes one way for long.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smoothness: f32,
}

impl Default for Cem {
    fn default() -> Self {
        Cem { sampling: Sampling::default(), smoothness: 0.5 }
    }
}

impl Cem {
    /// EB-JEPA's on Two-Rooms: 20 rounds of 200 sequences, 20 elites, standard deviation 1.5, white noise, the mean returned. It plans
    /// with [`PlanConfig::eb_jepa`](crate::PlanConfig::eb_jepa).
    pub fn eb_jepa() -> Self {
        let sampling = Sampling {
            iterations: 20,
            samples: 200,
            elites: Some(20),
            keep: 0,
            init_std: Width::Units(1.5),
            min_std: Width::Units(0.0),
            momentum: 0.0,
            returns: Returned::Mean,
        };
        Cem { sampling, smoothness: 0.0 }
    }
}

impl Strategy for Cem {
    fn table(&self) -> Table {
        Table::of("cem", self)
    }

    fn style(&self) -> Style {
        self.sampling.style(self.sampling.elites())
    }

    fn samples(&self, _round: usize) -> usize {
        self.sampling.samples
    }

    fn propose(&self, _round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        draw.around(belief, self.sampling.samples, self.sampling.keep, false, Noise::Smooth(self.smoothness))
    }

    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        self.sampling.refit(belief, round, Weights::Equal, true)
    }

    fn check(&self) -> Result<(), PlanError> {
        self.sampling.check(self.style().elites)?;
        check_smoothness(self.smoothness)
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        Some(Box::new(Cem { sampling: self.sampling.budgeted(futures), ..self.clone() }))
    }
}

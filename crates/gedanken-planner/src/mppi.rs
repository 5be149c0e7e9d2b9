//! Model-predictive path integral control (Williams et al., 2016).

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::between;
use crate::sampling::{Sampling, check_smoothness};
use crate::{Belief, Cem, Draw, Noise, PlanError, Returned, Round, Strategy, Style, Table, Weights, Width};

/// Refits a Gaussian to sequences that weigh `exp(-(c - c_min) / temperature)` by their energies c.
///
/// Where energies differ by much more than the temperature, one sequence has all the weight and the deviation falls to `min_std` at
/// once: a small temperature needs a floor of noise (a fifth of `init_std`, say) to go on searching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Mppi {
    /// Rounds, samples, elites and the Gaussian.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Correlation of the noise of consecutive control steps: 0 is white, near 1 pushes one way for long.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smoothness: f32,
    /// Energy difference over which a sequence's weight falls by e.
    #[schemars(range(min = 0.0))]
    pub temperature: f32,
    /// The standard deviation becomes the (biased) one of the weighted sequences. False: it stays `init_std`, as in most implementations.
    pub update_std: bool,
}

impl Default for Mppi {
    fn default() -> Self {
        Mppi { sampling: Sampling::default(), smoothness: 0.5, temperature: 0.1, update_std: true }
    }
}

impl Mppi {
    /// EB-JEPA's on Two-Rooms as its code has it: [`Cem::eb_jepa`] with a first standard deviation of 2, 20 elites weighted by
    /// `exp(0.005 (c_min - c))`, at which they hardly differ, and one of them, drawn by these weights, returned. It plans with
    /// [`PlanConfig::eb_jepa`](crate::PlanConfig::eb_jepa) without a greatest norm.
    pub fn eb_jepa() -> Self {
        let sampling = Sampling { init_std: Width::Units(2.0), returns: Returned::Elite, ..Cem::eb_jepa().sampling };
        Mppi { sampling, smoothness: 0.0, temperature: 200.0, update_std: true }
    }
}

impl Strategy for Mppi {
    fn table(&self) -> Table {
        Table::of("mppi", self)
    }

    fn style(&self) -> Style {
        let weights = Weights::Softmax { temperature: self.temperature };
        let elites = self.sampling.elites.unwrap_or(self.sampling.samples);
        Style { weights, ..self.sampling.style(elites) }
    }

    fn samples(&self, _round: usize) -> usize {
        self.sampling.samples
    }

    fn propose(&self, _round: usize, belief: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
        draw.around(belief, self.sampling.samples, self.sampling.keep, false, Noise::Smooth(self.smoothness))
    }

    fn refine(&self, belief: &mut Belief, round: &Round) -> Result<(), PlanError> {
        self.sampling.refit(belief, round, self.style().weights, self.update_std)
    }

    fn check(&self) -> Result<(), PlanError> {
        self.sampling.check(self.style().elites)?;
        check_smoothness(self.smoothness)?;
        between(self.temperature, self.temperature > 0.0, "temperature", "a positive number")
    }

    fn budgeted(&self, futures: usize) -> Option<Box<dyn Strategy>> {
        let mut sampling = self.sampling.budgeted(futures);
        sampling.min_std = sampling.min_std.max(sampling.init_std.times(0.2));
        Some(Box::new(Mppi { sampling, ..self.clone() }))
    }
}

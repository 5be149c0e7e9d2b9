//! The keys and the update that CEM, iCEM and MPPI share: a Gaussian that follows the best sequences.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::planner::{at_least, between};
use crate::{Belief, PlanError, Returned, Round, Style, Weights, Width};

/// Keys of the planners that refit a Gaussian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sampling {
    /// Rounds of sampling and refitting.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iterations: usize,
    /// Action sequences tried per round and task.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub samples: usize,
    /// Best sequences of a round that the next Gaussian is fitted to. Left out: an eighth of the samples, at least two; for MPPI all.
    #[schemars(range(min = 2))]
    pub elites: Option<usize>,
    /// Best sequences of a round that take part in the next; the warm start takes part in the first.
    #[schemars(range(min = 0))]
    pub keep: usize,
    /// Standard deviation of the first round: in the actions' units, or `{ share = 1.0 }` of half the width of their box.
    pub init_std: Width,
    /// Least standard deviation of the later rounds: in the actions' units, or `{ share = 0.05 }` of half the width of their box. MPPI at a
    /// small temperature lives on it.
    pub min_std: Width,
    /// Share of the old mean and standard deviation in the new ones: 0 forgets them.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f32,
    /// Which sequence is the plan.
    pub returns: Returned,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            iterations: 3,
            samples: 64,
            elites: None,
            keep: 1,
            init_std: Width::share(1.0),
            min_std: Width::share(0.05),
            momentum: 0.0,
            returns: Returned::Mean,
        }
    }
}

impl Sampling {
    /// `elites`, or an eighth of the samples.
    pub fn elites(&self) -> usize {
        self.elites.unwrap_or((self.samples / 8).max(2).min(self.samples))
    }

    pub(crate) fn style(&self, elites: usize) -> Style {
        let Sampling { iterations: rounds, init_std, returns, .. } = *self;
        Style { rounds, elites, init_std, returns, ..Style::default() }
    }

    /// Moves the belief's Gaussian to the elites of a round; `std` says whether its standard deviation moves too.
    pub(crate) fn refit(
        &self,
        belief: &mut Belief,
        round: &Round,
        weights: Weights,
        std: bool,
    ) -> Result<(), PlanError> {
        let (new_mean, new_std) = round.elites.moments(weights)?;
        let mix = |old: &Tensor<3>, new: Tensor<3>| match self.momentum {
            0.0 => new,
            momentum => new * (1.0 - momentum) + old.clone() * momentum,
        };
        belief.mean = mix(&belief.mean, new_mean);
        if std {
            belief.std = mix(&belief.std, new_std);
            let least = self.min_std.along(&belief.half_widths).expand(belief.std.dims());
            belief.std = belief.std.clone().max_pair(least);
        }
        Ok(())
    }

    /// Checks the keys, for so many elites.
    pub(crate) fn check(&self, elites: usize) -> Result<(), PlanError> {
        let Sampling { samples, keep, .. } = *self;
        at_least(self.iterations, 1, "iterations")?;
        at_least(samples, 2, "samples")?;
        at_least(elites, 2, "elites")?;
        let wrong = |key: &str, reason| Err(PlanError::config(key, reason));
        if elites > samples {
            return wrong("elites", format!("{elites} elites of {samples} samples; expected at most as many"));
        }
        if keep > elites {
            return wrong("keep", format!("{keep} kept of {elites} elites; expected at most as many"));
        }
        if keep >= samples {
            return wrong("keep", format!("{keep} kept of {samples} samples; nothing new would be tried"));
        }
        self.init_std.check("init_std", false)?;
        self.min_std.check("min_std", true)?;
        between(self.momentum, (0.0..1.0).contains(&self.momentum), "momentum", "0 to below 1")
    }

    /// With rounds and samples for so many futures: few rounds of many samples, 2 for a handful, 6 for hundreds, 8 for thousands. The mean
    /// is imagined too.
    pub(crate) fn budgeted(&self, futures: usize) -> Self {
        let iterations = rounds_for(futures);
        let samples = (futures.saturating_sub(1) / iterations).max(3);
        Sampling { iterations, samples, elites: None, keep: 1, ..self.clone() }
    }
}

/// Rounds that suit so many futures.
pub(crate) fn rounds_for(futures: usize) -> usize {
    ((futures as f64).log2() / 1.6).round().clamp(2.0, 10.0) as usize
}

/// A correlation of consecutive control steps.
pub(crate) fn check_smoothness(smoothness: f32) -> Result<(), PlanError> {
    between(smoothness, (0.0..1.0).contains(&smoothness), "smoothness", "0 to below 1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cem, Mppi, Scored, Strategy};
    use serde_json::{Value, json};

    /// The belief's mean and standard deviation after one update from four sequences of one number, on the host and as on a device; the
    /// two elites are -1 (energy 2) and 3 (energy 1).
    fn updates<S: Strategy + serde::de::DeserializeOwned>(keys: Value) -> [[f32; 2]; 2] {
        let strategy: S = serde_json::from_value(keys).unwrap();
        [true, false].map(|on_host| {
            let device = Device::flex();
            let actions = Tensor::<3>::from_data([[[9.0], [-1.0], [3.0], [7.0]]], &device);
            let energy = Tensor::<2>::from_data([[5.0, 2.0, 1.0, f32::INFINITY]], &device);
            let tried = Scored::new(actions, energy, None, on_host).unwrap();
            let elites = tried.best(strategy.style().elites).unwrap();
            let best = elites.first();
            assert_eq!(best.actions.clone().into_scalar::<f32>(), 3.0);
            assert_eq!(best.energy.into_scalar::<f32>(), 1.0);
            let mean = Tensor::zeros([1, 1, 1], &device);
            let half_widths = mean.ones_like();
            let std = strategy.style().init_std.along(&half_widths);
            let mut belief = Belief {
                mean,
                std,
                middle: half_widths.zeros_like(),
                half_widths,
                memory: Vec::new(),
                elites: None,
                best: None,
                known: vec![Vec::new()],
            };
            let round = Round { number: 0, tried, elites, gradient: None, lost: None };
            strategy.refine(&mut belief, &round).unwrap();
            [belief.mean, belief.std].map(|number| number.into_scalar::<f32>())
        })
    }

    fn close(found: [[f32; 2]; 2], expected: [f32; 2]) {
        let near = |found: [f32; 2]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(found.into_iter().all(near), "{found:?}, expected {expected:?}");
    }

    #[test]
    fn one_cem_update_is_the_elites_mean_and_unbiased_deviation() {
        // ((-1 - 1)^2 + (3 - 1)^2) / (2 - 1) = 8
        close(updates::<Cem>(json!({ "samples": 4, "elites": 2 })), [1.0, 8f32.sqrt()]);
    }

    #[test]
    fn momentum_keeps_a_share_of_the_old_and_min_std_is_a_floor() {
        let keys = json!({ "samples": 4, "elites": 2, "momentum": 0.25 });
        close(updates::<Cem>(keys), [0.75, 0.75 * 8f32.sqrt() + 0.25]);
        let keys = json!({ "samples": 4, "elites": 2, "momentum": 0.25, "min_std": 3.5 });
        close(updates::<Cem>(keys), [0.75, 3.5]);
    }

    #[test]
    fn one_mppi_update_weighs_by_the_exponential_of_the_energy() {
        let keys = json!({ "samples": 4, "elites": 2, "temperature": 1.0 / 3f32.ln() });
        // exp(-ln 3 * (2 - 1)) = 1/3: weights 3/4 and 1/4, mean 2, variance 3/4 * 1 + 1/4 * 9 = 3
        close(updates::<Mppi>(keys.clone()), [2.0, 3f32.sqrt()]);
        let mut fixed = keys;
        fixed["update_std"] = json!(false);
        close(updates::<Mppi>(fixed), [2.0, 1.0]);
    }

    #[test]
    fn elites_without_a_finite_energy_are_left_out() {
        for [mean, _] in updates::<Cem>(json!({ "samples": 4, "elites": 4 })) {
            assert!((mean - 11.0 / 3.0).abs() < 1e-6, "{mean}");
        }
    }
}

//! Scripted policies by weight, one drawn for each episode.

use std::collections::BTreeMap;

use gedanken_env::{Rng, Spec};
use rand::RngExt;

use crate::DataError;

/// The name of whoever acted in recordings.
pub(crate) const RECORDED: &str = "recorded";

/// Policies by name with their shares; one is drawn for each episode.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyMix {
    /// Name and share of each, in the order of the names; the shares add up to 1.
    policies: Vec<(String, f64)>,
}

impl PolicyMix {
    /// A mix of an environment's policies by weight; the weights need not add up to 1. No weights at all mean the
    /// environment's first policy; of recordings, `recorded`.
    ///
    /// # Errors
    /// [`DataError::Config`] for a name the environment does not have, a weight that is negative or not finite, or
    /// weights that are all zero.
    pub fn new(weights: &BTreeMap<String, f64>, spec: &Spec) -> Result<Self, DataError> {
        let known = || spec.policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(", ");
        if weights.is_empty() {
            let first = spec.policies.first().map(|policy| policy.name.clone());
            // Whoever acted in recordings is not known.
            let first = first.or_else(|| spec.recorded.as_ref().map(|_| RECORDED.to_owned()));
            let first = first
                .ok_or_else(|| DataError::config("data.policies", "none", format!("a policy of {}", spec.name)))?;
            return Ok(Self { policies: vec![(first, 1.0)] });
        }
        for (name, &weight) in weights {
            let key = format!("data.policies.{name}");
            if !spec.policies.iter().any(|policy| &policy.name == name) {
                return Err(DataError::config(&key, "no such policy", format!("one of {}'s: {}", spec.name, known())));
            }
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(DataError::config(&key, weight, "a weight that is not negative"));
            }
        }
        let total: f64 = weights.values().sum();
        if !(total.is_finite() && total > 0.0) {
            return Err(DataError::config(
                "data.policies",
                format!("weights that add up to {total}"),
                "a positive sum",
            ));
        }
        let policies = weights.iter().map(|(name, weight)| (name.clone(), weight / total)).collect();
        Ok(Self { policies })
    }

    /// Names and shares, in the order of the names; [`crate::Episode::policy`] counts in this order.
    pub fn policies(&self) -> &[(String, f64)] {
        &self.policies
    }

    /// Draws the number of a policy.
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let mut left: f64 = rng.random();
        for (index, (_, share)) in self.policies.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return index;
            }
        }
        // Only rounding leads here: the last that can be drawn at all.
        self.policies.iter().rposition(|(_, share)| *share > 0.0).unwrap_or(0)
    }
}

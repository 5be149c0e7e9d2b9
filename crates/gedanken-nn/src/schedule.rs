//! Numbers that change in the course of a training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Progress of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Updates done.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
}

/// A number, or one that changes with the updates: `0.5`, or `{ from = 1.0, to = 0.1, steps = 2000 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Schedule {
    /// The same throughout.
    Constant(#[schemars(range(min = 0.0))] f64),
    /// From one number to another.
    Ramp(Ramp),
}

/// From one number to another, and constant after that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// At the first update.
    #[schemars(range(min = 0.0))]
    pub from: f64,
    /// At the end.
    #[schemars(range(min = 0.0))]
    pub to: f64,
    /// Updates that it takes. Default: the whole training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub steps: Option<u64>,
    /// The way between. Default `linear`.
    #[serde(default)]
    pub shape: Shape,
}

/// The way from one number to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A straight line.
    #[default]
    Linear,
    /// Half a cosine, flat at both ends.
    Cosine,
}

impl Schedule {
    /// The number at an update.
    pub fn at(&self, progress: Progress) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Ramp(ramp) => {
                let steps = ramp.steps.unwrap_or(progress.steps).max(1);
                let share = (progress.step as f64 / steps as f64).min(1.0);
                let share = match ramp.shape {
                    Shape::Linear => share,
                    Shape::Cosine => 0.5 - 0.5 * (std::f64::consts::PI * share).cos(),
                };
                ramp.from + (ramp.to - ramp.from) * share
            }
        }
    }

    /// True where it is 0 throughout.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Constant(value) => *value == 0.0,
            Self::Ramp(ramp) => ramp.from == 0.0 && ramp.to == 0.0,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, step: u64) -> f64 {
        serde_json::from_str::<Schedule>(json).unwrap().at(Progress { step, steps: 100 })
    }

    #[test]
    fn a_schedule_is_a_number_or_a_ramp() {
        assert_eq!(at("0.5", 70), 0.5);
        assert_eq!(at(r#"{ "from": 1.0, "to": 0.0, "steps": 50 }"#, 25), 0.5);
        assert_eq!(at(r#"{ "from": 1.0, "to": 0.0, "steps": 50 }"#, 70), 0.0);
        assert_eq!(at(r#"{ "from": 0.996, "to": 1.0 }"#, 100), 1.0);
    }

    #[test]
    fn a_cosine_is_byols() {
        // BYOL (arXiv:2006.07733), section 3.3: 1 - (1 - base) (cos(pi k / K) + 1) / 2.
        let byol = |k: f64| 1.0 - (1.0 - 0.996) * ((std::f64::consts::PI * k / 100.0).cos() + 1.0) / 2.0;
        for step in [0, 10, 50, 99] {
            let ours = at(r#"{ "from": 0.996, "to": 1.0, "shape": "cosine" }"#, step);
            assert!((ours - byol(step as f64)).abs() < 1e-12);
        }
    }
}

//! Lengths in the space of actions: of a first belief, of a step down.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PlanError;
use crate::planner::between;

/// A length in the space of actions, for every number of an action: in the actions' units, or as a share of half the width of their box
/// ([`Bounds::half_widths`](crate::Bounds::half_widths)), which suits any box. In a box from -1 to 1 both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Width {
    /// In the actions' units.
    Units(#[schemars(range(min = 0.0))] f32),
    /// `{ share = 0.5 }`: of half the width of the box.
    Share(Share),
}

/// A share of half the width of a box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The share.
    #[schemars(range(min = 0.0))]
    pub share: f32,
}

impl Width {
    /// A share of half the width of the box.
    pub const fn share(share: f32) -> Self {
        Width::Share(Share { share })
    }

    /// For every number of a sequence, `[1, 1, length]`, from [`Belief::half_widths`](crate::Belief::half_widths).
    pub fn along(self, half_widths: &Tensor<3>) -> Tensor<3> {
        match self {
            Width::Units(width) => half_widths.ones_like() * width,
            Width::Share(Share { share }) => half_widths.clone() * share,
        }
    }

    /// For one number of an action, in its units, where half the width of the box is this.
    pub(crate) fn at(self, half_width: f32) -> f32 {
        match self {
            Width::Units(width) => width,
            Width::Share(Share { share }) => half_width * share,
        }
    }

    /// So many times as long.
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        match self {
            Width::Units(width) => Width::Units(width * factor),
            Width::Share(Share { share }) => Width::share(share * factor),
        }
    }

    /// The longer of two where both are in the same units, else this.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        match (self, other) {
            (Width::Units(a), Width::Units(b)) => Width::Units(a.max(b)),
            (Width::Share(a), Width::Share(b)) => Width::share(a.share.max(b.share)),
            _ => self,
        }
    }

    /// Checks the key of this name: finite, and above zero unless that is allowed.
    pub(crate) fn check(self, key: &str, zero: bool) -> Result<(), PlanError> {
        let number = self.at(1.0);
        let range = if zero { "0 or more" } else { "a positive number" };
        between(number, number > 0.0 || (zero && number == 0.0), key, range)
    }
}

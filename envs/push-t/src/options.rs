//! The keys of the `[env]` table of an experiment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::Shape;
use crate::success::Success;

/// The options of push-T.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Side of the picture, px. DINO-WM, stable-worldmodel and LeWM use 224, gym-pusht 96.
    #[schemars(range(min = 16, max = 512))]
    pub size: usize,
    /// Meaning of an action.
    pub action: Action,
    /// The block.
    pub shape: Shape,
    /// Place of the goal.
    pub goal: Goal,
    /// The rule of success.
    pub success: Success,
    /// Mark every contact by a short red line, as in the field's pictures and data: pixels reveal contact.
    pub contact_marks: bool,
    /// Place a state of seven numbers as gym-pusht does: position first, then the angle about the centre of
    /// gravity, which moves the position.
    pub legacy_placement: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: 224,
            action: Action::Relative,
            shape: Shape::T,
            goal: Goal::Random,
            success: Success::Joint,
            contact_marks: true,
            legacy_placement: false,
        }
    }
}

/// Meaning of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A target for the agent relative to where it is at the start of the control step, in units of 100 px within -1 to 1:
    /// DINO-WM's, stable-worldmodel's, LeWM's.
    #[default]
    Relative,
    /// A target in px of the world, 0 to 512: gym-pusht's.
    Absolute,
}

/// Place of the goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Agent and block anywhere, drawn like a start.
    #[default]
    Random,
    /// The block on the T on the floor, the agent anywhere.
    Fixed,
}

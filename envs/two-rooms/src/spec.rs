//! The names, units and ranges of everything that goes in and out.

use gedanken_env::{ActionSpace, Factor, FactorKind, Field, Label, ObservationSpace, PolicyInfo, Spec};

use crate::options::{NAME, Options};
use crate::render::Look;
use crate::rooms::SIZE;

/// The largest step, px: each number of an action, and its norm.
pub const MAX_ACTION: f64 = 2.45;

/// The values of the factors of variation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// How the picture is drawn.
    pub look: Look,
    /// Half the width of the door, px.
    pub door_half_width: f64,
    /// Standard deviation of the noise on each number of an action, px.
    pub action_noise: f64,
    /// What an action is multiplied by.
    pub action_gain: f64,
}

impl Default for Factors {
    fn default() -> Self {
        let look = Look { dot_std: 1.3, dot_brightness: 255.0, wall_brightness: 255.0 };
        Self { look, door_half_width: 4.0, action_noise: 0.0, action_gain: 1.0 }
    }
}

impl Factors {
    /// The factor of this name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "dot_std" => &mut self.look.dot_std,
            "dot_brightness" => &mut self.look.dot_brightness,
            "wall_brightness" => &mut self.look.wall_brightness,
            "door_half_width" => &mut self.door_half_width,
            "action_noise" => &mut self.action_noise,
            "action_gain" => &mut self.action_gain,
            _ => return None,
        })
    }
}

/// The spec of an environment with these options.
pub fn spec(options: &Options) -> Spec {
    let factor = |name: &str, kind, low, high, about: &str| {
        let default = Factors::default().get_mut(name).map_or(low, |value| *value);
        Factor { name: name.to_owned(), kind, default, low, high, about: about.to_owned() }
    };
    let policy = |name: &str, about: &str| PolicyInfo { name: name.to_owned(), about: about.to_owned() };
    let label = |name: &str, size| Label { name: name.to_owned(), size, unit: "px".to_owned() };
    let field = |name: &str| {
        let unit = if name == "noise" { "1" } else { "px" };
        Field { name: name.to_owned(), unit: unit.to_owned() }
    };
    let max = MAX_ACTION as f32;
    Spec {
        name: NAME.to_owned(),
        about: "A dot goes to a place in one of two rooms, which are joined by a door.".to_owned(),
        observation: ObservationSpace { channels: 2, height: SIZE, width: SIZE },
        action: ActionSpace {
            low: vec![-max; 2],
            high: vec![max; 2],
            max_norm: options.clip_actions.then_some(max),
            unit: "px".to_owned(),
        },
        state: ["x", "y", "wall_x", "door_y", "goal_x", "goal_y", "noise"].map(field).into(),
        labels: vec![label("agent", 2), label("wall", 1), label("door", 1)],
        factors: vec![
            factor("dot_std", FactorKind::Visual, 0.8, 3.0, "standard deviation of the dot, px"),
            factor("dot_brightness", FactorKind::Visual, 32.0, 255.0, "brightness of the middle of the dot, of 255"),
            factor("wall_brightness", FactorKind::Visual, 32.0, 255.0, "brightness of the walls, of 255"),
            factor(
                "door_half_width",
                FactorKind::Physical,
                2.0,
                6.0,
                "half the width of the door, px; it is also seen",
            ),
            factor("action_noise", FactorKind::Physical, 0.0, 1.0, "standard deviation of the noise on actions, px"),
            factor("action_gain", FactorKind::Physical, 0.5, 1.5, "what an action is multiplied by"),
        ],
        policies: vec![
            policy("heading", "a walk whose heading drifts: EB-JEPA's training data; starts anywhere"),
            policy("door", "a heading walk through the door: the forced crossings of EB-JEPA's training data"),
            policy("random", "a walk with a fresh heading at each step; starts anywhere"),
            policy("expert", "the shortest path to the goal, through the door"),
            policy("straight", "straight to the goal, blind to walls: the floor that a planner has to beat"),
            policy("uniform", "each number of the action uniform in its bounds"),
        ],
    }
}

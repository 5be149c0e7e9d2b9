//! The names, units and ranges of everything that goes in and out.

use gedanken_env::{ActionSpace, Factor, FactorKind, Field, Label, ObservationSpace, PolicyInfo, Spec, TaskInfo};

use crate::options::{NAME, Options};
use crate::render::Look;
use crate::rooms::SIZE;

/// The largest step, px: each number of an action, and its norm.
pub const MAX_ACTION: f64 = 2.45;

/// The values of the factors of variation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// The picture's brightness and sharpness.
    pub look: Look,
    /// Half the width of the door, px.
    pub door_half_width: f64,
    /// Standard deviation of the noise on each number of an action, px.
    pub action_noise: f64,
    /// Factor on every action.
    pub action_gain: f64,
    /// Length by which every step is blown up or down, one as likely as the other, px.
    pub gust: f64,
    /// Dots that jump about among the walls at random and mean nothing.
    pub distractors: f64,
}

impl Default for Factors {
    fn default() -> Self {
        let look = Look { dot_std: 1.3, dot_brightness: 255.0, wall_brightness: 255.0 };
        Self { look, door_half_width: 4.0, action_noise: 0.0, action_gain: 1.0, gust: 0.0, distractors: 0.0 }
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
            "gust" => &mut self.gust,
            "distractors" => &mut self.distractors,
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
    let field = |name: &str| Field::new(name, if name == "noise" { "1" } else { "px" });
    let max = MAX_ACTION as f32;
    Spec {
        labels: vec![Label::new("agent", 2, "px"), Label::new("wall", 1, "px"), Label::new("door", 1, "px")],
        task: Some(TaskInfo::new(options.success_radius, "px")),
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
            factor(
                "distractors",
                FactorKind::Visual,
                0.0,
                16.0,
                "dots that jump about among the walls and mean nothing",
            ),
            factor("action_noise", FactorKind::Physical, 0.0, 1.0, "standard deviation of the noise on actions, px"),
            factor("action_gain", FactorKind::Physical, 0.5, 1.5, "what an action is multiplied by"),
            factor("gust", FactorKind::Physical, 0.0, 3.0, "px by which a step is blown up or down, at even odds"),
        ],
        policies: vec![
            PolicyInfo::new("heading", "a walk whose heading drifts: EB-JEPA's training data; starts anywhere"),
            PolicyInfo::new("door", "a heading walk through the door: the forced crossings of EB-JEPA's training data"),
            PolicyInfo::new("random", "a walk with a fresh heading at each step; starts anywhere"),
            PolicyInfo::new("expert", "the shortest path to the goal, through the door"),
            PolicyInfo::new("straight", "straight to the goal, blind to walls: the floor that a planner has to beat"),
            PolicyInfo::new("uniform", "each number of the action uniform in its bounds"),
        ],
        ..Spec::new(
            NAME,
            "A dot goes to a place in one of two rooms, which are joined by a door.",
            ObservationSpace { channels: 2, height: SIZE, width: SIZE },
            ActionSpace { max_norm: options.clip_actions.then_some(max), ..ActionSpace::cube(2, -max, max, "px") },
            ["x", "y", "wall_x", "door_y", "goal_x", "goal_y", "noise"].map(field),
        )
    }
}

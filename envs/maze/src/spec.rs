//! The names, units and ranges of everything that goes in and out.

use gedanken_env::{ActionSpace, Factor, FactorKind, Field, Label, ObservationSpace, PolicyInfo, Spec, TaskInfo};

use crate::dynamics::Laws;
use crate::options::{NAME, Options};
use crate::render::Look;

/// The values of the factors of variation.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    floor_color: f64,
    wall_color: f64,
    ball_color: f64,
    ball_size: f64,
    ball_radius: f64,
    motor: f64,
    damping: f64,
}

impl Default for Factors {
    fn default() -> Self {
        Self {
            floor_color: f64::from(0x00_295a),
            wall_color: f64::from(0xc4_925a),
            ball_color: f64::from(0x5a_e6e6),
            ball_size: 0.2,
            ball_radius: 0.1,
            motor: 1.0,
            damping: 1.0,
        }
    }
}

impl Factors {
    /// The factor of this name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "floor_color" => &mut self.floor_color,
            "wall_color" => &mut self.wall_color,
            "ball_color" => &mut self.ball_color,
            "ball_size" => &mut self.ball_size,
            "ball_radius" => &mut self.ball_radius,
            "motor" => &mut self.motor,
            "damping" => &mut self.damping,
            _ => return None,
        })
    }

    /// The laws of motion.
    pub fn laws(&self) -> Laws {
        Laws { gain: self.motor, damping: self.damping, radius: self.ball_radius }
    }

    /// The colours.
    pub fn look(&self) -> Look {
        let color = |number: f64| {
            let [_, red, green, blue] = (number.round() as u32).to_be_bytes();
            [red, green, blue]
        };
        Look {
            floor: color(self.floor_color),
            wall: color(self.wall_color),
            ball: color(self.ball_color),
            radius: self.ball_size,
        }
    }
}

/// The spec of an environment with these options.
pub fn spec(options: &Options) -> Spec {
    let factor = |name: &str, kind, [low, high]: [f64; 2], about: &str| {
        let default = Factors::default().get_mut(name).map_or(low, |value| *value);
        Factor { name: name.to_owned(), kind, default, low, high, about: about.to_owned() }
    };
    let visual = |name: &str, range, about: &str| factor(name, FactorKind::Visual, range, about);
    let physical = |name: &str, range, about: &str| factor(name, FactorKind::Physical, range, about);
    let color = |name: &str, about: &str| visual(name, [0.0, f64::from(0xff_ffff)], &format!("{about}, 0xRRGGBB"));
    let numbers = ["x", "y", "vx", "vy", "goal_x", "goal_y", "goal_vx", "goal_vy"].map(|name| {
        let unit = if name.contains('v') { "cells/s" } else { "cells" };
        Field::new(name, unit)
    });
    let rows = (0..options.cells).map(|row| Field::new(&format!("row_{row}"), "bits"));
    let walls = options.cells * options.cells;
    Spec {
        labels: vec![
            Label::new("agent", 2, "cells"),
            Label::new("velocity", 2, "cells/s"),
            Label::new("walls", walls, "1"),
        ],
        task: Some(TaskInfo::new(options.success_radius, "cells")),
        factors: vec![
            color("floor_color", "the floor"),
            color("wall_color", "the walls"),
            color("ball_color", "the ball"),
            visual("ball_size", [0.1, 0.4], "radius of the ball in the picture, cells"),
            physical("ball_radius", [0.06, 0.2], "radius of the ball where it meets walls, cells; its mass stays"),
            physical("motor", [0.5, 1.5], "what the motors' force is multiplied by"),
            physical("damping", [0.0, 20.0], "damping of the ball, N s/m"),
        ],
        policies: vec![
            PolicyInfo::new(
                "random",
                "a fresh force at every step from a start at some speed: PLDM's training data; starts anywhere",
            ),
            PolicyInfo::new("expert", "the shortest path to the goal, braking at corners and at its end"),
            PolicyInfo::new("straight", "straight to the goal, blind to walls: the floor that a planner has to beat"),
            PolicyInfo::new("uniform", "each number of the action uniform in its bounds"),
        ],
        ..Spec::new(
            NAME,
            "A ball with momentum rolls to a place in a maze.",
            ObservationSpace { channels: 3, height: options.size, width: options.size },
            ActionSpace::cube(2, -1.0, 1.0, "100 N"),
            numbers.into_iter().chain(rows),
        )
    }
}

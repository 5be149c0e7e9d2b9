//! The names, units and ranges of everything that goes in and out.

use std::f64::consts::{FRAC_PI_4, PI};

use gedanken_env::{ActionSpace, Factor, FactorKind, Field, Label, ObservationSpace, PolicyInfo, Spec, TaskInfo};

use crate::broadphase::TOUCHERS;
use crate::options::{Action, Options};
use crate::physics::Laws;
use crate::render::Look;
use crate::surface::Color;

/// The name in the registry.
pub const NAME: &str = "push-t";

/// The values of the factors of variation.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    agent_color: f64,
    block_color: f64,
    target_color: f64,
    background_color: f64,
    wall_color: f64,
    show_target: f64,
    target_x: f64,
    target_y: f64,
    target_angle: f64,
    agent_radius: f64,
    block_scale: f64,
    friction: f64,
    damping: f64,
    mass: f64,
    control_gain: f64,
}

impl Factors {
    /// The defaults for these options.
    pub fn new(options: &Options) -> Self {
        Self {
            agent_color: f64::from(0x41_69e1),
            block_color: f64::from(0x77_8899),
            target_color: f64::from(0x90_ee90),
            background_color: f64::from(0xff_ffff),
            wall_color: f64::from(0xd3_d3d3),
            show_target: 1.0,
            target_x: 256.0,
            target_y: 256.0,
            target_angle: FRAC_PI_4,
            agent_radius: 15.0,
            block_scale: options.shape.default_scale(),
            friction: 0.0,
            damping: 0.0,
            mass: 1.0,
            control_gain: 100.0,
        }
    }

    /// The factor of this name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "agent_color" => &mut self.agent_color,
            "block_color" => &mut self.block_color,
            "target_color" => &mut self.target_color,
            "background_color" => &mut self.background_color,
            "wall_color" => &mut self.wall_color,
            "show_target" => &mut self.show_target,
            "target_x" => &mut self.target_x,
            "target_y" => &mut self.target_y,
            "target_angle" => &mut self.target_angle,
            "agent_radius" => &mut self.agent_radius,
            "block_scale" => &mut self.block_scale,
            "friction" => &mut self.friction,
            "damping" => &mut self.damping,
            "mass" => &mut self.mass,
            "control_gain" => &mut self.control_gain,
            _ => return None,
        })
    }

    /// The laws of motion.
    pub fn laws(&self, options: &Options) -> Laws {
        Laws {
            geometry: options.shape.geometry(self.block_scale),
            mass: self.mass,
            damping: self.damping,
            friction: self.friction,
            radius: self.agent_radius,
            gain: self.control_gain,
        }
    }

    /// The colours.
    pub fn look(&self) -> Look {
        let color = |number: f64| Color::from_number(number.round() as u32);
        Look {
            background: color(self.background_color),
            target: color(self.target_color),
            show_target: self.show_target >= 0.5,
            target_pose: ([self.target_x, self.target_y], self.target_angle),
            wall: color(self.wall_color),
            block: color(self.block_color),
            agent: color(self.agent_color),
        }
    }
}

/// The spec of an environment with these options.
pub fn spec(options: &Options) -> Spec {
    let factor = |name: &str, kind, [low, high]: [f64; 2], about: &str| {
        let default = Factors::new(options).get_mut(name).map_or(low, |value| *value);
        Factor { name: name.to_owned(), kind, default, low, high, about: about.to_owned() }
    };
    let visual = |name: &str, range, about: &str| factor(name, FactorKind::Visual, range, about);
    let physical = |name: &str, range, about: &str| factor(name, FactorKind::Physical, range, about);
    let color = |name: &str, about: &str| visual(name, [0.0, f64::from(0xff_ffff)], &format!("{about}, 0xRRGGBB"));
    let ([low, high], unit) = match options.action {
        Action::Relative => ([-1.0, 1.0], "100 px"),
        Action::Absolute => ([0.0, 512.0], "px"),
    };
    Spec {
        labels: vec![
            Label::new("agent", 2, "px"),
            Label::new("block", 2, "px"),
            Label::new("angle", 2, "cos, sin"),
            Label::new("velocity", 2, "px/s"),
        ],
        task: Some(TaskInfo::new(options.success.radius(), options.success.unit())),
        factors: vec![
            color("agent_color", "rim of the agent; inside it is lighter"),
            color("block_color", "outline of the block; inside it is lighter"),
            color("target_color", "the T on the floor"),
            color("background_color", "the floor"),
            color("wall_color", "the walls"),
            visual("show_target", [0.0, 1.0], "whether there is a T on the floor: 1 or 0"),
            visual("target_x", [50.0, 450.0], "where the T on the floor is, px; with goal = \"fixed\" it is the goal"),
            visual("target_y", [50.0, 450.0], "where the T on the floor is, px"),
            visual("target_angle", [-PI, PI], "angle of the T on the floor, radians"),
            physical("agent_radius", [5.0, 30.0], "radius of the agent, px; it is also seen"),
            physical("block_scale", [20.0, 60.0], "scale of the block, px; it is also seen"),
            physical("friction", [0.0, 1.0], "friction of every contact"),
            physical("damping", [0.0, 1.0], "share of the block's velocity that is left after a second"),
            physical("mass", [0.25, 4.0], "mass of the block; the agent is kinematic, so it changes nothing"),
            physical("control_gain", [25.0, 225.0], "stiffness of the agent's controller, 1/s²; critically damped"),
        ],
        policies: vec![
            PolicyInfo::new("weak", "uniform actions that keep the agent near the block: stable-worldmodel's data"),
            PolicyInfo::new("noisy", "the expert, with a noise of its own in every episode: data of mixed skill"),
            PolicyInfo::new(
                "expert",
                "pushes the block to the goal, then goes there itself: plans on the true physics",
            ),
            PolicyInfo::new(
                "pusher",
                "begins beside the block and pushes it from random sides, in strokes of random length and speed: data of contact",
            ),
            PolicyInfo::new("uniform", "each number of the action uniform in its bounds"),
        ],
        ..Spec::new(
            NAME,
            "A disc pushes a block to a pose.",
            ObservationSpace { channels: 3, height: options.size, width: options.size },
            ActionSpace::cube(2, low, high, unit),
            fields(options),
        )
    }
}

/// The numbers of the state, in order.
fn fields(options: &Options) -> Vec<Field> {
    let seen = [
        ("agent_x", "px"),
        ("agent_y", "px"),
        ("block_x", "px"),
        ("block_y", "px"),
        ("angle", "rad"),
        ("agent_vx", "px/s"),
        ("agent_vy", "px/s"),
        ("goal_agent_x", "px"),
        ("goal_agent_y", "px"),
        ("goal_block_x", "px"),
        ("goal_block_y", "px"),
        ("goal_angle", "rad"),
        ("goal_agent_vx", "px/s"),
        ("goal_agent_vy", "px/s"),
        ("center_x", "px"),
        ("center_y", "px"),
        ("block_vx", "px/s"),
        ("block_vy", "px/s"),
        ("block_turn", "rad/s"),
        ("bias_vx", "px/s"),
        ("bias_vy", "px/s"),
        ("bias_turn", "rad/s"),
    ];
    let mut fields: Vec<(String, &str)> = seen.iter().map(|&(name, unit)| (name.to_owned(), unit)).collect();
    let boxes = options.shape.geometry(1.0).boxes.len();
    for number in 0..boxes {
        for toucher in 0..TOUCHERS {
            let who = if toucher == 0 { "agent".to_owned() } else { format!("wall{toucher}") };
            let contacts = if toucher == 0 { 1 } else { 2 };
            fields.push((format!("box{number}_{who}_age"), "substeps"));
            for contact in 0..contacts {
                for (what, unit) in [("key", "1"), ("impulse", "px/s"), ("drag", "px/s")] {
                    fields.push((format!("box{number}_{who}_{what}{contact}"), unit));
                }
            }
        }
    }
    for leaf in 0..=boxes {
        for bound in ["left", "top", "right", "bottom"] {
            fields.push((format!("leaf{leaf}_{bound}"), "px"));
        }
        fields.push((format!("leaf{leaf}_pairs"), "1"));
    }
    fields.push(("tree".to_owned(), "1"));
    fields.into_iter().map(|(name, unit)| Field::new(&name, unit)).collect()
}

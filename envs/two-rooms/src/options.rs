//! The keys of the `[env]` table of an experiment.

use std::fmt::Display;

use gedanken_env::EnvError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rooms::{DOOR_RANGE, WALL_RANGE};

/// The name in the registry.
pub const NAME: &str = "two-rooms";

/// The options of Two-Rooms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The rule of a move into a wall.
    pub rule: Rule,
    /// A wall and a door for each layout, or the same for all.
    pub walls: Walls,
    /// Middle column of the inner wall when `walls = "fixed"`, px.
    #[schemars(range(min = 12, max = 52))]
    pub wall_x: u32,
    /// Middle row of the door when `walls = "fixed"`, px.
    #[schemars(range(min = 10, max = 54))]
    pub door_y: u32,
    /// Ranges `[low, high]` of wall columns, ends included, that are kept out of training.
    pub hold_out: Vec<[u32; 2]>,
    /// The wall columns that are drawn, by `hold_out`.
    pub layouts: Layouts,
    /// The rooms of start and goal.
    pub task: Task,
    /// A distance to the goal below this is success, px.
    #[schemars(range(min = 0.1, max = 64.0))]
    pub success_radius: f64,
    /// Clip actions to the box and the ball of the action space. The environment of PLDM and EB-JEPA
    /// takes any action as it is; so does this one when `false`.
    pub clip_actions: bool,
    /// Step length of the `expert` policy, px.
    #[schemars(range(min = 0.1, max = 2.45))]
    pub expert_step: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rule: Rule::Stop,
            walls: Walls::Random,
            wall_x: 32,
            door_y: 18,
            hold_out: Vec::new(),
            layouts: Layouts::All,
            task: Task::OtherRoom,
            success_radius: 4.5,
            clip_actions: true,
            expert_step: 1.8,
        }
    }
}

/// The rule of a move into a wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A blocked move leaves the dot where it was (the rule of EB-JEPA's and PLDM's training data).
    #[default]
    Stop,
    /// A blocked move ends where the wall was hit, and N(0, 0.5²) px away from it (the rule of their planning
    /// environment).
    Bounce,
}

/// A wall and a door for each layout, or the same for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Walls {
    /// Wall column 20..=44 and door row 10..=54, integers drawn uniformly.
    #[default]
    Random,
    /// Always `wall_x` and `door_y`.
    Fixed,
}

/// The wall columns that are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layouts {
    /// All of them.
    #[default]
    All,
    /// Those that are not in `hold_out`.
    Train,
    /// Those in `hold_out`.
    HeldOut,
}

/// The rooms of start and goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// In different rooms ("normal" in EB-JEPA).
    #[default]
    OtherRoom,
    /// Each anywhere.
    Any,
}

impl Options {
    /// The wall columns that these options draw from.
    ///
    /// # Errors
    /// [`EnvError::Option`] when a number is out of its range, or when no wall column is left.
    pub fn wall_columns(&self) -> Result<Vec<u32>, EnvError> {
        let within = |what: &str, value: f64, low: f64, high: f64| {
            let inside = (low..=high).contains(&value);
            if inside { Ok(()) } else { Err(bad_option(what, value, format!("{low} to {high}"))) }
        };
        within("option wall_x", self.wall_x.into(), *WALL_RANGE.start(), *WALL_RANGE.end())?;
        within("option door_y", self.door_y.into(), *DOOR_RANGE.start(), *DOOR_RANGE.end())?;
        within("option success_radius", self.success_radius, 0.1, 64.0)?;
        within("option expert_step", self.expert_step, 0.1, 2.45)?;
        if let Some(range) = self.hold_out.iter().find(|[low, high]| low > high) {
            return Err(bad_option("option hold_out", format!("{range:?}"), "ranges [low, high] with low <= high"));
        }
        let columns = match self.walls {
            Walls::Random => 20..=44,
            Walls::Fixed => self.wall_x..=self.wall_x,
        };
        let held_out = |x: &u32| self.hold_out.iter().any(|[low, high]| (low..=high).contains(&x));
        let columns: Vec<u32> = match self.layouts {
            Layouts::All => columns.collect(),
            Layouts::Train => columns.filter(|x| !held_out(x)).collect(),
            Layouts::HeldOut => columns.filter(held_out).collect(),
        };
        if columns.is_empty() {
            return Err(bad_option("option layouts", "without any wall column", "a hold_out that leaves one"));
        }
        Ok(columns)
    }
}

/// The error of an option.
fn bad_option(what: &str, found: impl Display, expected: impl Display) -> EnvError {
    EnvError::option(NAME, what, found, expected)
}

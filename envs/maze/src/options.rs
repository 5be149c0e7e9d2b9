//! The keys of the `[env]` table of an experiment.

use std::fmt::Display;

use gedanken_env::EnvError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::maze::Maze;

/// The name in the registry.
pub const NAME: &str = "maze";

/// The options of the maze.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Rows and columns of cells inside the outer wall: 4 in PLDM's mazes, 8 in HWM's large ones.
    #[schemars(range(min = 4, max = 8))]
    pub cells: usize,
    /// Side of the picture, px; a cell is `size / (cells + 4)` px wide.
    #[schemars(range(min = 16, max = 512))]
    pub size: usize,
    /// Number of training layouts, drawn once from `layout_seed`. 0: any layout, but for a tenth of all that is held out.
    #[schemars(range(min = 0, max = 1000))]
    pub train_layouts: usize,
    /// Seed of the training layouts.
    pub layout_seed: u64,
    /// The layouts that are drawn, by `train_layouts`.
    pub layouts: Layouts,
    /// Least number of cells from start to goal, along the shortest path. Layouts without such a pair are not drawn.
    #[schemars(range(min = 1, max = 19))]
    pub distance_min: u32,
    /// Greatest number of cells from start to goal, along the shortest path.
    #[schemars(range(min = 1, max = 64))]
    pub distance_max: u32,
    /// A distance to the goal below this is success, cells.
    #[schemars(range(min = 0.01, max = 8.0))]
    pub success_radius: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cells: 4,
            size: 64,
            train_layouts: 5,
            layout_seed: 0,
            layouts: Layouts::All,
            distance_min: 3,
            distance_max: 64,
            success_radius: 0.5,
        }
    }
}

/// The layouts that are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layouts {
    /// All of them.
    #[default]
    All,
    /// The training layouts.
    Train,
    /// Those that are no training layouts.
    HeldOut,
}

impl Options {
    /// # Errors
    /// [`EnvError::Option`] when a number is out of its range.
    pub fn check(&self) -> Result<(), EnvError> {
        let within = |what: &str, value: f64, low: f64, high: f64| {
            let inside = (low..=high).contains(&value);
            if inside { Ok(()) } else { Err(bad_option(what, value, format!("{low} to {high}"))) }
        };
        within("option cells", self.cells as f64, 4.0, 8.0)?;
        within("option size", self.size as f64, 16.0, 512.0)?;
        within("option train_layouts", self.train_layouts as f64, 0.0, 1000.0)?;
        within("option success_radius", self.success_radius, 0.01, 8.0)?;
        let longest = Maze::longest_allowed(self.cells);
        within("option distance_min", self.distance_min.into(), 1.0, longest.into())?;
        within("option distance_max", self.distance_max.into(), self.distance_min.into(), 64.0)
    }
}

/// The error of an option.
pub fn bad_option(what: &str, found: impl Display, expected: impl Display) -> EnvError {
    EnvError::option(NAME, what, found, expected)
}

//! The layouts that a reset draws from, and its start and goal.

use gedanken_env::{EnvError, Rng, derive_seed, rng};
use rand::RngExt;

use crate::dynamics::Point;
use crate::maze::Maze;
use crate::options::{self, Options};

/// With `train_layouts = 0`, one layout of so many is held out.
const HELD_OUT: u64 = 10;

/// Start and goal are within this of the middle of their cells, on each axis, cells.
const SPREAD: f64 = 0.1;

/// Training layouts and the rule of what is drawn.
#[derive(Debug)]
pub struct Layouts {
    options: Options,
    /// All training layouts, where they are few.
    train: Vec<Maze>,
}

impl Layouts {
    /// # Errors
    /// [`EnvError::Option`] when no training layout has a start and a goal as far apart as the options ask for.
    pub fn new(options: &Options) -> Result<Self, EnvError> {
        let mut rng = rng(options.layout_seed, &[]);
        let mut train = Vec::with_capacity(options.train_layouts);
        while train.len() < options.train_layouts {
            let maze = Maze::draw(options.cells, &mut rng);
            if !train.contains(&maze) {
                train.push(maze);
            }
        }
        let layouts = Self { options: options.clone(), train };
        if options.layouts == options::Layouts::Train
            && !layouts.train.is_empty()
            && !layouts.train.iter().any(|&maze| layouts.has_task(maze))
        {
            let longest = layouts.train.iter().map(|maze| maze.longest()).max().unwrap_or(0);
            let expected = format!("at most {longest}, the longest path of the training layouts");
            return Err(options::bad_option("option distance_min", options.distance_min, expected));
        }
        Ok(layouts)
    }

    /// Draws a layout in which there is a task.
    pub fn draw(&self, rng: &mut Rng) -> Maze {
        loop {
            let maze = match self.options.layouts {
                options::Layouts::Train if !self.train.is_empty() => self.train[rng.random_range(0..self.train.len())],
                _ => Maze::draw(self.options.cells, rng),
            };
            let wanted = match self.options.layouts {
                options::Layouts::All => true,
                options::Layouts::Train => self.trains(maze),
                options::Layouts::HeldOut => !self.trains(maze),
            };
            if wanted && self.has_task(maze) {
                return maze;
            }
        }
    }

    /// True of a training layout.
    pub fn trains(&self, maze: Maze) -> bool {
        match self.train.is_empty() {
            true => !derive_seed(self.options.layout_seed, &[maze.free]).is_multiple_of(HELD_OUT),
            false => self.train.contains(&maze),
        }
    }

    /// Connected cells are apart by every number up to the longest.
    fn has_task(&self, maze: Maze) -> bool {
        maze.longest() >= self.options.distance_min
    }

    /// Draws a start and a goal; in a layout without two cells that are far enough apart, those that are farthest apart.
    pub fn draw_task(&self, maze: Maze, rng: &mut Rng) -> [Point; 2] {
        let low = self.options.distance_min.min(maze.longest());
        let pairs = maze.pairs(low, self.options.distance_max);
        pairs[rng.random_range(0..pairs.len())].map(|cell| near(maze, cell, rng))
    }
}

/// A place in a cell, near its middle.
pub fn near(maze: Maze, cell: usize, rng: &mut Rng) -> Point {
    maze.place(cell).map(|corner| corner as f64 + 0.5 + SPREAD * (2.0 * rng.random::<f64>() - 1.0))
}

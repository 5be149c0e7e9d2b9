//! The state, by name.

use gedanken_env::Env;

use crate::dynamics::{Ball, clear};
use crate::maze::{Maze, all};

/// Numbers of the state before the rows of the maze.
const BALLS: usize = 8;

/// No state is faster, cells/s.
const TOP_SPEED: f64 = 10.0;

/// Ball, goal and maze.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    /// The ball.
    pub ball: Ball,
    /// The ball as it is at the goal.
    pub goal: Ball,
    /// The maze.
    pub maze: Maze,
}

impl Scene {
    /// The scene of an environment of this crate.
    pub fn of(env: &dyn Env) -> Self {
        let mut state = vec![0.0; env.spec().state.len()];
        env.state(&mut state);
        Self::from_state(&state)
    }

    fn from_state(state: &[f64]) -> Self {
        let (balls, rows) = state.split_at(BALLS);
        let ball = |numbers: &[f64]| Ball { at: [numbers[0], numbers[1]], velocity: [numbers[2], numbers[3]] };
        let cells = rows.len();
        let free = rows.iter().enumerate().fold(0, |free, (row, &bits)| free | (bits as u64) << (row * cells));
        Self { ball: ball(&balls[..4]), goal: ball(&balls[4..]), maze: Maze { cells, free } }
    }

    /// The state, f64 `[8 + cells]`.
    pub fn to_state(self) -> Vec<f64> {
        let Maze { cells, free } = self.maze;
        let balls = [self.ball, self.goal].into_iter().flat_map(|ball| ball.at.into_iter().chain(ball.velocity));
        let rows = (0..cells).map(|row| (free >> (row * cells) & ((1 << cells) - 1)) as f64);
        balls.chain(rows).collect()
    }

    /// A state that can be, in a maze of so many cells and for a ball of a radius; or what would be right.
    pub fn possible(state: &[f64], cells: usize, radius: f64) -> Result<Self, String> {
        if state.len() != BALLS + cells {
            return Err(format!("{} numbers", BALLS + cells));
        }
        let most = f64::from((1u32 << cells) - 1);
        if state[BALLS..].iter().any(|&bits| bits.fract() != 0.0 || !(0.0..=most).contains(&bits)) {
            return Err(format!("rows that are integers from 0 to {most}, a bit for each free cell"));
        }
        let scene = Self::from_state(state);
        if scene.maze.free & !all(cells) != 0 || !scene.maze.connected() {
            return Err("rows of two or more free cells that are all connected".to_owned());
        }
        for (what, ball) in [("", scene.ball), ("goal_", scene.goal)] {
            if !clear(scene.maze, ball.at, radius) {
                return Err(format!("{what}x and {what}y in a free cell and {radius} away from all walls"));
            }
            if !ball.velocity.iter().all(|v| v.abs() <= TOP_SPEED) {
                return Err(format!("{what}vx and {what}vy from -{TOP_SPEED} to {TOP_SPEED}"));
            }
        }
        Ok(scene)
    }
}

//! Draws of a reset: wall and door, start and goal.

use gedanken_env::Rng;
use rand::RngExt;

use crate::options::{Options, Task, Walls};
use crate::rooms::{BORDER, HALF_WALL, Point};

/// Starts and goals keep two widths of the dot (2 · 1.3 px) away from walls.
const PADDING: f64 = 2.6;

/// Draws the middle column of the wall and the middle row of the door.
pub fn draw_layout(options: &Options, columns: &[u32], rng: &mut Rng) -> [f64; 2] {
    let wall_x = columns[rng.random_range(0..columns.len())];
    let door_y = match options.walls {
        Walls::Random => rng.random_range(10..=54),
        Walls::Fixed => options.door_y,
    };
    [wall_x.into(), door_y.into()]
}

/// Draws a start and a goal.
pub fn draw_task(task: Task, wall_x: f64, rng: &mut Rng) -> [Point; 2] {
    let (first, last) = (BORDER[0] + PADDING, BORDER[1] - PADDING);
    let (left, right) = (wall_x - HALF_WALL - PADDING, wall_x + HALF_WALL + PADDING);
    let mut uniform = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
    match task {
        Task::OtherRoom => {
            let a = [uniform(first, left), uniform(first, last)];
            let b = [uniform(right, last), uniform(first, last)];
            if rng.random() { [a, b] } else { [b, a] }
        }
        Task::Any => [(); 2].map(|()| {
            let x = uniform(first, last - (right - left));
            [if x < left { x } else { x + (right - left) }, uniform(first, last)]
        }),
    }
}

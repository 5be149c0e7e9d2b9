//! A ball on two motors: MuJoCo's point mass of D4RL's mazes, with contacts of our own.
//!
//! Theirs: mass, damping, gear, substep, the clipping of velocities before every substep, and MuJoCo's semi-implicit Euler step,
//! which takes damping at the end of the step. Ours: contacts are hard, without friction and without bounce (MuJoCo's give way a
//! little, and bounce hardly).

use std::f64::consts::PI;

use crate::maze::Maze;

/// A place, cells, or a velocity, cells/s: x to the right, y down. The inner grid begins at (0, 0).
pub type Point = [f64; 2];

/// A control step is so many substeps.
pub const SUBSTEPS: usize = 4;
/// Length of a substep, s.
pub const SUBSTEP: f64 = 0.01;
/// Greatest velocity on each axis with which a substep begins, cells/s.
pub const MAX_SPEED: f64 = 5.0;
/// Force of a motor at an action of 1, N.
const GEAR: f64 = 100.0;
/// Mass of a sphere of radius 0.1 m and a density of 1000 kg/m³, kg.
const MASS: f64 = 4.0 / 3.0 * PI * 0.001 * 1000.0;

/// The laws of motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laws {
    /// Factor on the motors' force.
    pub gain: f64,
    /// Damping, N s/m.
    pub damping: f64,
    /// Radius of the ball where it meets walls, cells. Its mass stays.
    pub radius: f64,
}

/// Place and velocity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ball {
    /// Its middle, cells.
    pub at: Point,
    /// Its velocity, cells/s.
    pub velocity: Point,
}

impl Laws {
    /// The change of velocity in a control step at an action of 1, from rest, cells/s; damping left out.
    pub fn push(&self) -> f64 {
        SUBSTEPS as f64 * SUBSTEP * GEAR * self.gain / (MASS + SUBSTEP * self.damping)
    }

    /// The longest way of a control step, cells: top speed on both axes.
    pub fn longest_step(&self) -> f64 {
        let push = SUBSTEP / (MASS + SUBSTEP * self.damping) * (GEAR * self.gain - self.damping * MAX_SPEED);
        SUBSTEPS as f64 * SUBSTEP * (MAX_SPEED + push) * std::f64::consts::SQRT_2
    }

    /// One control step under an action within ±1.
    pub fn step(&self, maze: Maze, mut ball: Ball, action: Point) -> Ball {
        for _ in 0..SUBSTEPS {
            for (axis, action) in action.into_iter().enumerate() {
                let v = ball.velocity[axis].clamp(-MAX_SPEED, MAX_SPEED);
                let force = GEAR * self.gain * action - self.damping * v;
                ball.velocity[axis] = v + SUBSTEP / (MASS + SUBSTEP * self.damping) * force;
                ball.at[axis] += SUBSTEP * ball.velocity[axis];
            }
            ball = touch(maze, ball, self.radius);
        }
        ball
    }
}

/// Takes the ball out of the walls beside it, and the part of its velocity that leads into them. Its middle is in a free cell: a substep
/// is shorter than a radius.
pub fn touch(maze: Maze, mut ball: Ball, radius: f64) -> Ball {
    let [column, row] = ball.at.map(|at| at.floor() as i64);
    for (axis, cell) in [column, row].into_iter().enumerate() {
        for side in [-1, 1] {
            let free = if axis == 0 { maze.free(column + side, row) } else { maze.free(column, row + side) };
            let away = -side as f64;
            let face = if side < 0 { cell } else { cell + 1 } as f64;
            if !free && (ball.at[axis] - face) * away < radius {
                ball.at[axis] = face + away * radius;
                ball.velocity[axis] = away * (ball.velocity[axis] * away).max(0.0);
            }
        }
    }
    for [right, down] in [[-1, -1], [1, -1], [-1, 1], [1, 1]] {
        let stands_alone =
            !maze.free(column + right, row + down) && maze.free(column + right, row) && maze.free(column, row + down);
        let corner = [column + i64::from(right > 0), row + i64::from(down > 0)].map(|at| at as f64);
        let apart = [ball.at[0] - corner[0], ball.at[1] - corner[1]];
        let squared = apart[0] * apart[0] + apart[1] * apart[1];
        if stands_alone && squared > 0.0 && squared < radius * radius {
            let normal = apart.map(|apart| apart / squared.sqrt());
            let into = (normal[0] * ball.velocity[0] + normal[1] * ball.velocity[1]).min(0.0);
            for axis in 0..2 {
                ball.at[axis] = corner[axis] + radius * normal[axis];
                ball.velocity[axis] -= into * normal[axis];
            }
        }
    }
    ball
}

/// The middle is in a free cell and no wall is within `radius` of it, but for a rounding error.
pub fn clear(maze: Maze, at: Point, radius: f64) -> bool {
    let [column, row] = at.map(|at| at.floor() as i64);
    let moved = touch(maze, Ball { at, velocity: [0.0; 2] }, radius).at;
    maze.free(column, row) && distance(at, moved) < 1e-6
}

/// The Euclidean distance, cells.
pub fn distance(a: Point, b: Point) -> f64 {
    let [x, y] = [a[0] - b[0], a[1] - b[1]];
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: Laws = Laws { gain: 1.0, damping: 1.0, radius: 0.1 };
    /// All of 4 x 4 but the cell in column 2 and row 1.
    const MAZE: Maze = Maze { cells: 4, free: 0xffff & !(1 << 6) };

    fn run(at: Point, velocity: Point, action: Point, steps: usize) -> Ball {
        (0..steps).fold(Ball { at, velocity }, |ball, _| LAWS.step(MAZE, ball, action))
    }

    #[test]
    fn a_step_from_rest_gains_the_published_velocity() {
        let ball = run([1.0, 3.5], [0.0; 2], [1.0, 0.0], 1);
        // 0.04 s of 100 N on 4.19 kg: 0.955 less a few thousandths of damping.
        assert!((ball.velocity[0] - 0.9549).abs() < 7e-3, "{ball:?}");
        assert!((ball.velocity[0] - LAWS.push()).abs() < 4e-3, "{ball:?}");
        assert_eq!(ball.velocity[1], 0.0);
    }

    /// 5.2262554 is the greatest velocity in D4RL's data: clipped to 5, then pushed for one substep.
    #[test]
    fn the_greatest_velocity_is_that_of_the_public_data() {
        let ball = run([0.2, 3.5], [9.0, 0.0], [1.0, 0.0], 5);
        assert!((ball.velocity[0] - 5.226_255_4).abs() < 1e-6, "{ball:?}");
        assert!((ball.at[0] - 0.2 - 20.0 * 0.01 * 5.226_255_4).abs() < 1e-6, "{ball:?}");
        assert!((LAWS.longest_step() - 0.04 * 5.226_255_4 * 2f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_ball_stops_at_a_wall_and_slides_along_it() {
        let ball = run([1.5, 1.2], [0.0; 2], [1.0, 0.3], 7);
        assert!((ball.at[0] - 1.9).abs() < 1e-12 && ball.velocity[0] == 0.0, "{ball:?}");
        assert!(ball.at[1] > 1.3 && ball.velocity[1] > 1.0, "{ball:?}");
        let ball = run([1.5, 3.5], [0.0; 2], [1.0, 1.0], 60);
        assert_eq!((ball.at, ball.velocity), ([3.9, 3.9], [0.0; 2]));
    }

    #[test]
    fn a_ball_rolls_around_a_corner() {
        let ball = run([2.5, 0.5], [0.0; 2], [-1.0, 0.4], 9);
        assert!(ball.at[0] < 2.0 && ball.at[1] > 0.9, "{ball:?}");
        let mut ball = Ball { at: [2.05, 0.89], velocity: [-1.0, 0.5] };
        for _ in 0..20 {
            ball = LAWS.step(MAZE, ball, [-0.2, 0.5]);
            assert!(clear(MAZE, ball.at, LAWS.radius), "{ball:?}");
            let corner = distance(ball.at, [2.0, 1.0]);
            assert!(corner > 0.1 - 1e-9 || ball.at[0] > 2.0, "{ball:?}");
        }
        assert!(ball.at[1] > 1.0, "{ball:?}");
    }

    #[test]
    fn a_place_in_or_near_a_wall_is_not_clear() {
        for (at, is_clear) in [
            ([2.5, 1.5], false),
            ([1.95, 1.5], false),
            ([1.9, 1.5], true),
            ([0.05, 0.5], false),
            ([-0.5, 0.5], false),
            ([1.95, 0.95], false),
            ([1.92, 0.92], true),
            ([f64::NAN, 0.5], false),
        ] {
            assert_eq!(clear(MAZE, at, 0.1), is_clear, "{at:?}");
        }
    }
}

//! The lot: the car, the goal and the posts, as a state and as they are drawn by chance.

use std::f64::consts::PI;

use gedanken_env::{Env, Rng};
use rand::RngExt;

use crate::car::{BODY, Car, POST, Point, SIDE, apart};

/// Posts in a lot.
pub const POSTS: usize = 2;
/// Numbers of a state.
pub const LEN: usize = 8 + 2 * POSTS;
/// Greatest speed that a state may have, m/s: above the top speed of the strongest motor.
const MAX_SPEED: f64 = 10.0;

/// All that a state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lot {
    /// The car.
    pub car: Car,
    /// The car at the goal.
    pub goal: Car,
    /// The middles of the posts, m.
    pub posts: [Point; POSTS],
}

impl Lot {
    /// The lot of an environment whose state is a lot's.
    pub fn of(env: &dyn Env) -> Self {
        let mut state = [0.0; LEN];
        env.state(&mut state);
        Self::from_state(&state)
    }

    /// As a state: `x, y, heading, speed`, the same of the goal, then `x, y` of every post.
    pub fn to_state(self) -> [f64; LEN] {
        let cars = [self.car, self.goal].into_iter().flat_map(|car| [car.at[0], car.at[1], car.heading, car.speed]);
        let mut numbers = cars.chain(self.posts.into_iter().flatten());
        std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
    }

    fn from_state(state: &[f64; LEN]) -> Self {
        let car = |first: usize| Car {
            at: [state[first], state[first + 1]],
            heading: state[first + 2],
            speed: state[first + 3],
        };
        Self {
            car: car(0),
            goal: car(4),
            posts: std::array::from_fn(|post| [state[8 + 2 * post], state[9 + 2 * post]]),
        }
    }

    /// A state that can be, or what one is.
    pub fn possible(state: &[f64]) -> Result<Self, &'static str> {
        let numbers = state.iter().all(|number| number.is_finite());
        let state: &[f64; LEN] = state.try_into().ok().filter(|_| numbers).ok_or("12 finite numbers")?;
        let lot = Self::from_state(state);
        if !lot.posts.iter().flatten().all(|at| (0.0..=SIDE).contains(at)) {
            return Err("posts in the lot, from 0 to 8 m");
        }
        let moves = |car: &Car| car.heading.abs() <= PI && car.speed.abs() <= MAX_SPEED;
        match [lot.car, lot.goal].iter().all(moves) {
            false => Err("headings within ±π and speeds within ±10 m/s"),
            true if [lot.car, lot.goal].iter().all(|car| car.fits(&lot.posts)) => Ok(lot),
            true => Err("a car and a goal within the lot that touch no post"),
        }
    }

    /// Distance of the car from the goal, m.
    pub fn distance(&self) -> f64 {
        let direction = |car: Car| {
            let (sin, cos) = libm::sincos(car.heading);
            [cos, sin]
        };
        apart(self.car.at, direction(self.car), self.goal.at, direction(self.goal))
    }

    /// Draws the posts, so far from each other and from the walls that a car passes everywhere.
    pub fn draw_posts(rng: &mut Rng) -> [Point; POSTS] {
        loop {
            let posts: [Point; POSTS] = std::array::from_fn(|_| [0, 1].map(|_| rng.random_range(1.7..=SIDE - 1.7)));
            let gap = (posts[0][0] - posts[1][0]).hypot(posts[0][1] - posts[1][1]) - 2.0 * POST;
            if gap >= 1.2 {
                return posts;
            }
        }
    }

    /// A car at rest, anywhere.
    pub fn anywhere(&self, rng: &mut Rng) -> Car {
        loop {
            let at = [0, 1].map(|_| rng.random_range(0.0..=SIDE));
            let car = Car { at, heading: rng.random_range(-PI..PI), speed: 0.0 };
            if car.fits(&self.posts) {
                return car;
            }
        }
    }

    /// Draws a start and a goal, 3 to 6 m apart, a post on the straight line between them.
    pub fn draw_task(self, rng: &mut Rng) -> Self {
        // Most lots have one in the first hundred; a few thousand tries end the search in the others.
        let mut drawn = self;
        for _ in 0..4000 {
            let [car, goal] = [self.anywhere(rng), self.anywhere(rng)];
            drawn = Self { car, goal, ..self };
            let way = (car.at[0] - goal.at[0]).hypot(car.at[1] - goal.at[1]);
            if (3.0..=6.0).contains(&way) && self.posts.iter().any(|&post| between(car.at, goal.at, post)) {
                break;
            }
        }
        drawn
    }
}

/// A car that goes straight from a place to another meets the post.
fn between(from: Point, to: Point, post: Point) -> bool {
    let way = [to[0] - from[0], to[1] - from[1]];
    let off = [post[0] - from[0], post[1] - from[1]];
    let squared = way[0] * way[0] + way[1] * way[1];
    let along = ((off[0] * way[0] + off[1] * way[1]) / squared).clamp(0.0, 1.0);
    (off[0] - along * way[0]).hypot(off[1] - along * way[1]) < POST + BODY[1] / 2.0
}

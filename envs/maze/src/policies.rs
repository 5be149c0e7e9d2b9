//! Scripted ways of acting: the generator of training data, the floors and the ceiling.

use std::f64::consts::TAU;

use gedanken_env::{Env, Policy, Rng, Uniform};
use rand::RngExt;

use crate::dynamics::{Laws, MAX_SPEED, Point, distance};
use crate::layouts::near;
use crate::path::Paths;
use crate::scene::Scene;

/// The expert's distance from walls, cells.
const MARGIN: f64 = 0.2;

/// Its greatest speed, and its speed at a corner, cells/s.
const SPEED: [f64; 2] = [4.0, 2.0];

/// The policy of this name, for an environment with these laws.
pub fn make(name: &str, laws: Laws) -> Option<Box<dyn Policy>> {
    Some(match name {
        "random" => Box::new(Random),
        "expert" => Box::new(Expert { laws, paths: None }),
        "straight" => Box::new(Straight { laws }),
        Uniform::NAME => Box::new(Uniform),
        _ => return None,
    })
}

fn write(action: &mut [f32], force: Point) {
    action.iter_mut().zip(force).for_each(|(a, force)| *a = force as f32);
}

/// A random direction, with a length uniform from 0.
fn any(longest: f64, rng: &mut Rng) -> Point {
    let length = longest * rng.random::<f64>();
    let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
    [length * cos, length * sin]
}

/// `random`: PLDM's data.
struct Random;

impl Policy for Random {
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng) {
        let mut scene = Scene::of(env);
        scene.ball.at = near(scene.maze, scene.maze.any(rng), rng);
        scene.ball.velocity = any(MAX_SPEED, rng);
        let moved = env.set_state(&scene.to_state());
        debug_assert!(moved.is_ok(), "the middle of a free cell is free");
    }

    fn act(&mut self, _: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        write(action, any(1.0, rng));
    }
}

/// The force, of norm 1 at most, that brings the ball nearest to a velocity: towards a place, so fast that it can brake to
/// a speed there.
fn steer(laws: &Laws, scene: &Scene, to: Point, speed_there: f64) -> Point {
    let (push, far) = (laws.push(), distance(scene.ball.at, to));
    // Three quarters of what the motors can do, over the control steps' 0.04 s.
    let braking = 0.75 * push / 0.04;
    let speed = (speed_there * speed_there + 2.0 * braking * far).sqrt().min(SPEED[0]);
    // No more than what ends there within two control steps.
    let speed = speed.min(speed_there.max(far / 0.08));
    let wish = [0, 1].map(|axis| {
        let direction = if far > 0.0 { (to[axis] - scene.ball.at[axis]) / far } else { 0.0 };
        (speed * direction - scene.ball.velocity[axis]) / push
    });
    let norm = distance(wish, [0.0; 2]).max(1.0);
    wish.map(|wish| wish / norm)
}

/// `expert`: along the shortest path that keeps clear of walls.
struct Expert {
    laws: Laws,
    paths: Option<Paths>,
}

impl Policy for Expert {
    fn act(&mut self, env: &dyn Env, _: &mut Rng, action: &mut [f32]) {
        let scene = Scene::of(env);
        let margin = MARGIN.max(self.laws.radius);
        let paths = match self.paths.take() {
            Some(paths) => paths.again(scene.maze, margin, scene.goal.at),
            None => Paths::new(scene.maze, margin, scene.goal.at),
        };
        let (next, rest) = paths.next(scene.ball.at);
        let force = match rest > 0.0 {
            true => steer(&self.laws, &scene, next, SPEED[1]),
            false => steer(&self.laws, &scene, scene.goal.at, 0.0),
        };
        self.paths = Some(paths);
        write(action, force);
    }
}

/// `straight`: towards the goal, whatever is between.
struct Straight {
    laws: Laws,
}

impl Policy for Straight {
    fn act(&mut self, env: &dyn Env, _: &mut Rng, action: &mut [f32]) {
        let scene = Scene::of(env);
        write(action, steer(&self.laws, &scene, scene.goal.at, 0.0));
    }
}

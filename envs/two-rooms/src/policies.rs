//! Scripted ways of acting: the generators of training data, the floors and the ceiling.

use std::f64::consts::{FRAC_PI_4, PI, TAU};

use gedanken_env::{Env, Policy, Rng};
use rand::RngExt;

use crate::path;
use crate::rooms::{BORDER, Point, distance};
use crate::sampling::{truncated_normal, uniform, von_mises};
use crate::spec::{Factors, MAX_ACTION};
use crate::{STATE, Scene};

/// States of a training trajectory; the `door` policy crosses somewhere within its 90 actions.
pub const TRAJECTORY: usize = 91;

/// Concentration of the turns of the heading walk (EB-JEPA: 1 / `action_angle_noise`).
const KAPPA: f64 = 5.0;

/// The expert's distance from walls, px. At a corner of 90° it cuts 2.45 / 2√2 = 0.87 px.
const MARGIN: f64 = 1.0;

/// The policy of this name, for an environment with these factors.
pub fn make(name: &str, factors: &Factors, expert_step: f64) -> Option<Box<dyn Policy>> {
    let half = factors.door_half_width;
    Some(match name {
        "heading" => Box::new(Walk { turns: Turns { kappa: KAPPA, heading: 0.0 }, half }),
        "random" => Box::new(Walk { turns: Turns { kappa: 0.0, heading: 0.0 }, half }),
        "door" => Box::new(Door { steps: Vec::new(), turns: Turns { kappa: KAPPA, heading: 0.0 }, half }),
        "expert" => Box::new(Expert { step: expert_step, gain: factors.action_gain, half }),
        "straight" => Box::new(Straight),
        "uniform" => Box::new(Uniform),
        _ => return None,
    })
}

fn look(env: &dyn Env) -> Scene {
    let mut state = [0.0; STATE];
    env.state(&mut state);
    Scene::from_state(&state)
}

/// Puts the dot near `start`, where it is free.
fn put(env: &mut dyn Env, scene: Scene, start: Point, half: f64) {
    let agent = scene.rooms(half).shrunk(0.01).project(start);
    let moved = env.set_state(&Scene { agent, ..scene }.to_state());
    debug_assert!(moved.is_ok(), "a projected start is free");
}

fn write(action: &mut [f32], step: Point) {
    action.iter_mut().zip(step).for_each(|(a, s)| *a = s as f32);
}

fn polar(length: f64, heading: f64) -> Point {
    let (sin, cos) = heading.sin_cos();
    [length * cos, length * sin]
}

/// Steps of a walk: truncated normal lengths, von Mises turns.
struct Turns {
    kappa: f64,
    heading: f64,
}

impl Turns {
    fn next(&mut self, rng: &mut Rng) -> Point {
        let step = polar(truncated_normal(1.0, 0.4, [0.2, 1.8], rng), self.heading);
        self.heading += von_mises(self.kappa, rng);
        step
    }
}

/// `heading` and `random`: a walk from anywhere.
struct Walk {
    turns: Turns,
    half: f64,
}

impl Policy for Walk {
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng) {
        let scene = look(env);
        let rooms = scene.rooms(self.half);
        let mut start = [(); 2].map(|()| uniform(BORDER[0], BORDER[1], rng));
        if !rooms.free(start) {
            let [left, right] = rooms.faces;
            start[0] = if rng.random() { uniform(BORDER[0], left, rng) } else { uniform(right, BORDER[1], rng) };
        }
        put(env, scene, start, self.half);
        self.turns.heading = uniform(0.0, TAU, rng);
    }

    fn act(&mut self, _: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        write(action, self.turns.next(rng));
    }
}

/// `door`: two walks that leave the door in opposite directions; the first backwards, then the second. Walls may still
/// get in the way.
struct Door {
    /// The rest of the trajectory, last first.
    steps: Vec<Point>,
    turns: Turns,
    half: f64,
}

impl Policy for Door {
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng) {
        let scene = look(env);
        let [left, right] = scene.rooms(self.half).faces;
        let y = scene.door_y + truncated_normal(0.0, 1.4, [-self.half, self.half], rng);
        let mut start = [uniform(left, right, rng), y];
        let out = uniform(-FRAC_PI_4, FRAC_PI_4, rng) + if rng.random() { 0.0 } else { PI };
        let before = rng.random_range(1..TRAJECTORY - 1);

        self.steps.clear();
        self.turns.heading = out + PI;
        let approach: Vec<Point> = (0..before).map(|_| self.turns.next(rng)).collect();
        self.turns.heading = out;
        self.steps.extend((before..TRAJECTORY - 1).map(|_| self.turns.next(rng)));
        self.steps.reverse();
        for [x, y] in approach {
            start = [start[0] + x, start[1] + y];
            self.steps.push([-x, -y]);
        }
        put(env, scene, start.map(|c| c.clamp(BORDER[0] + 0.01, BORDER[1] - 0.01)), self.half);
    }

    fn act(&mut self, _: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let step = self.steps.pop().unwrap_or_else(|| self.turns.next(rng));
        write(action, step);
    }
}

/// `expert`: a constant step along the shortest path that keeps clear of walls.
struct Expert {
    step: f64,
    gain: f64,
    half: f64,
}

impl Expert {
    /// The next place on the way.
    fn next(&self, scene: &Scene) -> Point {
        let rooms = scene.rooms(self.half);
        if distance(scene.agent, scene.goal) <= self.step && rooms.clear(scene.agent, scene.goal) {
            return scene.goal;
        }
        let wide = rooms.shrunk(MARGIN);
        let (from, to) = (wide.project(scene.agent), wide.project(scene.goal));
        let corners = path::corners(&wide, from, to);
        let (mut at, mut left) = (scene.agent, self.step);
        for point in [from].into_iter().chain(corners).chain([to, scene.goal]) {
            let far = distance(at, point);
            if far > left {
                return [at[0] + (point[0] - at[0]) * left / far, at[1] + (point[1] - at[1]) * left / far];
            }
            (at, left) = (point, left - far);
        }
        scene.goal
    }
}

impl Policy for Expert {
    fn act(&mut self, env: &dyn Env, _: &mut Rng, action: &mut [f32]) {
        let scene = look(env);
        let next = self.next(&scene);
        write(action, [(next[0] - scene.agent[0]) / self.gain, (next[1] - scene.agent[1]) / self.gain]);
    }
}

/// `straight`: steps of 1.8 px towards the goal, whatever is between.
struct Straight;

impl Policy for Straight {
    fn act(&mut self, env: &dyn Env, _: &mut Rng, action: &mut [f32]) {
        let Scene { agent, goal, .. } = look(env);
        let scale = (1.8 / distance(agent, goal)).min(1.0);
        write(action, [scale * (goal[0] - agent[0]), scale * (goal[1] - agent[1])]);
    }
}

/// `uniform`: no idea at all.
struct Uniform;

impl Policy for Uniform {
    fn act(&mut self, _: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        write(action, [(); 2].map(|()| uniform(-MAX_ACTION, MAX_ACTION, rng)));
    }
}

//! Scripted ways of acting: the generators of training data, the floor and the ceiling.

use gedanken_env::{Env, Policy, Rng, Uniform};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::options::Action;
use crate::physics::{Laws, Motion};
use crate::state::State;
use crate::success::Pose;
use crate::vector::{Vector, add, length, rotate, scale, sub};

/// The policy of this name, for an environment with these laws.
pub fn make(name: &str, laws: &Laws, action: Action) -> Option<Box<dyn Policy>> {
    let laws = laws.clone();
    Some(match name {
        "weak" => Box::new(Weak { laws, action }),
        "noisy" => Box::new(Expert::new(laws, action, true)),
        "expert" => Box::new(Expert::new(laws, action, false)),
        Uniform::NAME => Box::new(Uniform),
        _ => return None,
    })
}

/// The environment's state.
fn look(env: &dyn Env, laws: &Laws) -> Option<State> {
    let mut numbers = vec![0.0; env.spec().state.len()];
    env.state(&mut numbers);
    State::read(laws, &numbers).ok()
}

/// Writes a relative action, in units of 100 px, in the meaning that the environment takes.
fn write(action: &mut [f32], meaning: Action, from: Vector, relative: Vector) {
    let target = match meaning {
        Action::Relative => relative,
        Action::Absolute => add(from, scale(relative, 100.0)),
    };
    action.iter_mut().zip(target).for_each(|(a, t)| *a = t as f32);
}

/// `weak`: a uniform target, brought into the box of ±100 px around the origin of the block.
struct Weak {
    laws: Laws,
    action: Action,
}

impl Policy for Weak {
    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let Some(State { motion, .. }) = look(env, &self.laws) else { return action.fill(0.0) };
        let block = motion.origin(&self.laws);
        let relative = [0, 1].map(|i| {
            let target = motion.agent[i] + 100.0 * rng.random_range(-1.0..=1.0);
            ((target.clamp(block[i] - 100.0, block[i] + 100.0) - motion.agent[i]) / 100.0).clamp(-1.0, 1.0)
        });
        write(action, self.action, motion.agent, relative);
    }
}

/// Directions of a push, radians from straight into the block.
const SLANTS: [f64; 3] = [-0.5, 0.0, 0.5];
/// Targets of a push, in units of 100 px ahead of the agent: how fast.
const SPEEDS: [f64; 3] = [0.1, 0.2, 0.3];
/// Largest target on the way to a push, in units of 100 px. With it, actions have about the standard deviation of 0.2 that
/// the public data of DINO-WM have.
const FASTEST: f64 = 0.35;
/// Longest push, control steps.
const LONGEST: usize = 12;
/// Places along a side where a push may begin.
const PLACES: usize = 5;
/// Distance of a push's start from the block, px beyond touching.
const CLEAR: f64 = 3.0;
/// A block this near its place needs no push, px (mean over its corners).
const NEAR: f64 = 6.0;

/// `expert` and `noisy`: tries many pushes on the true physics, goes to where the best of them begins, around the block,
/// and carries it out; when the block is in its place, goes to its own. `noisy` takes one of the twelve best pushes
/// at every second choice, and adds noise to its targets; how much, every episode draws anew.
struct Expert {
    laws: Laws,
    action: Action,
    noisy: bool,
    /// Standard deviation of the noise, in units of 100 px.
    noise: f64,
    push: Option<Push>,
}

/// A push: from where, which way, how fast, for how long.
#[derive(Clone, Copy)]
struct Push {
    /// The agent's start, in the block's coordinates about its centre of gravity, px.
    start: Vector,
    /// Its direction, of length 1, in the same coordinates.
    way: Vector,
    speed: f64,
    steps: usize,
    /// The agent has reached the start.
    begun: bool,
}

impl Expert {
    fn new(laws: Laws, action: Action, noisy: bool) -> Self {
        Self { laws, action, noisy, noise: 0.0, push: None }
    }

    /// Mean distance of the block's corners from their places, px.
    fn gap(&self, motion: &Motion, goal: &Pose) -> f64 {
        let (origin, here) = (motion.origin(&self.laws), motion.rotation());
        let there = [goal.angle.cos(), goal.angle.sin()];
        let corners = self.laws.geometry.boxes.iter().flat_map(|shape| shape.corners());
        let (sum, count) = corners.fold((0.0, 0.0), |(sum, count), corner| {
            let now = add(origin, rotate(corner, here));
            (sum + length(sub(now, add(goal.block, rotate(corner, there)))), count + 1.0)
        });
        sum / count
    }

    /// The best push, or, for the noisy one, a good one.
    fn choose(&self, state: &State, rng: &mut Rng) -> Option<Push> {
        let mut tried = Vec::new();
        for shape in &self.laws.geometry.boxes {
            let corners = shape.corners();
            for side in 0..4 {
                let (from, to) = (corners[side], corners[(side + 1) % 4]);
                let along = scale(sub(to, from), 1.0 / length(sub(to, from)));
                let outward = [along[1], -along[0]];
                for place in 0..PLACES {
                    let at = add(from, scale(sub(to, from), (place as f64 + 0.5) / PLACES as f64));
                    let start = add(at, scale(outward, self.laws.radius + CLEAR));
                    let start = sub(start, self.laws.geometry.center);
                    if self.inside(start) {
                        continue;
                    }
                    for slant in SLANTS {
                        let way = rotate(scale(outward, -1.0), [slant.cos(), slant.sin()]);
                        tried.extend(SPEEDS.map(|speed| self.attempt(state, start, way, speed)));
                    }
                }
            }
        }
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
        let choice = if self.noisy && rng.random_bool(0.5) { rng.random_range(0..tried.len().clamp(1, 12)) } else { 0 };
        tried.get(choice).map(|&(_, push)| push)
    }

    /// An agent at this point of the block's coordinates would touch it, or nearly.
    fn inside(&self, point: Vector) -> bool {
        self.laws.geometry.boxes.iter().any(|shape| {
            let way = sub(add(point, self.laws.geometry.center), shape.center);
            let beyond = [0, 1].map(|i| (way[i].abs() - shape.half[i]).max(0.0));
            length(beyond) < self.laws.radius + 0.5 * CLEAR
        })
    }

    /// A push from a start, for as long as it helps: what is left of the gap, and a little for the way to the start.
    fn attempt(&self, state: &State, start: Vector, way: Vector, speed: f64) -> (f64, Push) {
        let mut motion = state.motion;
        let rotation = motion.rotation();
        motion.agent = add(motion.center, rotate(start, rotation));
        motion.agent_velocity = [0.0; 2];
        let travel = length(sub(motion.agent, state.motion.agent));
        let step = scale(rotate(way, rotation), 100.0 * speed);
        let mut best = (f64::INFINITY, 0);
        for steps in 1..=LONGEST {
            let target = add(motion.agent, step);
            motion.control(&self.laws, target);
            let gap = self.gap(&motion, &state.goal);
            if gap < best.0 {
                best = (gap, steps);
            }
        }
        (best.0 + 0.02 * travel, Push { start, way, speed, steps: best.1, begun: false })
    }

    /// The way of an agent at `from` to `to` without touching the block, in the block's coordinates: straight where
    /// nothing is in between, else along a circle around it.
    fn around(&self, from: Vector, to: Vector) -> Vector {
        let way = sub(to, from);
        let free = (0..=16).all(|i| !self.inside(add(from, scale(way, f64::from(i) / 16.0))));
        if free || self.inside(from) && length(way) < 2.0 * self.laws.radius {
            return to;
        }
        let circle = self.laws.geometry.reach + self.laws.radius + 2.0 * CLEAR;
        if length(from) < circle - 1.0 && self.inside(scale(from, 1.0 + 20.0 / length(from).max(1.0))) {
            // In a corner of the block: straight out, away from the nearest side.
            return scale(from, circle / length(from).max(1.0));
        }
        let angle = |at: Vector| at[1].atan2(at[0]);
        let turn = (angle(to) - angle(from) + 3.0 * std::f64::consts::PI).rem_euclid(std::f64::consts::TAU)
            - std::f64::consts::PI;
        let next = angle(from) + turn.clamp(-0.5, 0.5);
        if turn.abs() < 0.15 { to } else { scale([next.cos(), next.sin()], circle.max(length(from).min(1.5 * circle))) }
    }

    /// The next target, relative to the agent, in units of 100 px.
    fn target(&mut self, state: &State, rng: &mut Rng) -> Vector {
        let motion = &state.motion;
        let rotation = motion.rotation();
        let local = |at: Vector| crate::vector::unrotate(sub(at, motion.center), rotation);
        let here = local(motion.agent);
        let go = |to: Vector, most: f64| {
            let way = rotate(sub(to, here), rotation);
            // The controller covers about 40 % of the way in a step.
            scale(way, 0.02_f64.min(most / length(way).max(1e-9)))
        };
        if self.gap(motion, &state.goal) < NEAR {
            self.push = None;
            return go(self.around(here, local(state.goal.agent)), FASTEST);
        }
        let mut push = match self.push {
            Some(push) if push.steps > 0 => push,
            _ => match self.choose(state, rng) {
                Some(push) => push,
                None => return [0.0; 2],
            },
        };
        if !push.begun {
            if length(sub(push.start, here)) > 4.0 {
                self.push = Some(push);
                return go(self.around(here, push.start), FASTEST);
            }
            push.begun = true;
        }
        push.steps -= 1;
        self.push = Some(push);
        scale(rotate(push.way, rotation), push.speed)
    }
}

impl Policy for Expert {
    fn begin(&mut self, _: &mut dyn Env, rng: &mut Rng) {
        let share: f64 = rng.random();
        self.noise = if self.noisy { 0.2 * share } else { 0.0 };
        self.push = None;
    }

    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let Some(state) = look(env, &self.laws) else { return action.fill(0.0) };
        let target = self.target(&state, rng);
        let relative = target.map(|target| {
            let noise: f64 = StandardNormal.sample(rng);
            (target + self.noise * noise).clamp(-1.0, 1.0)
        });
        write(action, self.action, state.motion.agent, relative);
    }
}

//! `pusher`: data that are full of contact.

use gedanken_env::{Env, Policy, Rng};
use rand::RngExt;

use super::beside::{Start, around, clearance, go, here, start};
use super::{look, noisy, write};
use crate::options::Action;
use crate::physics::{Laws, Motion};
use crate::state::State;
use crate::surface::SIDE;
use crate::vector::{Vector, add, length, rotate, scale, sub};

/// Slowest and fastest target of a stroke, in units of 100 px ahead of the agent.
const SPEEDS: [f64; 2] = [0.08, 0.35];
/// Shortest and longest stroke, control steps.
const STEPS: [usize; 2] = [3, 14];
/// Largest direction of a stroke, radians from straight into the block.
const SLANT: f64 = 0.6;
/// Strokes that are drawn where the next one is chosen.
const DRAWN: usize = 3;
/// Draws that may fail before one is taken that leads off the table.
const TRIES: usize = 24;
/// An agent that has slid off the block by so much ends its stroke, px beyond touching.
const PAST: f64 = 8.0;
/// Distance of an agent's start from the edge of the table, px.
const EDGE: f64 = 25.0;
/// Largest standard deviation of the noise of an episode, in units of 100 px.
const NOISE: f64 = 0.1;

/// `pusher`: begins beside the block and pushes it in straight strokes, from a random place beside it, of random direction, speed
/// and length. Of three strokes it takes that which begins nearest; most strokes leave the block on the table. Targets are noisy;
/// how much, every episode draws anew.
pub struct Pusher {
    laws: Laws,
    action: Action,
    /// Standard deviation of the noise, in units of 100 px.
    noise: f64,
    stroke: Option<Stroke>,
}

/// A stroke that is to come or under way.
#[derive(Clone, Copy)]
struct Stroke {
    /// The agent's start, in the block's coordinates about its centre of gravity, px.
    start: Vector,
    /// Its direction, of length 1: until it has begun in the block's coordinates, then in the world's.
    way: Vector,
    /// Targets ahead of the agent, in units of 100 px.
    speed: f64,
    /// Control steps that are left.
    steps: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// On the way to the start.
    Coming,
    /// Not yet at the block.
    Begun,
    /// At the block.
    Touching,
}

impl Pusher {
    /// The pusher of these laws.
    pub fn new(laws: Laws, action: Action) -> Self {
        Self { laws, action, noise: 0.0, stroke: None }
    }

    /// A random stroke.
    fn draw(&self, rng: &mut Rng) -> Option<Stroke> {
        let number = rng.random_range(0..self.laws.geometry.boxes.len());
        let place = start(&self.laws, number, rng.random_range(0..4), rng.random_range(0.0..1.0));
        let slant: f64 = rng.random_range(-SLANT..SLANT);
        let (speed, steps) = (rng.random_range(SPEEDS[0]..SPEEDS[1]), rng.random_range(STEPS[0]..=STEPS[1]));
        let Start { at, outward } = place?;
        let way = rotate(scale(outward, -1.0), [slant.cos(), slant.sin()]);
        Some(Stroke { start: at, way, speed, steps, phase: Phase::Coming })
    }

    /// Of a number of random strokes that stay on the table, the one that begins nearest to the agent.
    fn choose(&self, motion: &Motion, count: usize, rng: &mut Rng) -> Option<Stroke> {
        let (mut nearest, mut other, mut left): (Option<Stroke>, _, _) = (None, None, count);
        for _ in 0..TRIES {
            let Some(stroke) = self.draw(rng) else { continue };
            if !stays(&self.laws, motion, &stroke) {
                other = other.or(Some(stroke));
                continue;
            }
            let way = |stroke: &Stroke| length(sub(stroke.start, here(motion)));
            if nearest.is_none_or(|nearest| way(&stroke) < way(&nearest)) {
                nearest = Some(stroke);
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
        nearest.or(other)
    }

    /// The next target, relative to the agent, in units of 100 px.
    fn target(&mut self, motion: &Motion, rng: &mut Rng) -> Vector {
        let (here, laws) = (here(motion), &self.laws);
        let apart = clearance(laws, here) - laws.radius;
        let goes_on = |stroke: &Stroke| stroke.steps > 0 && !(stroke.phase == Phase::Touching && apart > PAST);
        let Some(mut stroke) = self.stroke.filter(goes_on).or_else(|| self.choose(motion, DRAWN, rng)) else {
            return [0.0; 2];
        };
        if stroke.phase == Phase::Coming {
            if length(sub(stroke.start, here)) > 6.0 {
                self.stroke = Some(stroke);
                return go(motion, around(laws, here, stroke.start));
            }
            (stroke.phase, stroke.way) = (Phase::Begun, rotate(stroke.way, motion.rotation()));
        }
        if apart < 1.0 {
            stroke.phase = Phase::Touching;
        }
        stroke.steps -= 1;
        self.stroke = Some(stroke);
        scale(stroke.way, stroke.speed)
    }
}

/// A stroke begins on the table, and leaves the block there or brings it nearer to the middle.
fn stays(laws: &Laws, motion: &Motion, stroke: &Stroke) -> bool {
    let (rotation, middle) = (motion.rotation(), 0.5 * SIDE as f64);
    let agent = add(motion.center, rotate(stroke.start, rotation));
    // An agent covers about 40 px in a control step for a target of 100 px.
    let end = add(motion.center, scale(rotate(stroke.way, rotation), 40.0 * stroke.speed * stroke.steps as f64));
    (0..2).all(|i| {
        let [agent, now, end] = [agent[i], motion.center[i], end[i]].map(|at| (at - middle).abs());
        agent < middle - EDGE && (end < middle - laws.geometry.reach || end < now)
    })
}

impl Policy for Pusher {
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng) {
        let share: f64 = rng.random();
        (self.noise, self.stroke) = (NOISE * share, None);
        let Some(state) = look(env, &self.laws) else { return };
        let motion = &state.motion;
        let Some(stroke) = self.choose(motion, 1, rng) else { return };
        let agent = add(motion.center, rotate(stroke.start, motion.rotation()));
        let motion = Motion::at_rest(&self.laws, agent, [0.0; 2], motion.origin(&self.laws), motion.angle);
        let mut numbers = vec![0.0; env.spec().state.len()];
        State { motion, ..state }.write(&self.laws, &mut numbers);
        // A state that is refused leaves the agent where it is, and it walks to its stroke.
        let _ = env.set_state(&numbers);
        self.stroke = Some(stroke);
    }

    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let Some(State { motion, .. }) = look(env, &self.laws) else { return action.fill(0.0) };
        let relative = noisy(self.target(&motion, rng), self.noise, rng);
        write(action, self.action, motion.agent, relative);
    }
}

//! `expert` and `noisy`: push the block to the goal by trying many pushes on the true physics.

use gedanken_env::{Env, Policy, Rng};
use rand::RngExt;

use super::beside::{Start, around, go, here, start};
use super::{look, noisy, write};
use crate::options::Action;
use crate::physics::{Laws, Motion, SUBSTEPS};
use crate::state::State;
use crate::success::Pose;
use crate::trial::Trial;
use crate::vector::{Vector, add, length, rotate, scale, sub};

/// Directions of a push, radians from straight into the block.
const SLANTS: [f64; 3] = [-0.5, 0.0, 0.5];
/// Targets of a push, in units of 100 px ahead of the agent: how fast.
const SPEEDS: [f64; 3] = [0.1, 0.2, 0.3];
/// Longest push, control steps.
const LONGEST: usize = 12;
/// Places along a side where a push may begin.
const PLACES: usize = 5;
/// A block this near its place needs no push, px (mean over its corners).
const NEAR: f64 = 6.0;

/// `expert` and `noisy`: tries many pushes on the true physics, goes to where the best of them begins, around the block,
/// and carries it out; when the block is in its place, goes to its own. `noisy` takes one of the twelve best pushes
/// at every second choice, and adds noise to its targets; how much, every episode draws anew.
pub struct Expert {
    laws: Laws,
    action: Action,
    noisy: bool,
    /// Standard deviation of the noise, in units of 100 px.
    noise: f64,
    push: Option<Push>,
}

/// A push: from where, which way, how fast, for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// The block's corners, and where the goal has them.
struct Corners<'a> {
    laws: &'a Laws,
    /// In the block's coordinates, and in the world's.
    pairs: Vec<(Vector, Vector)>,
}

impl<'a> Corners<'a> {
    fn new(laws: &'a Laws, goal: &Pose) -> Self {
        let there = [goal.angle.cos(), goal.angle.sin()];
        let corners = laws.geometry.boxes.iter().flat_map(|shape| shape.corners());
        Self { laws, pairs: corners.map(|corner| (corner, add(goal.block, rotate(corner, there)))).collect() }
    }

    /// Their mean distance from their places, px, for a block with its centre of gravity here, turned so.
    fn gap(&self, center: Vector, rotation: Vector) -> f64 {
        let origin = sub(center, rotate(self.laws.geometry.center, rotation));
        let apart = |(corner, place): &(Vector, Vector)| length(sub(add(origin, rotate(*corner, rotation)), *place));
        self.pairs.iter().map(apart).fold(0.0, |sum, apart| sum + apart) / self.pairs.len() as f64
    }
}

/// One speed of a push while it is tried.
struct Lane<'a> {
    trial: Trial<'a>,
    /// From the agent to its target, px.
    ahead: Vector,
    /// The smallest gap so far, and after how many control steps.
    best: (f64, usize),
    state: Progress,
}

#[derive(PartialEq)]
enum Progress {
    Tried,
    Done,
    /// Only the whole physics tells.
    Unknown,
}

impl Expert {
    /// The expert of these laws, or the noisy one.
    pub fn new(laws: Laws, action: Action, noisy: bool) -> Self {
        Self { laws, action, noisy, noise: 0.0, push: None }
    }

    /// The best push, or, for the noisy one, a good one.
    fn choose(&self, state: &State, rng: &mut Rng) -> Option<Push> {
        let corners = Corners::new(&self.laws, &state.goal);
        let mut tried = Vec::new();
        for number in 0..self.laws.geometry.boxes.len() {
            for side in 0..4 {
                for place in 0..PLACES {
                    let share = (place as f64 + 0.5) / PLACES as f64;
                    let Some(Start { at, outward }) = start(&self.laws, number, side, share) else { continue };
                    for slant in SLANTS {
                        let way = rotate(scale(outward, -1.0), [slant.cos(), slant.sin()]);
                        tried.extend(self.attempt(&state.motion, &corners, at, way));
                    }
                }
            }
        }
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
        let choice = if self.noisy && rng.random_bool(0.5) { rng.random_range(0..tried.len().clamp(1, 12)) } else { 0 };
        tried.get(choice).map(|&(_, push)| push)
    }

    /// Pushes of all speeds from a start, for as long as they help: what is left of the gap, and a little for the way to the
    /// start. They are tried side by side, because a processor can do parts of each at once.
    fn attempt(&self, motion: &Motion, corners: &Corners, start: Vector, way: Vector) -> [(f64, Push); SPEEDS.len()] {
        let rotation = motion.rotation();
        let agent = add(motion.center, rotate(start, rotation));
        let ahead = SPEEDS.map(|speed| scale(rotate(way, rotation), 100.0 * speed));
        let best = match Trial::new(&self.laws, motion, agent) {
            Some(trial) => {
                let mut lanes = ahead.map(|ahead| Lane {
                    trial: trial.clone(),
                    ahead,
                    best: (f64::INFINITY, 0),
                    state: Progress::Tried,
                });
                try_out(&mut lanes, corners);
                lanes.map(|lane| match lane.state {
                    Progress::Unknown => self.simulate(motion, corners, agent, lane.ahead),
                    _ => lane.best,
                })
            }
            None => ahead.map(|ahead| self.simulate(motion, corners, agent, ahead)),
        };
        let travel = length(sub(agent, motion.agent));
        std::array::from_fn(|i| {
            let ((gap, steps), speed) = (best[i], SPEEDS[i]);
            (gap + 0.02 * travel, Push { start, way, speed, steps, begun: false })
        })
    }

    /// The smallest gap of a push, and after how many control steps, by the whole physics.
    fn simulate(&self, motion: &Motion, corners: &Corners, agent: Vector, ahead: Vector) -> (f64, usize) {
        let mut motion = Motion { agent, agent_velocity: [0.0; 2], ..*motion };
        let mut best = (f64::INFINITY, 0);
        for steps in 1..=LONGEST {
            let target = add(motion.agent, ahead);
            motion.control(&self.laws, target);
            let gap = corners.gap(motion.center, motion.rotation());
            if gap < best.0 {
                best = (gap, steps);
            }
        }
        best
    }

    /// The next target, relative to the agent, in units of 100 px.
    fn target(&mut self, state: &State, rng: &mut Rng) -> Vector {
        let motion = &state.motion;
        let (laws, here) = (&self.laws, here(motion));
        if Corners::new(laws, &state.goal).gap(motion.center, motion.rotation()) < NEAR {
            self.push = None;
            let home = Motion { agent: state.goal.agent, ..*motion };
            return go(motion, around(laws, here, super::beside::here(&home)));
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
                return go(motion, around(laws, here, push.start));
            }
            push.begun = true;
        }
        push.steps -= 1;
        self.push = Some(push);
        scale(rotate(push.way, motion.rotation()), push.speed)
    }
}

/// Tries pushes for [`LONGEST`] control steps, or until it is known that the block will move no more.
fn try_out(lanes: &mut [Lane], corners: &Corners) {
    for steps in 1..=LONGEST {
        let mut targets = [[0.0; 2]; SPEEDS.len()];
        targets.iter_mut().zip(&*lanes).for_each(|(target, lane)| *target = add(lane.trial.agent, lane.ahead));
        for _ in 0..SUBSTEPS {
            for (lane, target) in lanes.iter_mut().zip(targets).filter(|(lane, _)| lane.state == Progress::Tried) {
                if !lane.trial.substep(target) {
                    lane.state = Progress::Unknown;
                }
            }
        }
        for lane in lanes.iter_mut().filter(|lane| lane.state == Progress::Tried) {
            let gap = corners.gap(lane.trial.center, lane.trial.rotation);
            if gap < lane.best.0 {
                lane.best = (gap, steps);
            }
            if lane.trial.passed(lane.ahead) {
                lane.state = Progress::Done;
            }
        }
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
        let relative = noisy(self.target(&state, rng), self.noise, rng);
        write(action, self.action, state.motion.agent, relative);
    }
}

#[cfg(test)]
mod tests {
    use gedanken_env::rng;

    use super::*;
    use crate::options::Options;
    use crate::shape::Shape;
    use crate::spec::Factors;

    /// Pushes from random states, beside walls and while the block moves too.
    #[test]
    fn a_push_that_is_tried_ends_as_a_push_that_is_simulated_to_the_last_bit() {
        let (mut tried, mut unknown) = (0, 0);
        for (number, shape) in [Shape::T, Shape::L, Shape::I, Shape::Plus].into_iter().enumerate() {
            let options = Options { shape, size: 16, ..Options::default() };
            let laws = Factors::new(&options).laws(&options);
            let expert = Expert::new(laws.clone(), Action::Relative, false);
            let mut rng = rng(1, &[number as u64]);
            for _ in 0..12 {
                let mut place = |low: f64, high: f64| [0, 1].map(|_| rng.random_range(low..high));
                let (agent, block, goal) = (place(50.0, 450.0), place(60.0, 450.0), place(100.0, 400.0));
                let goal = Pose { agent, block: goal, angle: rng.random_range(0.0..6.0) };
                let corners = Corners::new(&laws, &goal);
                let mut motion = Motion::at_rest(&laws, agent, [0.0; 2], block, rng.random_range(0.0..6.0));
                for _ in 0..rng.random_range(0..8) {
                    let target = add(motion.agent, scale(sub(motion.center, motion.agent), 0.5));
                    motion.control(&laws, target);
                }
                for side in 0..4 {
                    let found = start(&laws, 0, side, rng.random_range(0.0..1.0));
                    let Some(Start { at, outward }) = found else { continue };
                    let turn: f64 = rng.random_range(-0.6..0.6);
                    let way = rotate(scale(outward, -1.0), [turn.cos(), turn.sin()]);
                    let rotation = motion.rotation();
                    let agent = add(motion.center, rotate(at, rotation));
                    let travel = length(sub(agent, motion.agent));
                    for (found, push) in expert.attempt(&motion, &corners, at, way) {
                        let ahead = scale(rotate(way, rotation), 100.0 * push.speed);
                        let (gap, steps) = expert.simulate(&motion, &corners, agent, ahead);
                        assert_eq!((found.to_bits(), push.steps), ((gap + 0.02 * travel).to_bits(), steps));
                        let Some(trial) = Trial::new(&laws, &motion, agent) else {
                            unknown += 1;
                            continue;
                        };
                        let mut lane = [Lane { trial, ahead, best: (f64::INFINITY, 0), state: Progress::Tried }];
                        try_out(&mut lane, &corners);
                        *(if lane[0].state == Progress::Unknown { &mut unknown } else { &mut tried }) += 1;
                    }
                }
            }
        }
        assert!(tried > 200 && unknown > 20, "{tried} tried, {unknown} unknown");
    }
}

//! The full state as numbers: everything that the next substep depends on.

use crate::broadphase::TOUCHERS;
use crate::physics::{Laws, Memory, Motion};
use crate::success::Pose;
use crate::vector::length;

/// Numbers of the field's own state: agent, block, angle, velocity of the agent.
pub const SHORT: usize = 7;

/// Agent and block in motion, and the goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// Agent and block.
    pub motion: Motion,
    /// The goal.
    pub goal: Pose,
    /// The agent's velocity there, px/s: what it feels at the goal; no rule asks for it.
    pub goal_velocity: [f64; 2],
}

/// No coordinate or velocity is larger: beyond, an agent has left for good.
const FAR: f64 = 1e9;

impl State {
    /// Writes all numbers, in the order of the spec's fields.
    pub fn write(&self, laws: &Laws, out: &mut [f64]) {
        let Motion { agent, agent_velocity, center, angle, velocity, bias, ages, memory, broadphase } = &self.motion;
        let mut out = out.iter_mut();
        let mut put = |numbers: &[f64]| {
            for (number, slot) in numbers.iter().zip(&mut out) {
                *slot = *number;
            }
        };
        let goal = &self.goal;
        put(agent);
        put(&self.motion.origin(laws));
        put(&[*angle]);
        put(agent_velocity);
        put(&goal.agent);
        put(&goal.block);
        put(&[goal.angle]);
        put(&self.goal_velocity);
        put(center);
        for (straight, turn) in [velocity, bias] {
            put(straight);
            put(&[*turn]);
        }
        for index in 0..laws.geometry.boxes.len() * TOUCHERS {
            let memory = &memory[index];
            put(&[f64::from(ages[index])]);
            for contact in 0..contacts(index) {
                let key = if contact < usize::from(memory.count) { f64::from(memory.key[contact]) } else { -1.0 };
                put(&[key, memory.normal[contact], memory.tangent[contact]]);
            }
        }
        broadphase.write(&mut put);
    }

    /// Reads all numbers back; what would be right when they cannot be.
    pub fn read(laws: &Laws, numbers: &[f64]) -> Result<Self, String> {
        if let Some(number) = numbers.iter().find(|number| number.is_nan() || number.abs() > FAR) {
            return Err(format!("finite numbers of at most {FAR:e}, not {number}"));
        }
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next().unwrap_or(f64::NAN);
        let (agent, origin, angle) = ([next(), next()], [next(), next()], next());
        let agent_velocity = [next(), next()];
        let goal = Pose { agent: [next(), next()], block: [next(), next()], angle: next() };
        let goal_velocity = [next(), next()];
        let mut motion = Motion::at_rest(laws, agent, agent_velocity, origin, angle);
        motion.center = [next(), next()];
        motion.velocity = ([next(), next()], next());
        motion.bias = ([next(), next()], next());
        let away = length(crate::vector::sub(motion.origin(laws), origin));
        if away > 1e-6 * (1.0 + length(origin)) {
            let belongs =
                "center_x and center_y that belong to block_x, block_y and angle, of a block of this shape and scale";
            return Err(format!("{belongs}; or the first seven numbers alone"));
        }
        for index in 0..laws.geometry.boxes.len() * TOUCHERS {
            let whole =
                |number: f64, most: f64| (number.fract() == 0.0 && (-1.0..=most).contains(&number)).then_some(number);
            let age = next();
            let age = whole(age, 3.0).filter(|&age| age >= 0.0).ok_or("ages of contacts from 0 to 3")?;
            let mut memory = Memory::default();
            for contact in 0..contacts(index) {
                let (key, normal, tangent) = (next(), next(), next());
                let key = whole(key, 7.0).ok_or("keys of contacts from -1 to 7")?;
                if key >= 0.0 && usize::from(memory.count) == contact {
                    memory.count += 1;
                    (memory.key[contact], memory.normal[contact], memory.tangent[contact]) =
                        (key as u8, normal, tangent);
                }
            }
            (motion.ages[index], motion.memory[index]) = (age as u8, memory);
        }
        motion.broadphase.read(&mut next).ok_or("a tree of bounding boxes as it was written")?;
        Ok(Self { motion, goal, goal_velocity })
    }

    /// Agent and block.
    pub fn pose(&self, laws: &Laws) -> Pose {
        Pose { agent: self.motion.agent, block: self.motion.origin(laws), angle: self.motion.angle }
    }
}

/// Most contacts of a pair.
fn contacts(index: usize) -> usize {
    if index.is_multiple_of(TOUCHERS) { 1 } else { 2 }
}

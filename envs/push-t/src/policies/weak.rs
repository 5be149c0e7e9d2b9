//! `weak`: stable-worldmodel's policy for data.

use gedanken_env::{Env, Policy, Rng};
use rand::RngExt;

use super::{look, write};
use crate::options::Action;
use crate::physics::Laws;
use crate::state::State;

/// `weak`: a uniform target, brought into the box of ±100 px around the origin of the block.
pub struct Weak {
    pub laws: Laws,
    pub action: Action,
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

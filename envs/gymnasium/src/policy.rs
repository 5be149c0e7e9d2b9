//! A policy for worlds of which nothing is known.

use gedanken_env::{Env, Policy, Rng};
use rand::RngExt;

/// A random action, held for a random number of steps: it gets further than a new one at every step.
#[derive(Default)]
pub struct Wander {
    action: Vec<f32>,
    left: usize,
}

impl Wander {
    /// Its name.
    pub const NAME: &str = "wander";
    /// Steps that an action is held for, at most.
    const LONGEST: usize = 8;
}

impl Policy for Wander {
    fn begin(&mut self, _: &mut dyn Env, _: &mut Rng) {
        self.left = 0;
    }

    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        if self.left == 0 {
            let space = &env.spec().action;
            let bounds = space.low.iter().zip(&space.high);
            self.action = bounds.map(|(&low, &high)| low + (high - low) * rng.random::<f32>()).collect();
            self.left = rng.random_range(1..=Self::LONGEST);
        }
        self.left -= 1;
        action.copy_from_slice(&self.action);
    }
}

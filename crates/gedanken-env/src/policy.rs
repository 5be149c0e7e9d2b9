//! Scripted ways of acting.

use rand::RngExt;

use crate::{Env, Rng};

/// A scripted way of acting, told everything about the environment.
pub trait Policy: Send {
    /// Starts an episode; may move the environment to where this policy's episodes start (the layout stays).
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng) {
        let _ = (env, rng);
    }

    /// Writes the next action, f32 `[action]`.
    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]);
}

/// Each number of the action uniform in its bounds: the policy of every environment that brings none of its own.
pub struct Uniform;

impl Uniform {
    /// Its name.
    pub const NAME: &str = "uniform";
}

impl Policy for Uniform {
    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        let space = &env.spec().action;
        for ((a, &low), &high) in action.iter_mut().zip(&space.low).zip(&space.high) {
            *a = low + (high - low) * rng.random::<f32>();
        }
    }
}

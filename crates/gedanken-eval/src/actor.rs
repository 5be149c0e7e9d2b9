//! Actors: whoever acts in the tasks of a protocol.

use gedanken_env::{Many, Policy, Rng, rng};

use crate::{EvalError, Planned};

/// Acts in environments that run in step: [`Tasks::run`](crate::Tasks::run) is the loop.
pub trait Actor {
    /// Starts episodes of `steps` control steps; `seed` is that of the actor's random numbers. An actor may move the environments to
    /// where episodes of its own start; under a protocol they start where its tasks do.
    ///
    /// # Errors
    /// An actor that cannot act in these environments.
    fn begin(&mut self, _envs: &mut Many, _steps: usize, _seed: u64) -> Result<(), EvalError> {
        Ok(())
    }

    /// Writes the next actions, f32 `[envs, action]` in the environments' units, after `step` control steps. They keep still
    /// ([`Env::rest`](gedanken_env::Env::rest)) where they are left as they are.
    ///
    /// # Errors
    /// No plan.
    fn act(&mut self, envs: &Many, step: usize, actions: &mut [f32]) -> Result<(), EvalError>;

    /// The cost of planning so far, for an actor that plans.
    fn planned(&self) -> Option<Planned> {
        None
    }
}

/// Nobody: everything keeps still.
pub struct Nobody;

impl Actor for Nobody {
    fn act(&mut self, _: &Many, _: usize, _: &mut [f32]) -> Result<(), EvalError> {
        Ok(())
    }
}

/// Does what was recorded, then keeps still: every environment's own actions, f32 `[steps, action]`.
pub struct Replay<'a>(pub Vec<&'a [f32]>);

impl Actor for Replay<'_> {
    fn act(&mut self, envs: &Many, step: usize, actions: &mut [f32]) -> Result<(), EvalError> {
        let size = actions.len() / envs.len().max(1);
        for (recorded, action) in self.0.iter().zip(actions.chunks_mut(size.max(1))) {
            if let Some(recorded) = recorded.get(step * size..(step + 1) * size) {
                action.copy_from_slice(recorded);
            }
        }
        Ok(())
    }
}

/// Scripted policies of the environments: the `i`-th environment has the `i`-th name, in turn.
pub struct Scripted {
    names: Vec<String>,
    policies: Vec<(Box<dyn Policy>, Rng)>,
}

impl Scripted {
    /// Of these names, at least one.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), policies: Vec::new() }
    }
}

impl Actor for Scripted {
    fn begin(&mut self, envs: &mut Many, _: usize, seed: u64) -> Result<(), EvalError> {
        self.policies.clear();
        for ((index, env), name) in (0..).zip(envs.envs_mut()).zip(self.names.iter().cycle()) {
            let (mut policy, mut random) = (env.policy(name)?, rng(seed, &[index, 1]));
            policy.begin(env.as_mut(), &mut random);
            self.policies.push((policy, random));
        }
        Ok(())
    }

    fn act(&mut self, envs: &Many, _: usize, actions: &mut [f32]) -> Result<(), EvalError> {
        let size = actions.len() / envs.len().max(1);
        let rows = envs.envs().iter().zip(actions.chunks_mut(size.max(1)));
        for ((env, action), (policy, random)) in rows.zip(&mut self.policies) {
            policy.act(env.as_ref(), random, action);
        }
        Ok(())
    }
}

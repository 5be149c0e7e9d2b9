//! The two traits of this crate: a world, and a scripted way of acting in it.

use std::fmt::Display;

use crate::{Rng, Spec};

/// What can go wrong when an environment is built or set. Stepping never fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// A state of the wrong length, or with a number that is not finite or not possible.
    #[error("{env}: state {found}; expected {expected}")]
    State {
        /// The environment.
        env: String,
        /// What was given.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// An option, factor or policy that does not exist or has an impossible value.
    #[error("{env}: {what} {found}; expected {expected}")]
    Option {
        /// The environment.
        env: String,
        /// Which option, factor or policy.
        what: String,
        /// What was given.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// No environment of this name is registered.
    #[error("no environment `{name}`; there are: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The registered names.
        known: String,
    },
}

impl EnvError {
    /// That an environment's option, factor or policy `what` is `found`, which cannot be.
    pub fn option(env: &str, what: &str, found: impl Display, expected: impl Display) -> Self {
        let (found, expected) = (found.to_string(), expected.to_string());
        Self::Option { env: env.to_owned(), what: what.to_owned(), found, expected }
    }
}

/// A simulated world with a goal in it.
///
/// An environment holds one *layout* (what stays the same between episodes of one world: walls, colours, factors of
/// variation), one *state* (what moves) and one *goal*. It is deterministic: everything follows from the seed and the
/// actions, and the state alone decides what follows it (random dynamics keep their random numbers in the state).
pub trait Env: Send + Sync {
    /// What this environment is; constant over its life.
    fn spec(&self) -> &Spec;

    /// Draws a new layout, start and goal.
    fn reset(&mut self, seed: u64);

    /// Keeps the layout and draws a new start and goal.
    fn restart(&mut self, seed: u64);

    /// One control step. An action is `[action]` numbers in the units of the action space; one that is not finite
    /// counts as zero and one out of bounds is brought back into them ([`crate::ActionSpace::clip`]).
    fn step(&mut self, action: &[f32]);

    /// Writes the observation, u8 `[channels, height, width]`, into the caller's buffer.
    fn observe(&self, pixels: &mut [u8]);

    /// Writes the observation that the agent would make at the goal, u8 `[channels, height, width]`.
    fn observe_goal(&self, pixels: &mut [u8]);

    /// Writes the full state, f64 `[state]`: layout, moving parts, goal, random numbers.
    fn state(&self, out: &mut [f64]);

    /// Takes a full state, f64 `[state]`.
    ///
    /// # Errors
    /// [`EnvError::State`] when its length is wrong or a number is impossible; the environment is then unchanged.
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError>;

    /// Takes the first numbers of a state, f64 `[at most state]`. Where an environment knows what belongs to just so many (push-T to
    /// the field's seven), it says so in [`Env::set_state`]; else the others stay as they are.
    ///
    /// # Errors
    /// [`EnvError::State`] when there are too many numbers or an impossible one; the environment is then unchanged.
    fn set_beginning(&mut self, numbers: &[f64]) -> Result<(), EnvError> {
        let Err(refused) = self.set_state(numbers) else { return Ok(()) };
        let mut state = vec![0.0; self.spec().state.len()];
        self.state(&mut state);
        let Some(beginning) = state.get_mut(..numbers.len()) else { return Err(refused) };
        beginning.copy_from_slice(numbers);
        self.set_state(&state)
    }

    /// Makes the goal of what a full state of this environment, f64 `[state]`, shows: the agent is there when it is seen
    /// there. Layout, moving parts and random numbers stay.
    ///
    /// # Errors
    /// [`EnvError::State`] as [`Env::set_state`] gives it; the environment is then unchanged.
    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError>;

    /// Writes the labels, f32 `[labels]`: named numbers of the state, for probes.
    fn labels(&self, out: &mut [f32]);

    /// Writes the labels that hold at the goal, f32 `[labels]`.
    fn goal_labels(&self, out: &mut [f32]);

    /// How far the task is from done, in the unit of the task (pixels in Two-Rooms).
    fn distance(&self) -> f64;

    /// [`Env::distance`] below this is success, unless a protocol says otherwise.
    fn success_radius(&self) -> f64;

    /// Other rules of success that people use for this task; reports give their rates beside the task's own. None by
    /// default.
    fn other_rules(&self) -> Vec<OtherRule> {
        Vec::new()
    }

    /// The true cost-to-go between two rows of labels: the least number of control steps, or `None` where nobody knows.
    fn cost_to_go(&self, labels: &[f32], goal: &[f32]) -> Option<f64>;

    /// Distance between two rows of labels by the plain rule that knows no obstacle, in the unit of [`Env::distance`].
    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> f64;

    /// Writes the action, f32 `[action]`, that keeps still what is still: what an agent does that has arrived. Zeros, unless an
    /// environment's actions are places.
    fn rest(&self, action: &mut [f32]) {
        action.fill(0.0);
    }

    /// Where a place, as the first label gives it, lies in the observation, px from its left and upper edge. By default, labels
    /// count the observation's pixels.
    fn in_picture(&self, place: [f32; 2]) -> [f32; 2] {
        place.map(|at| at + 0.5)
    }

    /// Whether something other than free motion can happen here (a wall within reach, a contact): data collection can
    /// look here more often.
    fn eventful(&self) -> bool;

    /// Sets one factor of variation, for good: it survives [`Env::reset`].
    ///
    /// # Errors
    /// [`EnvError::Option`] when there is no such factor or the value is out of its range.
    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError>;

    /// A scripted policy of this environment, one of [`Spec::policies`].
    ///
    /// # Errors
    /// [`EnvError::Option`] when there is no such policy.
    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError>;

    /// A copy, state and all.
    fn boxed_clone(&self) -> Box<dyn Env>;
}

/// A rule of success beside the task's own, and how far it is from being kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OtherRule {
    /// Its name.
    pub name: &'static str,
    /// How far from done.
    pub distance: f64,
    /// A distance below this is success.
    pub radius: f64,
}

/// A scripted way of acting, told everything about the environment.
pub trait Policy: Send {
    /// Starts an episode; may move the environment to where this policy's episodes start (the layout stays).
    fn begin(&mut self, env: &mut dyn Env, rng: &mut Rng);

    /// Writes the next action, f32 `[action]`.
    fn act(&mut self, env: &dyn Env, rng: &mut Rng, action: &mut [f32]);
}

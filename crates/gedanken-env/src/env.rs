//! The trait [`Env`]: a world.

use crate::{EnvError, Policy, Spec, Uniform};

/// A simulated world.
///
/// Six methods and `Clone` make an environment; with them episodes are collected, models trained and their imagination
/// measured. Every other method belongs to a *capability* that an environment may have. The [`Spec`] declares it, the methods
/// are overridden, and whatever needs a missing one is left out or is an error that names it:
///
/// | capability | declared by | methods | adds |
/// |---|---|---|---|
/// | layouts | | [`restart`](Env::restart) | several episodes of one world |
/// | labels | [`Spec::labels`] | [`labels`](Env::labels) | probes, checks, guardrails, proprioception |
/// | a task | [`Spec::task`] | [`observe_goal`](Env::observe_goal), [`set_goal`](Env::set_goal), [`distance`](Env::distance), with labels [`goal_labels`](Env::goal_labels) | planning and evaluation |
/// | costs of labels | | [`plain_distance`](Env::plain_distance), [`cost_to_go`](Env::cost_to_go) | ceilings: planning with a known cost |
/// | rules of success | | [`other_rules`](Env::other_rules) | their rates beside the task's own |
/// | factors of variation | [`Spec::factors`] | [`set_factor`](Env::set_factor) | shifted looks and physics |
/// | policies | [`Spec::policies`] | [`policy`](Env::policy) | data of some skill, floors, an expert |
/// | sharp pictures | | [`sharp`](Env::sharp) | films in which things are drawn, not enlarged |
///
/// An environment holds one *layout* (what stays the same between episodes of one world: walls, colours, factors of
/// variation), one *state* (what moves) and perhaps one *goal*. It is deterministic: everything follows from the seed and the
/// actions, and the state alone decides what follows it (random dynamics keep their random numbers in the state).
pub trait Env: BoxedClone + Send + Sync {
    /// Spaces, names, units and capabilities; constant over the environment's life.
    fn spec(&self) -> &Spec;

    /// Draws a new layout, start and goal.
    fn reset(&mut self, seed: u64);

    /// One control step. An action is `[action]` numbers in the units of the action space; one that is not finite
    /// counts as zero and one out of bounds is brought back into them ([`crate::ActionSpace::clip`]).
    fn step(&mut self, action: &[f32]);

    /// Writes the observation, u8 `[channels, height, width]`, over whatever is in the buffer.
    fn observe(&self, pixels: &mut [u8]);

    /// Writes the full state, f64 `[state]`: layout, moving parts, goal, random numbers.
    fn state(&self, out: &mut [f64]);

    /// Takes a full state, f64 `[state]`.
    ///
    /// # Errors
    /// [`EnvError::State`] when its length is wrong or a number is impossible; the environment is then unchanged.
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError>;

    /// Keeps the layout and draws a new start and goal. By default a reset: there is nothing to keep.
    fn restart(&mut self, seed: u64) {
        self.reset(seed);
    }

    /// Writes the labels, f32 `[labels]`: named numbers of the state, for probes.
    fn labels(&self, out: &mut [f32]) {
        out.fill(f32::NAN);
    }

    /// Writes the observation that the agent would make at the goal, u8 `[channels, height, width]`.
    fn observe_goal(&self, pixels: &mut [u8]) {
        pixels.fill(0);
    }

    /// Makes the goal of what a full state of this environment, f64 `[state]`, shows: the agent is there when it is seen
    /// there. Layout, moving parts and random numbers stay.
    ///
    /// # Errors
    /// [`EnvError::State`] as [`Env::set_state`] gives it, [`EnvError::Missing`] without a task; the environment is then
    /// unchanged.
    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let _ = state;
        Err(EnvError::missing(self.spec(), "task"))
    }

    /// Writes the labels that hold at the goal, f32 `[labels]`.
    fn goal_labels(&self, out: &mut [f32]) {
        out.fill(f32::NAN);
    }

    /// Distance to the goal, in the task's unit; success below [`TaskInfo::radius`](crate::TaskInfo::radius). By default the
    /// [plain distance](Env::plain_distance) of the labels now and at the goal, infinite where there is none.
    fn distance(&self) -> f64 {
        let mut now = vec![0.0; self.spec().label_len()];
        let mut goal = now.clone();
        self.labels(&mut now);
        self.goal_labels(&mut goal);
        self.plain_distance(&now, &goal).unwrap_or(f64::INFINITY)
    }

    /// Distance between two rows of labels by the plain rule that knows no obstacle, in the task's unit.
    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let _ = (labels, goal);
        None
    }

    /// The true cost-to-go between two rows of labels: the least number of control steps, where it is known.
    fn cost_to_go(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let _ = (labels, goal);
        None
    }

    /// Other rules of success in use for this task; reports give their rates beside the task's own.
    fn other_rules(&self) -> Vec<OtherRule> {
        Vec::new()
    }

    /// Sets one factor of variation, for good: it survives [`Env::reset`].
    ///
    /// # Errors
    /// [`EnvError::Option`] as [`Spec::check_factor`] gives it.
    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        self.spec().check_factor(name, value)?;
        Err(EnvError::missing(self.spec(), "way to set its factors"))
    }

    /// A scripted policy of this environment, one of [`Spec::policies`]. By default [`Uniform`] alone.
    ///
    /// # Errors
    /// [`EnvError::Option`] when there is no such policy.
    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        match name {
            Uniform::NAME => Ok(Box::new(Uniform)),
            _ => Err(self.spec().no_policy(name)),
        }
    }

    /// True where something other than free motion can happen (a wall within reach, a contact): windows can be drawn from
    /// here more often.
    fn eventful(&self) -> bool {
        false
    }

    /// Writes the action, f32 `[action]`, that keeps still what is still: the action of an agent that has arrived. Zeros, unless
    /// an environment's actions are places.
    fn rest(&self, action: &mut [f32]) {
        action.fill(0.0);
    }

    /// The last words of a world that broke: a simulator in another process may. It stands still then, and whatever it was used for ends with
    /// an error. Default none: it cannot break.
    fn fault(&self) -> Option<String> {
        None
    }

    /// The place in the observation, px from its left and upper edge, of a place as the first label gives it. By default,
    /// labels count the observation's pixels.
    fn in_picture(&self, place: [f32; 2]) -> [f32; 2] {
        place.map(|at| at + 0.5)
    }

    /// The observation for people, drawn with `height` rows of pixels: u8 of
    /// [`ObservationSpace::at_height`](crate::ObservationSpace::at_height). Places of [`Env::in_picture`] grow with it. Default none:
    /// films then enlarge the observation.
    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let _ = (show, height);
        None
    }

    /// Takes the first numbers of a state, f64 `[at most state]`. Where an environment knows the rest from just so many (push-T
    /// from the field's seven), [`Env::set_state`] takes them; else the rest stays as it is.
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
}

/// A copy behind a box: every environment that is `Clone` has it.
#[diagnostic::on_unimplemented(message = "an environment must be `Clone`", note = "add #[derive(Clone)] to `{Self}`")]
pub trait BoxedClone {
    /// A copy, state and all.
    fn boxed_clone(&self) -> Box<dyn Env>;
}

impl<E: Env + Clone + 'static> BoxedClone for E {
    fn boxed_clone(&self) -> Box<dyn Env> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Env> {
    fn clone(&self) -> Self {
        self.as_ref().boxed_clone()
    }
}

/// The scene of a sharp picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// The scene of [`Env::observe`].
    Now,
    /// The scene of [`Env::observe_goal`].
    Goal,
    /// The scene without moving things.
    Ground,
}

/// A rule of success beside the task's own, and the distance by it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OtherRule {
    /// Its name.
    pub name: &'static str,
    /// Distance to the goal by this rule.
    pub distance: f64,
    /// A distance below this is success.
    pub radius: f64,
}

//! One episode: simulated from its seeds, remembered as states, drawn only where somebody looks.

use gedanken_env::{ActionSpace, Env, EnvError, Policy, derive_seed, rng};

use crate::{DataError, PolicyMix, batch::row};

// What a derived seed is for, so that no two purposes share a stream.
const LAYOUT: u64 = 1;
const START: u64 = 2;
const POLICY: u64 = 3;
pub(crate) const WINDOW: u64 = 4;
pub(crate) const IMPORTED: u64 = 5;

/// Most control steps of an episode.
pub(crate) const MOST_STEPS: usize = 1 << 20;

/// A recorded trajectory of `steps` actions and `steps + 1` frames, without pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// The number of its layout; episodes of one layout have the same.
    pub layout: u64,
    /// The policy that acted, as counted by [`PolicyMix::policies`].
    pub policy: usize,
    /// f64 `[steps + 1, state]`.
    pub states: Vec<f64>,
    /// f32 `[steps, action]`, inside the action space: what was executed.
    pub actions: Vec<f32>,
    /// f32 `[steps + 1, labels]`.
    pub labels: Vec<f32>,
    /// `[steps + 1]`: [`Env::eventful`] at every frame.
    pub eventful: Vec<bool>,
}

impl Episode {
    /// Frames: one more than actions.
    pub fn frames(&self) -> usize {
        self.eventful.len()
    }
}

/// An environment and the policies whose episodes in it are recorded.
pub struct Recorder {
    env: Box<dyn Env>,
    action: ActionSpace,
    state: usize,
    labels: usize,
    mix: PolicyMix,
    policies: Vec<Box<dyn Policy>>,
    steps: usize,
}

impl Recorder {
    /// A recorder with its own copy of `env`; episodes have `steps` actions.
    ///
    /// # Errors
    /// An environment that does not give out a policy it lists, or an impossible number of steps.
    pub fn new(env: &dyn Env, mix: &PolicyMix, steps: usize) -> Result<Self, DataError> {
        if !(1..=MOST_STEPS).contains(&steps) {
            return Err(DataError::config("data.episode_steps", steps, format!("1 to {MOST_STEPS}")));
        }
        let spec = env.spec();
        let policies = mix.policies().iter().map(|(name, _)| env.policy(name)).collect::<Result<_, _>>()?;
        Ok(Self {
            action: spec.action.clone(),
            state: spec.state.len(),
            labels: spec.label_len(),
            env: env.boxed_clone(),
            mix: mix.clone(),
            policies,
            steps,
        })
    }

    /// Records episode number `index` of layout number `layout`: a function of `(seed, layout, index)`. What
    /// `episode` held before is overwritten, its memory used again.
    ///
    /// # Errors
    /// A world that broke.
    pub fn record(&mut self, seed: u64, layout: u64, index: u64, episode: &mut Episode) -> Result<(), DataError> {
        let frames = self.steps + 1;
        episode.states.resize(frames * self.state, 0.0);
        episode.actions.resize(self.steps * self.action.len(), 0.0);
        episode.labels.resize(frames * self.labels, 0.0);
        episode.eventful.resize(frames, false);

        self.env.reset(derive_seed(seed, &[LAYOUT, layout]));
        self.env.restart(derive_seed(seed, &[START, layout, index]));
        let mut rng = rng(seed, &[POLICY, layout, index]);
        episode.layout = layout;
        episode.policy = self.mix.draw(&mut rng);
        let policy = &mut self.policies[episode.policy];
        policy.begin(&mut *self.env, &mut rng);

        for step in 0..frames {
            let (s, l, a) = (step * self.state, step * self.labels, step * self.action.len());
            self.env.state(&mut episode.states[s..s + self.state]);
            self.env.labels(&mut episode.labels[l..l + self.labels]);
            episode.eventful[step] = self.env.eventful();
            if step < self.steps {
                let action = &mut episode.actions[a..a + self.action.len()];
                policy.act(&*self.env, &mut rng, action);
                self.action.clip(action);
                self.env.step(action);
            }
        }
        whole(&*self.env)
    }

    /// Draws frame `step` of an episode of this environment into `pixels`, u8 `[channels, height, width]`.
    ///
    /// # Errors
    /// A state that the environment refuses.
    pub fn render(&mut self, episode: &Episode, step: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        self.env.set_state(row(&episode.states, step, self.state))?;
        self.env.observe(pixels);
        whole(&*self.env)
    }
}

/// An error, if the world broke.
fn whole(env: &dyn Env) -> Result<(), DataError> {
    env.fault().map_or(Ok(()), |message| Err(EnvError::broken(&env.spec().name, message).into()))
}

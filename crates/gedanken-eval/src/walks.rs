//! Episodes to compare imagination with: of the environment's own policies, or recorded ones.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_data::Source;
use gedanken_env::{Env, Many, derive_seed};

use crate::actor::{Actor, Scripted};
use crate::pieces::located;
use crate::{EvalError, episodes::play};

/// Some episodes of a few blocks of control steps, functions of a seed.
pub(crate) struct Walks {
    /// Episodes.
    pub count: usize,
    /// Blocks of each.
    pub horizon: usize,
    /// Their beginnings `[count]`.
    pub start: Many,
    /// After every block `[horizon][count]`.
    pub after: Vec<Many>,
    /// The actions, in the environment's units `[count, horizon, frameskip * action]`.
    actions: Vec<f32>,
}

impl Walks {
    /// By the environment's policies in turn, each from where a reset puts it or where the policy begins.
    ///
    /// # Errors
    /// An environment without policies, or a policy that it refuses.
    pub fn of(env: &dyn Env, count: usize, [horizon, frameskip]: [usize; 2], seed: u64) -> Result<Self, EvalError> {
        let spec = env.spec();
        if spec.policies.is_empty() {
            return Err(EvalError::Mismatch(format!(
                "{} has no policy whose episodes could be compared with",
                spec.name
            )));
        }
        let reset = |episode: usize| {
            let mut env = env.boxed_clone();
            env.reset(derive_seed(seed, &[episode as u64]));
            env
        };
        let mut envs = Many::new((0..count).map(reset).collect());
        let mut actor = Scripted::new(spec.policies.iter().map(|policy| &policy.name));
        let (steps, size) = (horizon * frameskip, spec.action.len());
        actor.begin(&mut envs, steps, seed)?;
        let mut walks =
            Self { count, horizon, start: envs.clone(), after: Vec::new(), actions: vec![0.0; count * steps * size] };
        play(&mut actor, &mut envs, steps, &mut |moment| {
            let Some(last) = moment.step.checked_sub(1) else { return };
            for (episode, taken) in moment.taken.chunks(size).enumerate() {
                let action = &mut walks.actions[(episode * steps + last) * size..][..size];
                action.copy_from_slice(taken);
                spec.action.clip(action);
            }
            if moment.step.is_multiple_of(frameskip) {
                walks.after.push(moment.envs.clone());
            }
        })?;
        Ok(walks)
    }

    /// Pieces of recorded episodes, each uniform over all that are long enough.
    ///
    /// # Errors
    /// An error of the source, or no episode that is long enough.
    pub fn recorded(
        env: &dyn Env,
        source: &dyn Source,
        count: usize,
        [horizon, frameskip]: [usize; 2],
        seed: u64,
    ) -> Result<Self, EvalError> {
        let (steps, spec) = (horizon * frameskip, env.spec());
        let starts: Vec<usize> =
            source.lengths().unwrap_or_default().iter().map(|frames| frames.saturating_sub(steps)).collect();
        let total = starts.iter().map(|&starts| starts as u64).sum::<u64>();
        if total == 0 {
            return Err(EvalError::Mismatch(format!(
                "no recorded episode has {steps} control steps; a shorter planner.horizon than {horizon} blocks, or more episodes, may help"
            )));
        }
        let mut walks = Self { count, horizon, start: Many::new(Vec::new()), after: Vec::new(), actions: Vec::new() };
        let mut frames = vec![Vec::with_capacity(count); horizon + 1];
        for walk in 0..count {
            let (number, first) = located(&starts, derive_seed(seed, &[walk as u64]) % total);
            let episode = source.episode(number)?;
            for (block, frames) in frames.iter_mut().enumerate() {
                let mut env = env.boxed_clone();
                let size = spec.state.len();
                env.set_state(&episode.states[(first + block * frameskip) * size..][..size])?;
                frames.push(env);
            }
            let size = spec.action.len();
            walks.actions.extend(&episode.actions[first * size..(first + steps) * size]);
        }
        let mut frames = frames.into_iter().map(Many::new);
        walks.start = frames.next().unwrap_or(walks.start);
        walks.after = frames.collect();
        Ok(walks)
    }

    /// Some blocks of an episode's actions, f32 `[blocks, frameskip * action]`.
    pub fn blocks(&self, episode: usize, blocks: Range<usize>) -> &[f32] {
        let numbers = self.actions.len() / (self.count * self.horizon).max(1);
        let [from, to] = [blocks.start, blocks.end].map(|block| (episode * self.horizon + block) * numbers);
        &self.actions[from..to]
    }

    /// The actions `[count, horizon, frameskip * action]`.
    pub fn actions(&self, device: &Device) -> Tensor<3> {
        let numbers = self.actions.len() / (self.count * self.horizon).max(1);
        Tensor::from_data(TensorData::new(self.actions.clone(), [self.count, self.horizon, numbers]), device)
    }
}

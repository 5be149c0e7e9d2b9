//! Episodes of the environment's own policies, to compare imagination with.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_env::{Env, Many, derive_seed};

use crate::actor::{Actor, Scripted};
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

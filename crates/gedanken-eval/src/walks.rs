//! Episodes of the environment's own policies, to compare what is imagined with what happens.

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_env::{Env, derive_seed, rng};

use crate::EvalError;

/// Some episodes of a few blocks of control steps, functions of a seed.
pub(crate) struct Walks {
    /// Episodes.
    pub count: usize,
    /// Blocks of each.
    pub horizon: usize,
    /// Where they begin `[count]`.
    pub start: Vec<Box<dyn Env>>,
    /// After every block `[horizon][count]`.
    pub after: Vec<Vec<Box<dyn Env>>>,
    /// What was done, in the environment's units `[count, horizon, frameskip * action]`.
    actions: Vec<f32>,
}

impl Walks {
    /// By the environment's policies in turn, each from where a reset puts it or where the policy begins.
    ///
    /// # Errors
    /// What the environment says of its policies, or that it has none.
    pub fn of(env: &dyn Env, count: usize, [horizon, frameskip]: [usize; 2], seed: u64) -> Result<Self, EvalError> {
        let spec = env.spec();
        if spec.policies.is_empty() {
            return Err(EvalError::Mismatch(format!(
                "{} has no policy whose episodes could be compared with",
                spec.name
            )));
        }
        let after = (0..horizon).map(|_| Vec::new()).collect();
        let mut walks = Self { count, horizon, start: Vec::new(), after, actions: Vec::new() };
        for episode in 0..count {
            let mut env = env.boxed_clone();
            env.reset(derive_seed(seed, &[episode as u64]));
            let mut random = rng(seed, &[episode as u64, 1]);
            let mut policy = env.policy(&spec.policies[episode % spec.policies.len()].name)?;
            policy.begin(env.as_mut(), &mut random);
            walks.start.push(env.boxed_clone());
            let mut action = vec![0.0; spec.action.len()];
            for block in 0..horizon {
                for _ in 0..frameskip {
                    policy.act(env.as_ref(), &mut random, &mut action);
                    spec.action.clip(&mut action);
                    env.step(&action);
                    walks.actions.extend_from_slice(&action);
                }
                walks.after[block].push(env.boxed_clone());
            }
        }
        Ok(walks)
    }

    /// The actions `[count, horizon, frameskip * action]`.
    pub fn actions(&self, device: &Device) -> Tensor<3> {
        let numbers = self.actions.len() / (self.count * self.horizon).max(1);
        Tensor::from_data(TensorData::new(self.actions.clone(), [self.count, self.horizon, numbers]), device)
    }
}

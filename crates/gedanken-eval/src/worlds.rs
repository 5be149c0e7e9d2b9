//! What planners plan on: the trained model, and the true simulator in its place.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_env::Env;
use gedanken_model::{Statistics, WorldModel};
use gedanken_planner::{Observations, World};
use rayon::prelude::*;

/// A trained model: latents are its latents.
pub struct LearnedWorld<'a> {
    /// The model, without autodiff.
    pub model: &'a WorldModel,
    /// What its training data looked like.
    pub statistics: &'a Statistics,
    /// Where it lives.
    pub device: &'a Device,
}

impl World for LearnedWorld<'_> {
    fn encode(&self, observations: &Observations) -> Tensor<3> {
        let pixels = self.statistics.pixels(&observations.pixels, self.model.spaces().pixels, self.device);
        let felt = self.model.felt(self.statistics.labels(&observations.labels, self.device));
        self.model.encode(pixels, felt)
    }

    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.model.unroll(latents, self.statistics.actions(actions))
    }

    fn destination(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        self.model.destination(latents, self.statistics.actions(actions))
    }
}

/// The true simulator, a perfect model: a latent is `[task, labels …]`, one token. An action is a block of as many control
/// steps as its length holds.
pub struct Simulator {
    envs: Mutex<Arc<Vec<Box<dyn Env>>>>,
    device: Device,
}

impl Simulator {
    /// A simulator on the CPU; give it the tasks' environments before every plan.
    pub fn new() -> Self {
        Self { envs: Mutex::default(), device: Device::flex() }
    }

    /// Takes the environments as they are now, one per row of the observations to come.
    pub fn set(&self, envs: Vec<Box<dyn Env>>) {
        *self.envs.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(envs);
    }

    fn latents(&self, rows: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(rows, shape), &self.device)
    }
}

impl Default for Simulator {
    fn default() -> Self {
        Self::new()
    }
}

impl World for Simulator {
    fn encode(&self, observations: &Observations) -> Tensor<3> {
        let size = observations.labels.len() / observations.rows.max(1);
        let rows = observations.labels.chunks_exact(size).enumerate();
        let rows = rows.flat_map(|(task, labels)| [task as f32].into_iter().chain(labels.iter().copied())).collect();
        self.latents(rows, [observations.rows, size + 1]).unsqueeze_dim(1)
    }

    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        // Several threads imagine at once: none keeps the lock.
        let envs = self.envs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let [rows, _, numbers] = latents.dims();
        let [_, horizon, action] = actions.dims();
        let host = |data: TensorData| data.convert::<f32>().try_to_vec::<f32>().unwrap_or_default();
        let tasks: Vec<usize> = host(latents.into_data()).chunks(numbers).map(|row| row[0] as usize).collect();
        let actions = host(actions.into_data());
        let mut futures = vec![0.0; rows * horizon * numbers];
        let work = futures.par_chunks_mut(horizon * numbers).zip(actions.par_chunks(horizon * action)).zip(&tasks);
        work.with_min_len(16).for_each(|((future, actions), &task)| {
            let mut env = envs[task].boxed_clone();
            let size = env.spec().action.len();
            for (step, block) in future.chunks_mut(numbers).zip(actions.chunks(action)) {
                block.chunks(size).for_each(|action| env.step(action));
                step[0] = task as f32;
                env.labels(&mut step[1..]);
            }
        });
        self.latents(futures, [rows * horizon, numbers]).reshape([rows, horizon, 1, numbers])
    }
}

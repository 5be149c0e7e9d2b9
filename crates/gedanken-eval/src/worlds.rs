//! Worlds that planners plan on: the trained model, and the true simulator in its place.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_env::Many;
use gedanken_model::{Statistics, WorldModel};
use gedanken_planner::World;
use rayon::prelude::*;

/// A world that gets its latents by looking at environments.
pub trait Perceive: World {
    /// Latents of the environments as they are now, `[envs, tokens, dim]`. Imagination starts from those of the last look.
    fn present(&self, envs: &Many) -> Tensor<3>;

    /// Latents of their goals, `[envs, tokens, dim]`.
    fn goals(&self, envs: &Many) -> Tensor<3>;
}

/// A trained model: latents are its latents.
pub struct LearnedWorld<'a> {
    /// The model, without autodiff.
    pub model: &'a WorldModel,
    /// Statistics of its training data.
    pub statistics: &'a Statistics,
    /// Where it lives.
    pub device: &'a Device,
}

impl LearnedWorld<'_> {
    /// Pictures u8 `[rows, channels, height, width]` and labels `[rows, labels]`, of which it feels its proprioception alone, to latents
    /// `[rows, tokens, dim]`.
    pub fn encode(&self, pixels: &[u8], labels: &[f32]) -> Tensor<3> {
        let pixels = self.statistics.pixels(pixels, self.model.spaces().pixels, self.device);
        self.model.encode(pixels, self.model.felt(self.statistics.labels(labels, self.device)))
    }
}

impl Perceive for LearnedWorld<'_> {
    fn present(&self, envs: &Many) -> Tensor<3> {
        self.encode(&pixels_of(envs), &labels_of(envs))
    }

    fn goals(&self, envs: &Many) -> Tensor<3> {
        let mut pixels = vec![0; envs.envs().iter().map(|env| env.spec().observation.len()).sum()];
        envs.observe_goal(&mut pixels);
        self.encode(&pixels, &goal_labels_of(envs))
    }
}

impl World for LearnedWorld<'_> {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.model.unroll(latents, self.statistics.actions(actions))
    }

    fn destination(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        self.model.destination(latents, self.statistics.actions(actions))
    }

    fn chance(&self) -> usize {
        self.model.chance()
    }

    fn rollout_by(&self, latents: Tensor<3>, actions: Tensor<3>, chance: Tensor<3>) -> Tensor<4> {
        self.model.unroll_by(latents, self.statistics.actions(actions), chance)
    }

    fn propose(&self, latents: Tensor<3>, goals: Tensor<3>, horizon: usize) -> Option<Tensor<3>> {
        let actions = self.model.propose(latents, goals, horizon)?;
        Some(self.statistics.actions_in_units(actions))
    }
}

/// Copies of the environments as they were when they were last looked at: where true futures begin.
#[derive(Default)]
pub(crate) struct Copies(Mutex<Arc<Many>>);

impl Copies {
    pub fn keep(&self, envs: &Many) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(envs.clone());
    }

    /// Several threads imagine at once: none keeps the lock.
    pub fn get(&self) -> Arc<Many> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The true simulator, a perfect model on the CPU. A latent is `[env, labels …]`, one token; the state is that of the environment
/// when it was last looked at, and a future of one that was not is NaN. An action is a block of as many control steps as its length
/// holds.
#[derive(Default)]
pub struct TrueWorld(Copies);

impl TrueWorld {
    fn latents(rows: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(rows, shape), &Device::flex())
    }

    /// Rows of labels `[envs, labels]` behind their numbers.
    fn numbered(envs: &Many, labels: &[f32]) -> Tensor<3> {
        let size = labels.len() / envs.len().max(1);
        let row = |env: usize| [env as f32].into_iter().chain(labels[env * size..][..size].iter().copied());
        Self::latents((0..envs.len()).flat_map(row).collect(), [envs.len(), size + 1]).unsqueeze_dim(1)
    }
}

impl Perceive for TrueWorld {
    fn present(&self, envs: &Many) -> Tensor<3> {
        self.0.keep(envs);
        Self::numbered(envs, &labels_of(envs))
    }

    fn goals(&self, envs: &Many) -> Tensor<3> {
        Self::numbered(envs, &goal_labels_of(envs))
    }
}

impl World for TrueWorld {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let envs = self.0.get();
        let [rows, _, numbers] = latents.dims();
        let [_, horizon, action] = actions.dims();
        let which: Vec<usize> = host(latents).chunks(numbers).map(|row| row[0] as usize).collect();
        let actions = host(actions);
        let mut futures = vec![0.0; rows * horizon * numbers];
        let work = futures.par_chunks_mut(horizon * numbers).zip(actions.par_chunks(horizon * action)).zip(&which);
        work.with_min_len(16).for_each(|((future, actions), &which)| {
            let Some(env) = envs.envs().get(which) else { return future.fill(f32::NAN) };
            let mut env = env.boxed_clone();
            let size = env.spec().action.len();
            for (step, block) in future.chunks_mut(numbers).zip(actions.chunks(action)) {
                block.chunks(size).for_each(|action| env.step(action));
                step[0] = which as f32;
                env.labels(&mut step[1..]);
            }
        });
        Self::latents(futures, [rows * horizon, numbers]).reshape([rows, horizon, 1, numbers])
    }
}

/// The numbers of a tensor.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

/// Pictures u8 `[envs, channels, height, width]`.
pub(crate) fn pixels_of(envs: &Many) -> Vec<u8> {
    let mut pixels = vec![0; envs.envs().iter().map(|env| env.spec().observation.len()).sum()];
    envs.observe(&mut pixels);
    pixels
}

/// Labels f32 `[envs, labels]`.
pub(crate) fn labels_of(envs: &Many) -> Vec<f32> {
    let mut labels = vec![0.0; envs.envs().iter().map(|env| env.spec().label_len()).sum()];
    envs.labels(&mut labels);
    labels
}

/// Those that hold at the goals, f32 `[envs, labels]`.
fn goal_labels_of(envs: &Many) -> Vec<f32> {
    let mut labels = vec![0.0; envs.envs().iter().map(|env| env.spec().label_len()).sum()];
    envs.goal_labels(&mut labels);
    labels
}

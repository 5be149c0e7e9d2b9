//! Dynamics learned with perfect sight: a predictor of true labels, which no model may see. What it reaches is privileged.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_data::{Batch, Source};
use gedanken_env::Many;
use gedanken_model::Statistics;
use gedanken_nn::{Learn, Loss, Mlp, Progress, TrainBatch, seeded};
use gedanken_planner::World;
use gedanken_train::{Clock, Learner, TrainConfig};
use rayon::prelude::*;

use crate::worlds::{TrueWorld, host};
use crate::{EvalError, Perceive};

/// A world whose latents are those of a [`TrueWorld`], `[env, labels …]`, and whose dynamics are learned.
pub struct PrivilegedWorld<'a> {
    dynamics: Dynamics,
    statistics: &'a Statistics,
    device: &'a Device,
}

/// Training of the predictor.
#[derive(Clone, Copy, Debug)]
pub struct Practice {
    /// Updates by Adam, each on a batch of the model's own training data; the rate falls from 1e-3 to zero along a cosine.
    pub updates: u64,
    /// Width of the MLP's two hidden layers.
    pub width: usize,
    /// Steps that are unrolled, at most.
    pub unroll: usize,
}

impl Default for Practice {
    fn default() -> Self {
        Self { updates: 4000, width: 256, unroll: 8 }
    }
}

/// Batches that are made together.
const TOGETHER: u64 = 16;
const SEED: u64 = 0x006c_6162_656c;

impl<'a> PrivilegedWorld<'a> {
    /// Trains the predictor on the first batches of a source. A function of its arguments, device apart.
    ///
    /// # Errors
    /// As the source's.
    pub fn train(
        source: &dyn Source,
        statistics: &'a Statistics,
        how: &Practice,
        device: &'a Device,
    ) -> Result<Self, EvalError> {
        let config = TrainConfig {
            steps: how.updates,
            lr: 1e-3,
            final_lr: 0.0,
            warmup: 0.0,
            weight_decay: 0.0,
            clip: 0.0,
            ..TrainConfig::default()
        };
        let mut learner: Option<Learner<Dynamics>> = None;
        for first in (0..how.updates).step_by(TOGETHER as usize) {
            let indices = first..how.updates.min(first + TOGETHER);
            let made =
                indices.clone().into_par_iter().map(|index| source.batch(index)).collect::<Result<Vec<_>, _>>()?;
            for (update, batch) in indices.zip(made) {
                let learner = learner.get_or_insert_with(|| {
                    let (labels, action) = (batch.shape.labels, batch.shape.action);
                    let widths = [labels + action, how.width, how.width, labels];
                    let new = |cpu: &Device| Dynamics { mlp: Mlp::new(&widths, cpu), unroll: how.unroll };
                    Learner::new(seeded(SEED, new).fork(device), &config)
                });
                learner.update(|| on_device(&batch, statistics, device), update, &mut Clock::default());
            }
        }
        let learner = learner.ok_or_else(|| EvalError::Mismatch("a predictor learns from updates".to_owned()))?;
        Ok(Self { dynamics: learner.model(), statistics, device })
    }

    fn numbered(&self, envs: Tensor<3>) -> Tensor<3> {
        Tensor::from_data(envs.into_data(), self.device)
    }
}

/// Normalised labels of the consecutive frames `[windows, time, labels]` and the actions between them
/// `[windows, time - 1, action]`.
fn on_device(batch: &Batch, statistics: &Statistics, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let (windows, time) = (batch.windows(), batch.time);
    let labels = statistics.labels(&batch.labels, device);
    let labels = labels.reshape([windows, time + batch.extra, batch.shape.labels]).narrow(1, 0, time);
    let actions = TrainBatch::actions(&batch.actions, [windows, time - 1, batch.shape.action], device);
    (labels, statistics.actions(actions))
}

/// An MLP that says how labels change.
#[derive(Module, Debug)]
struct Dynamics {
    mlp: Mlp,
    #[module(skip)]
    unroll: usize,
}

impl Dynamics {
    /// Normalised labels `[rows, labels]` and actions `[rows, steps, action]` -> labels after every action.
    fn unroll(&self, mut labels: Tensor<2>, actions: &Tensor<3>, steps: usize) -> Vec<Tensor<2>> {
        let step = |step: usize| {
            let action = actions.clone().narrow(1, step, 1).squeeze_dim::<2>(1);
            labels = labels.clone() + self.mlp.forward(Tensor::cat(vec![labels.clone(), action], 1));
            labels.clone()
        };
        (0..steps).map(step).collect()
    }
}

impl Learn for Dynamics {
    type Batch = (Tensor<3>, Tensor<3>);

    /// The mean squared error of all unrolled steps.
    fn loss(&self, (labels, actions): Self::Batch, _: Progress) -> Loss {
        let (labels, actions) = (labels.autodiff(), actions.autodiff());
        let steps = self.unroll.min(actions.dims()[1]);
        let first = labels.clone().narrow(1, 0, 1).squeeze_dim::<2>(1);
        let imagined: Tensor<3> = Tensor::stack(self.unroll(first, &actions, steps), 1);
        let total = (imagined - labels.narrow(1, 1, steps)).powi_scalar(2).mean();
        Loss { total, terms: Vec::new(), latents: None }
    }
}

impl Perceive for PrivilegedWorld<'_> {
    fn present(&self, envs: &Many) -> Tensor<3> {
        self.numbered(TrueWorld::default().present(envs))
    }

    fn goals(&self, envs: &Many) -> Tensor<3> {
        self.numbered(TrueWorld::default().goals(envs))
    }
}

impl World for PrivilegedWorld<'_> {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let ([rows, _, numbers], [_, horizon, _]) = (latents.dims(), actions.dims());
        let number = latents.clone().narrow(2, 0, 1).repeat_dim(1, horizon);
        let labels = self.statistics.labels(&host(latents.narrow(2, 1, numbers - 1)), self.device);
        let future = self.dynamics.unroll(labels, &self.statistics.actions(actions), horizon);
        let future = future.into_iter().map(|labels| self.statistics.labels_in_units(labels)).collect();
        Tensor::cat(vec![number, Tensor::stack(future, 1)], 2).reshape([rows, horizon, 1, numbers])
    }
}

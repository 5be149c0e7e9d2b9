//! The weights and their optimiser: one update.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use gedanken_nn::{Learn, Progress};

use crate::clock::{Clock, Part};
use crate::config::TrainConfig;
use crate::gradients::{clip_parts, split};
use crate::optimizer::optimizer;

/// A thing in training.
pub struct Learner<L> {
    /// On the autodiff device.
    pub(crate) model: L,
    pub(crate) optimizer: ModuleOptimizer,
    config: TrainConfig,
}

/// Numbers of an update, left on the device.
pub struct Update {
    /// `loss/total`, every term and the gradient norm of every part, `[1]`, by name.
    pub scalars: Vec<(String, Tensor<1>)>,
    /// Latents of the batch `[samples, features]`, detached, if there are any.
    pub latents: Option<Tensor<2>>,
}

impl<L: Learn> Learner<L> {
    /// One that has learned nothing yet.
    pub fn new(model: L, config: &TrainConfig) -> Self {
        Self::resume(model, optimizer(config), config)
    }

    /// One whose optimiser has a state.
    pub(crate) fn resume(model: L, optimizer: ModuleOptimizer, config: &TrainConfig) -> Self {
        Self { model: model.train(), optimizer, config: config.clone() }
    }

    /// The model as it is, without autodiff.
    pub fn model(&self) -> L {
        self.model.valid()
    }

    /// Update number `step` of the weights: loss, gradients, clipping, optimiser, and what follows an update. All updates of a
    /// learner belong on one thread: burn's batch norms keep their running statistics thread by thread.
    pub fn update(&mut self, batch: impl FnOnce() -> L::Batch, step: u64, clock: &mut Clock) -> Update {
        let progress = Progress { step, steps: self.config.steps };
        let loss = clock.time(Part::Forward, || self.model.loss(batch(), progress));
        let total = loss.total.clone().detach();
        let mut gradients =
            clock.time(Part::Backward, || GradientsParams::from_grads(loss.total.backward(), &self.model));
        let norms = clock.time(Part::Update, || {
            let norms = clip_parts(&self.model, &mut gradients, self.config.clip);
            let rate = self.config.learning_rate(step);
            let mut model = self.model.clone();
            for (share, gradients) in split(&model, gradients, &self.config.rates) {
                model = self.optimizer.step(rate * share, model, gradients);
            }
            self.model = model.after_update(Progress { step: step + 1, ..progress });
            norms
        });
        let mut scalars = vec![("loss/total".to_owned(), total)];
        scalars.extend(loss.terms.into_iter().map(|(name, value)| (format!("loss/{name}"), value)));
        scalars.extend(norms.into_iter().map(|part| (format!("gradient/{}", part.name), part.norm)));
        Update { scalars, latents: loss.latents }
    }
}

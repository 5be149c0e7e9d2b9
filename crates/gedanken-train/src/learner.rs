//! The weights and their optimiser: one update.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use gedanken_model::{TrainBatch, WorldModel};

use crate::clock::{Clock, Part};
use crate::config::TrainConfig;
use crate::gradients::clip_parts;
use crate::optimizer::adamw;

/// A model that learns.
pub struct Learner {
    /// On the autodiff device.
    pub(crate) model: WorldModel,
    pub(crate) optimizer: ModuleOptimizer,
    clip: f64,
}

/// What an update leaves on the device for whoever wants to know.
pub struct Update {
    /// `loss/total`, every term and the gradient norm of every part, `[1]`, by name.
    pub scalars: Vec<(String, Tensor<1>)>,
    /// The batch's latents `[frames, tokens, dim]`.
    pub latents: Tensor<3>,
}

impl Learner {
    /// A model that has learned nothing yet, by a training's weight decay and clipping.
    pub fn new(model: WorldModel, config: &TrainConfig) -> Self {
        Self::resume(model, adamw(config.weight_decay), config)
    }

    /// A model and the state of its optimiser.
    pub(crate) fn resume(model: WorldModel, optimizer: ModuleOptimizer, config: &TrainConfig) -> Self {
        Self { model: model.train(), optimizer, clip: config.clip }
    }

    /// The model as it is, without autodiff.
    pub fn model(&self) -> WorldModel {
        self.model.valid()
    }

    /// One update of the weights at a learning rate: loss, gradients, clipping, optimiser, and what follows it. All updates of a
    /// learner belong on one thread: burn's batch norms keep what they have seen thread by thread.
    pub fn update(&mut self, batch: impl FnOnce() -> TrainBatch, rate: f64, clock: &mut Clock) -> Update {
        let loss = clock.time(Part::Forward, || self.model.loss(batch()));
        let total = loss.total.clone().detach();
        let mut gradients =
            clock.time(Part::Backward, || GradientsParams::from_grads(loss.total.backward(), &self.model));
        let norms = clock.time(Part::Update, || {
            let norms = clip_parts(&self.model, &mut gradients, self.clip);
            let model = self.optimizer.step(rate, self.model.clone(), gradients);
            self.model = model.after_update();
            norms
        });
        let mut scalars = vec![("loss/total".to_owned(), total)];
        scalars.extend(loss.terms.into_iter().map(|(name, value)| (format!("loss/{name}"), value)));
        scalars.extend(norms.into_iter().map(|part| (format!("gradient/{}", part.name), part.norm)));
        Update { scalars, latents: loss.latents }
    }
}

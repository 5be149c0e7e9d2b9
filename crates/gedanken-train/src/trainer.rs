//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor};
use gedanken_data::Prefetch;
use gedanken_model::{Blueprint, WorldModel};
use gedanken_regularizer::Collapse;
use gedanken_run::{ProgressBar, RunFolder, Tracker};

use crate::checkpoint;
use crate::clock::{Clock, Part};
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::learner::{Learner, Update};
use crate::measure::host_batch;
use crate::optimizer::adamw;

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All updates are done.
    Finished,
    /// Somebody asked it to stop; it can be resumed.
    Stopped,
}

/// Looks at the model now and then.
pub trait Evaluate {
    /// Evaluates the model (without autodiff) of an update; pictures and reports go into `folder`, numbers to the tracker.
    ///
    /// # Errors
    /// Anything: it stops the training.
    fn evaluate(
        &mut self,
        model: &WorldModel,
        step: u64,
        folder: &Path,
        tracker: &mut Tracker,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// A model in training.
pub struct Trainer {
    learner: Learner,
    step: u64,
    config: TrainConfig,
    blueprint: Blueprint,
    folder: RunFolder,
    device: Device,
    kept: Option<PathBuf>,
}

impl Trainer {
    /// A new model, at update 0. Its weights follow from `seed`.
    pub fn new(config: TrainConfig, blueprint: Blueprint, folder: RunFolder, seed: u64, device: &Device) -> Self {
        let model = WorldModel::new(&blueprint.model, blueprint.spaces.clone(), seed, device);
        Self {
            learner: Learner::new(model, &config),
            step: 0,
            config,
            blueprint,
            folder,
            device: device.clone(),
            kept: None,
        }
    }

    /// Goes on from the latest whole checkpoint of a run.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when it cannot be read.
    pub fn resume(
        config: TrainConfig,
        folder: RunFolder,
        checkpoint: &Path,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let (model, blueprint) = checkpoint::load_model(checkpoint, device)?;
        let (optimizer, step) = checkpoint::load_rest(checkpoint, adamw(config.weight_decay))?;
        let kept = Some(checkpoint.to_owned());
        let learner = Learner::resume(model, optimizer, &config);
        Ok(Self { learner, step, config, blueprint, folder, device: device.clone(), kept })
    }

    /// Updates done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// What the model is made of.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// The model as it is, without autodiff.
    pub fn model(&self) -> WorldModel {
        self.learner.model()
    }

    /// Trains to the end, or until `stop` is set. `data` must start at batch number [`Trainer::step`].
    ///
    /// # Errors
    /// See [`TrainError`]; the last checkpoint stays.
    pub fn run(
        &mut self,
        data: &mut Prefetch,
        evaluator: &mut dyn Evaluate,
        tracker: &mut Tracker,
        progress: &ProgressBar,
        stop: &Arc<AtomicBool>,
    ) -> Result<End, TrainError> {
        let mut clock = Clock::default();
        while self.step < self.config.steps {
            if stop.load(Ordering::Relaxed) {
                self.checkpoint(tracker)?;
                return Ok(End::Stopped);
            }
            let (logged, rate) = self.update(data, &mut clock)?;
            let step = self.step;
            let last = step == self.config.steps;
            let due = |every: u64| last || step.is_multiple_of(every);
            // Read numbers back from the device only when they are needed.
            if due(self.config.log_every) || due(self.config.checkpoint_every) || due(self.config.eval_every) {
                let numbers = self.check_finite(&logged, rate)?;
                if due(self.config.log_every) {
                    let frames_per_second = clock.frames_per_second();
                    let mut scalars = numbers;
                    scalars.extend(clock.scalars());
                    scalars.push(("speed/frames_per_second".to_owned(), frames_per_second));
                    let named: Vec<(&str, f64)> = scalars.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                    tracker.scalars(step, &named)?;
                    progress.update(step, named[0].1, frames_per_second);
                    clock = Clock::default();
                }
            }
            if due(self.config.eval_every) {
                self.check_collapse(&logged.latents, tracker)?;
                let folder = self.folder.eval(step);
                let model = self.model();
                evaluator.evaluate(&model, step, &folder, tracker).map_err(TrainError::Evaluate)?;
                clock = Clock::default();
            }
            if due(self.config.checkpoint_every) {
                self.checkpoint(tracker)?;
            }
        }
        Ok(End::Finished)
    }

    /// One update of the weights, and its learning rate.
    fn update(&mut self, data: &mut Prefetch, clock: &mut Clock) -> Result<(Update, f64), TrainError> {
        let host = clock.time(Part::Data, || data.next())?;
        clock.frames += host.windows() * host.frames();
        let rate = self.config.learning_rate(self.step);
        // Seeded with the update: a run that goes on draws what it would have drawn.
        let batch = || host_batch(&host, &self.blueprint.statistics, self.step, &self.device);
        let update = self.learner.update(batch, rate, clock);
        self.step += 1;
        Ok((update, rate))
    }

    /// The logged numbers on the host, or the diagnosis of why one is not finite.
    fn check_finite(&self, logged: &Update, rate: f64) -> Result<Vec<(String, f64)>, TrainError> {
        let together = Tensor::cat(logged.scalars.iter().map(|(_, value)| plain(value.clone())).collect(), 0);
        let values = together.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default();
        let mut numbers: Vec<(String, f64)> =
            logged.scalars.iter().zip(&values).map(|((name, _), &value)| (name.clone(), f64::from(value))).collect();
        if let Some(loss) = values.first().filter(|_| values.iter().any(|v| !v.is_finite())) {
            let terms: Vec<String> = numbers[1..].iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
            return Err(TrainError::NotFinite {
                step: self.step,
                loss: *loss,
                terms: terms.join(", "),
                kept: self.kept.clone(),
            });
        }
        numbers.push(("lr".to_owned(), rate));
        Ok(numbers)
    }

    /// Writes the collapse diagnostics of a batch's latents down, and stops at a collapse after the warm-up.
    fn check_collapse(&self, latents: &Tensor<3>, tracker: &mut Tracker) -> Result<(), TrainError> {
        let flat = plain(latents.clone()).flatten::<2>(1, 2);
        let collapse = Collapse::measure(flat.clone());
        let step = self.step;
        tracker.scalars(
            step,
            &[
                ("latent/effective_rank", collapse.effective_rank),
                ("latent/dead_dimensions", collapse.dead as f64),
                ("latent/mean_std", collapse.mean_std),
            ],
        )?;
        let sample = flat.clone().narrow(0, 0, flat.dims()[0].min(64));
        let values = sample.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default();
        tracker.histogram(step, "latent/values", &values);
        let warm = step as f64 > self.config.warmup * self.config.steps as f64;
        match collapse.verdict().filter(|_| warm && self.config.stop_on_collapse) {
            Some(diagnosis) => Err(TrainError::Collapsed { step, diagnosis, kept: self.kept.clone() }),
            None => Ok(()),
        }
    }

    fn checkpoint(&mut self, tracker: &mut Tracker) -> Result<(), TrainError> {
        tracker.flush()?;
        let learner = &self.learner;
        let path = checkpoint::save(&self.folder, &learner.model, &self.blueprint, &learner.optimizer, self.step)?;
        self.folder.prune(self.config.keep)?;
        self.kept = Some(path);
        Ok(())
    }
}

/// Off the autodiff graph, if it is on one.
fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() { tensor.inner() } else { tensor }
}

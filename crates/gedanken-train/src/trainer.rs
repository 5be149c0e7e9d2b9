//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor};
use gedanken_data::{Batch, Prefetch};
use gedanken_model::{Blueprint, CheckpointError, WorldModel};
use gedanken_nn::{Learn, Shown};
use gedanken_regularizer::Collapse;
use gedanken_run::{Picture, ProgressBar, RunFolder, Tracker};

use crate::checkpoint;
use crate::clock::{Clock, Part};
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::learner::{Learner, Update};
use crate::measure::{host_batch, latent_batch};
use crate::optimizer::optimizer;

/// The end of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All updates are done.
    Finished,
    /// Somebody asked it to stop; it can be resumed.
    Stopped,
}

/// Looks at the model now and then.
pub trait Evaluate<L> {
    /// Evaluates the model (without autodiff) of an update; pictures and reports go into `folder`, numbers to the tracker.
    ///
    /// # Errors
    /// Anything: it stops the training.
    fn evaluate(
        &mut self,
        model: &L,
        step: u64,
        folder: &Path,
        tracker: &mut Tracker,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// A thing to train: what it is, the batches it takes, and the files it is kept in.
pub struct Task<L: Learn> {
    /// The thing, without autodiff.
    pub model: L,
    /// A host batch, and the number of the update, on the device. The number seeds all that is random in the loss: a run that
    /// goes on draws what it would have drawn.
    pub batch: Box<MakeBatch<L>>,
    /// Writes the model's files into a folder.
    pub save: Box<Save<L>>,
}

/// Makes the batch of an update, on the device, from one on the host.
pub type MakeBatch<L> = dyn Fn(&Batch, u64) -> <L as Learn>::Batch;

/// Writes a model's files into a folder.
pub type Save<L> = dyn Fn(&Path, &L) -> Result<(), CheckpointError>;

impl Task<WorldModel> {
    /// A world model, made by a blueprint, that learns from pictures.
    pub fn world_model(model: WorldModel, blueprint: Blueprint, device: &Device) -> Self {
        let (statistics, device) = (blueprint.statistics.clone(), device.clone());
        Self::of(model, blueprint, move |host, step| host_batch(host, &statistics, step, &device))
    }

    /// The same that learns from kept latents, `frameskip` control steps apart.
    pub fn on_latents(model: WorldModel, blueprint: Blueprint, frameskip: usize, device: &Device) -> Self {
        let (statistics, device) = (blueprint.statistics.clone(), device.clone());
        Self::of(model, blueprint, move |host, step| latent_batch(host, &statistics, frameskip, step, &device))
    }

    fn of(
        model: WorldModel,
        blueprint: Blueprint,
        batch: impl Fn(&Batch, u64) -> <WorldModel as Learn>::Batch + 'static,
    ) -> Self {
        Self {
            model,
            batch: Box::new(batch),
            save: Box::new(move |folder, model| gedanken_model::save(folder, model, &blueprint)),
        }
    }
}

/// A thing in training.
pub struct Trainer<L: Learn> {
    learner: Learner<L>,
    batch: Box<MakeBatch<L>>,
    save: Box<Save<L>>,
    /// Updates done, those before this training included.
    step: u64,
    /// Updates before this training.
    first: u64,
    config: TrainConfig,
    folder: RunFolder,
    kept: Option<PathBuf>,
}

impl<L: Learn> Trainer<L> {
    /// A training whose model has `first` updates behind it: 0 for a new one, those of the phases before it for a further phase.
    pub fn new(config: TrainConfig, task: Task<L>, folder: RunFolder, first: u64) -> Self {
        let Task { model, batch, save } = task;
        let kept = (first > 0).then(|| folder.checkpoint(first));
        Self { learner: Learner::new(model, &config), batch, save, step: first, first, config, folder, kept }
    }

    /// From a checkpoint of a run on, whose model `task` holds; the training began after `first` updates.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the optimiser's state cannot be read.
    pub fn resume(
        config: TrainConfig,
        task: Task<L>,
        folder: RunFolder,
        first: u64,
        checkpoint: &Path,
    ) -> Result<Self, TrainError> {
        let Task { model, batch, save } = task;
        let (optimizer, step) = checkpoint::load_rest(checkpoint, optimizer(&config))?;
        let learner = Learner::resume(model, optimizer, &config);
        Ok(Self { learner, batch, save, step, first, config, folder, kept: Some(checkpoint.to_owned()) })
    }

    /// Updates done, those before this training included.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Updates done in this training.
    pub fn done(&self) -> u64 {
        self.step - self.first
    }

    /// The model as it is, without autodiff.
    pub fn model(&self) -> L {
        self.learner.model()
    }

    /// Trains to the end, or until `stop` is set. `data` must start at batch number [`Trainer::done`].
    ///
    /// # Errors
    /// See [`TrainError`]; the last checkpoint stays.
    pub fn run(
        &mut self,
        data: &mut Prefetch,
        evaluator: &mut dyn Evaluate<L>,
        tracker: &mut Tracker,
        progress: &ProgressBar,
        stop: &Arc<AtomicBool>,
    ) -> Result<End, TrainError> {
        let mut clock = Clock::default();
        while self.done() < self.config.steps {
            if stop.load(Ordering::Relaxed) {
                self.checkpoint(tracker)?;
                return Ok(End::Stopped);
            }
            let host = clock.time(Part::Data, || data.next())?;
            let (logged, rate) = self.update(&host, &mut clock);
            let step = self.step;
            let last = self.done() == self.config.steps;
            let due = |every: u64| last || step.is_multiple_of(every);
            // Read numbers back from the device only when they are needed.
            if due(self.config.log_every) || due(self.config.checkpoint_every) || due(self.config.eval_every) {
                let numbers = self.check_finite(&logged, rate)?;
                if due(self.config.log_every) {
                    let frames_per_second = clock.frames_per_second();
                    let mut scalars = numbers;
                    scalars.extend(clock.scalars());
                    scalars.push(("speed/frames_per_second".to_owned(), frames_per_second));
                    tracker.scalars(step, &scalars)?;
                    progress.update(step, scalars[0].1, frames_per_second);
                    clock = Clock::default();
                }
            }
            if due(self.config.eval_every) {
                if let Some(latents) = &logged.latents {
                    self.check_collapse(latents, tracker)?;
                }
                self.show(&host, tracker)?;
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
    fn update(&mut self, host: &Batch, clock: &mut Clock) -> (Update, f64) {
        clock.frames += host.windows() * host.frames();
        let update = self.learner.update(|| (self.batch)(host, self.step), self.done(), clock);
        let rate = self.config.learning_rate(self.done());
        self.step += 1;
        (update, rate)
    }

    /// Shows what there is to see on a batch.
    fn show(&self, host: &Batch, tracker: &mut Tracker) -> Result<(), TrainError> {
        let step = self.step;
        for shown in self.learner.model().show((self.batch)(host, step)) {
            match shown {
                Shown::Picture { name, pixels } => {
                    if let [picture] = &pictures(pixels.unsqueeze())[..] {
                        tracker.image(step, &name, picture)?;
                    }
                }
                Shown::Film { name, pixels } => tracker.film(step, &name, &pictures(pixels), FILM_FPS)?,
                Shown::Number { name, value } => {
                    let value = f64::from(plain(value).into_scalar::<f32>());
                    tracker.scalars(step, &[(&name, value)])?;
                }
            }
        }
        Ok(())
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
    fn check_collapse(&self, latents: &Tensor<2>, tracker: &mut Tracker) -> Result<(), TrainError> {
        let flat = plain(latents.clone());
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
        let warm = self.done() as f64 > self.config.warmup * self.config.steps as f64;
        match collapse.verdict().filter(|_| warm && self.config.stop_on_collapse) {
            Some(diagnosis) => Err(TrainError::Collapsed { step, diagnosis, kept: self.kept.clone() }),
            None => Ok(()),
        }
    }

    fn checkpoint(&mut self, tracker: &mut Tracker) -> Result<(), TrainError> {
        tracker.flush()?;
        let model = self.learner.model();
        let path =
            checkpoint::save(&self.folder, |inside| (self.save)(inside, &model), &self.learner.optimizer, self.step)?;
        // The next phase may look back to where this one began.
        self.folder.prune(self.config.keep, self.first)?;
        self.kept = Some(path);
        Ok(())
    }
}

/// Frames a second of what terms show.
const FILM_FPS: f32 = 4.0;

/// Pictures of `[time, channels, height, width]` in 0 to 1.
fn pictures(pixels: Tensor<4>) -> Vec<Picture> {
    let [_, channels, height, width] = pixels.dims();
    let bytes = (plain(pixels).clamp(0.0, 1.0) * 255.0).round();
    let bytes: Vec<u8> = bytes.into_data().iter::<f32>().map(|x| x as u8).collect();
    let frames = bytes.chunks_exact((channels * height * width).max(1));
    frames.map(|frame| Picture::from_observation(frame, channels, height, width)).collect()
}

/// Off the autodiff graph, if it is on one.
fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() { tensor.inner() } else { tensor }
}

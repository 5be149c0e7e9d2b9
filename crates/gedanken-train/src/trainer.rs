//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use gedanken_data::{DataError, Prefetch};
use gedanken_model::{Blueprint, CheckpointError, WorldModel};
use gedanken_regularizer::Collapse;

use crate::checkpoint;
use crate::config::TrainConfig;
use crate::gradients::clip_parts;
use crate::measure::host_batch;
use crate::optimizer::adamw;
use crate::progress::Progress;
use crate::run_folder::{FolderError, RunFolder};
use crate::tracker::{TrackError, Tracker};

/// Why training stopped before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss is not a number any more.
    #[error(
        "update {step}: the loss is {loss} ({terms}); the last good checkpoint is {}. A lower train.lr or train.clip may help",
        last_good(kept)
    )]
    NotFinite {
        /// The update.
        step: u64,
        /// The loss.
        loss: f32,
        /// Its terms.
        terms: String,
        /// The checkpoint before it.
        kept: Option<PathBuf>,
    },
    /// The latents say the same about everything.
    #[error("update {step}: the latents have collapsed: {diagnosis}; the last good checkpoint is {}", last_good(kept))]
    Collapsed {
        /// The update.
        step: u64,
        /// What was measured.
        diagnosis: String,
        /// The checkpoint before it.
        kept: Option<PathBuf>,
    },
    /// The data ended or broke.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The run's folder could not be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The metrics could not be written.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// An evaluation failed.
    #[error("evaluation: {0}")]
    Evaluate(Box<dyn std::error::Error + Send + Sync>),
}

fn last_good(kept: &Option<PathBuf>) -> String {
    kept.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}

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
    model: WorldModel,
    optimizer: ModuleOptimizer,
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
        let model = WorldModel::new(&blueprint.model, blueprint.spaces.clone(), seed, device).train();
        let optimizer = adamw(config.weight_decay);
        Self { model, optimizer, step: 0, config, blueprint, folder, device: device.clone(), kept: None }
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
        let model = model.train();
        Ok(Self { model, optimizer, step, config, blueprint, folder, device: device.clone(), kept })
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
        self.model.valid()
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
        progress: &Progress,
        stop: &Arc<AtomicBool>,
    ) -> Result<End, TrainError> {
        let mut clock = Clock::default();
        while self.step < self.config.steps {
            if stop.load(Ordering::Relaxed) {
                self.checkpoint(tracker)?;
                return Ok(End::Stopped);
            }
            let logged = self.update(data, &mut clock)?;
            let step = self.step;
            let last = step == self.config.steps;
            let due = |every: u64| last || step.is_multiple_of(every);
            // Read numbers back from the device only when they are needed.
            if due(self.config.log_every) || due(self.config.checkpoint_every) || due(self.config.eval_every) {
                let numbers = self.check_finite(&logged)?;
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

    /// One update of the weights.
    fn update(&mut self, data: &mut Prefetch, clock: &mut Clock) -> Result<Logged, TrainError> {
        let host = clock.time(Part::Data, || data.next())?;
        clock.frames += host.windows() * host.frames();
        // Seeded with the update: a run that goes on draws what it would have drawn.
        let loss = clock.time(Part::Forward, || {
            self.model.loss(host_batch(&host, &self.blueprint.statistics, self.step, &self.device))
        });
        let total = loss.total.clone().detach();
        let mut gradients =
            clock.time(Part::Backward, || GradientsParams::from_grads(loss.total.backward(), &self.model));
        let rate = self.config.learning_rate(self.step);
        let norms = clock.time(Part::Update, || {
            let norms = clip_parts(&self.model, &mut gradients, self.config.clip);
            let model = self.optimizer.step(rate, self.model.clone(), gradients);
            self.model = model.after_update();
            norms
        });
        self.step += 1;
        let mut scalars = vec![("loss/total".to_owned(), total)];
        scalars.extend(loss.terms.into_iter().map(|(name, value)| (format!("loss/{name}"), value)));
        scalars.extend(norms.into_iter().map(|part| (format!("gradient/{}", part.name), part.norm)));
        Ok(Logged { scalars, latents: loss.latents, rate })
    }

    /// The logged numbers on the host, or the diagnosis of why one is not finite.
    fn check_finite(&self, logged: &Logged) -> Result<Vec<(String, f64)>, TrainError> {
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
        numbers.push(("lr".to_owned(), logged.rate));
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
        let path = checkpoint::save(&self.folder, &self.model, &self.blueprint, &self.optimizer, self.step)?;
        self.folder.prune(self.config.keep)?;
        self.kept = Some(path);
        Ok(())
    }
}

/// Off the autodiff graph, if it is on one.
fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() { tensor.inner() } else { tensor }
}

/// What an update leaves on the device for whoever wants to know.
struct Logged {
    scalars: Vec<(String, Tensor<1>)>,
    latents: Tensor<3>,
    rate: f64,
}

#[derive(Clone, Copy)]
enum Part {
    Data,
    Forward,
    Backward,
    Update,
}

/// Where the time of updates goes. On a GPU, which works behind the program's back, only the sum means something.
struct Clock {
    parts: [Duration; 4],
    updates: usize,
    frames: usize,
    since: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { parts: [Duration::ZERO; 4], updates: 0, frames: 0, since: Instant::now() }
    }
}

impl Clock {
    fn time<T>(&mut self, part: Part, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.parts[part as usize] += start.elapsed();
        self.updates += usize::from(matches!(part, Part::Update));
        result
    }

    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }

    /// Milliseconds per update.
    fn scalars(&self) -> [(String, f64); 4] {
        let per_update = |part: Part| self.parts[part as usize].as_secs_f64() * 1e3 / self.updates.max(1) as f64;
        [
            ("milliseconds/data".to_owned(), per_update(Part::Data)),
            ("milliseconds/forward".to_owned(), per_update(Part::Forward)),
            ("milliseconds/backward".to_owned(), per_update(Part::Backward)),
            ("milliseconds/update".to_owned(), per_update(Part::Update)),
        ]
    }
}

//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Tensor;
use gedanken_data::{Batch, Prefetch};
use gedanken_model::CheckpointError;
use gedanken_nn::Learn;
use gedanken_run::{ProgressBar, RunFolder, Tracker, curve, step_of};

use crate::checkpoint;
use crate::clock::{Clock, Part};
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluation::{Evaluate, is_evaluated, plain};
use crate::improvement::Improvement;
use crate::learner::{Learner, Update};
use crate::optimizer::optimizer;
use crate::task::{MakeBatch, Save, Task};

/// The end of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All updates are done, or it no longer improves.
    Finished,
    /// Somebody asked it to stop; it can be resumed.
    Stopped,
}

/// A thing in training.
pub struct Trainer<L: Learn> {
    pub(crate) learner: Learner<L>,
    pub(crate) batch: Box<MakeBatch<L>>,
    save: Box<Save<L>>,
    /// Updates done, those before this training included.
    pub(crate) step: u64,
    /// Updates before this training.
    first: u64,
    pub(crate) config: TrainConfig,
    pub(crate) folder: RunFolder,
    /// Updates behind the newest checkpoint.
    saved: Option<u64>,
    /// The same, until a finite loss has followed: it may hold ruined weights.
    doubtful: Option<u64>,
    /// The evaluation of the last update was broken off.
    pub(crate) owes_evaluation: bool,
    pub(crate) improvement: Option<Improvement>,
}

impl<L: Learn> Trainer<L> {
    /// A training whose model has `first` updates behind it: 0 for a new one, those of the phases before it for a further phase.
    pub fn new(config: TrainConfig, task: Task<L>, folder: RunFolder, first: u64) -> Self {
        let learner = Learner::new(task.model, &config);
        Self {
            learner,
            batch: task.batch,
            save: task.save,
            step: first,
            first,
            improvement: Improvement::of(&config),
            config,
            folder,
            saved: (first > 0).then_some(first),
            doubtful: (first > 0).then_some(first),
            owes_evaluation: false,
        }
    }

    /// From a checkpoint of a run on, whose model `task` holds; the training began after `first` updates. The evaluation of that update
    /// is made first, if it was broken off.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the optimiser's state cannot be read, [`TrainError::Track`] when the metrics cannot.
    pub fn resume(
        config: TrainConfig,
        task: Task<L>,
        folder: RunFolder,
        first: u64,
        checkpoint: &Path,
    ) -> Result<Self, TrainError> {
        let (optimizer, step) = checkpoint::load_rest(checkpoint, optimizer(&config))?;
        let Task { model, batch, save } = task;
        let learner = Learner::resume(model, optimizer, &config);
        let mut improvement = Improvement::of(&config);
        if let Some(improvement) = &mut improvement {
            let points = curve(folder.path(), &improvement.name)?;
            points
                .iter()
                .filter(|(at, _)| (first + 1..=step).contains(at))
                .for_each(|&(at, x)| improvement.take(at, x));
        }
        let due = step - first == config.steps || step.is_multiple_of(config.eval_every);
        let owes_evaluation = due && !is_evaluated(&folder, step)?;
        let (saved, doubtful) = (Some(step), Some(step));
        Ok(Self { learner, batch, save, step, first, config, folder, saved, doubtful, owes_evaluation, improvement })
    }

    /// Updates done, those before this training included.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Updates done in this training.
    pub fn done(&self) -> u64 {
        self.step - self.first
    }

    /// The number of the batch that [`Trainer::run`] asks for first: that of the last update where its evaluation is to be made again.
    pub fn next_batch(&self) -> u64 {
        self.done() - u64::from(self.owes_evaluation)
    }

    /// The model as it is, without autodiff.
    pub fn model(&self) -> L {
        self.learner.model()
    }

    /// Trains to the end, or until `stop` is set. `data` must start at [`Trainer::next_batch`].
    ///
    /// # Errors
    /// See [`TrainError`]; the last good checkpoint stays.
    pub fn run(
        &mut self,
        data: &mut Prefetch,
        evaluator: &mut dyn Evaluate<L>,
        tracker: &mut Tracker,
        progress: &ProgressBar,
        stop: &AtomicBool,
    ) -> Result<End, TrainError> {
        if self.owes_evaluation {
            let Some(host) = data.next_unless(stop) else { return Ok(End::Stopped) };
            let host = host?;
            self.evaluate(&host, evaluator, tracker, progress)?;
        }
        let mut clock = Clock::default();
        while self.done() < self.config.steps {
            if let Some(why) = self.improvement.as_ref().and_then(Improvement::exhausted) {
                progress.message(&format!("update {}: the training ends here: {why}", self.step));
                break;
            }
            let host = match clock.time(Part::Data, || data.next_unless(stop)) {
                Some(Ok(host)) if !stop.load(Ordering::Relaxed) => host,
                Some(Err(error)) => {
                    self.checkpoint(tracker)?;
                    return Err(error.into());
                }
                _ => {
                    self.checkpoint(tracker)?;
                    return Ok(End::Stopped);
                }
            };
            let (logged, rate) = self.update(&host, &mut clock);
            let step = self.step;
            let last = self.done() == self.config.steps;
            let due = |every: u64| last || step.is_multiple_of(every);
            let (log, evaluate) = (due(self.config.log_every), due(self.config.eval_every));
            let save = evaluate || due(self.config.checkpoint_every);
            // Read numbers back from the device only when they are needed.
            if log || save || self.doubtful.is_some() {
                let numbers = self.check_finite(&logged, rate)?;
                self.trust()?;
                if log {
                    let frames_per_second = clock.frames_per_second();
                    let mut scalars = numbers;
                    scalars.extend(clock.scalars());
                    scalars.push(("speed/frames_per_second".to_owned(), frames_per_second));
                    tracker.scalars(step, &scalars)?;
                    progress.update(step, scalars[0].1, frames_per_second);
                    clock = Clock::default();
                }
            }
            if let (true, Some(latents)) = (evaluate, &logged.latents) {
                self.check_collapse(latents, tracker)?;
            }
            if save {
                self.checkpoint(tracker)?;
            }
            // All is saved: whatever happens in an evaluation loses nothing.
            if evaluate && !stop.load(Ordering::Relaxed) {
                self.evaluate(&host, evaluator, tracker, progress)?;
                clock = Clock::default();
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
                kept: self.last_good(),
            });
        }
        numbers.push(("lr".to_owned(), rate));
        Ok(numbers)
    }

    /// Writes a checkpoint of this update, unless there is one.
    fn checkpoint(&mut self, tracker: &mut Tracker) -> Result<(), TrainError> {
        if self.saved == Some(self.step) {
            return Ok(());
        }
        tracker.flush()?;
        let (step, model) = (self.step, self.learner.model());
        let saved = checkpoint::save(&self.folder, |inside| (self.save)(inside, &model), &self.learner.optimizer, step);
        saved.map_err(|error| match error {
            TrainError::Checkpoint(CheckpointError::NotFinite { name }) => {
                TrainError::Ruined { step, name, kept: self.last_good() }
            }
            error => error,
        })?;
        (self.saved, self.doubtful) = (Some(step), Some(step));
        self.prune()
    }

    /// Takes the newest checkpoint for good, now that a finite loss has followed.
    fn trust(&mut self) -> Result<(), TrainError> {
        self.doubtful.take().map_or(Ok(()), |_| self.prune())
    }

    /// Removes old checkpoints, but not the last good one, nor the one that the next phase may look back to: where this one began.
    fn prune(&self) -> Result<(), TrainError> {
        let good = self.last_good().and_then(|path| step_of(&path)).unwrap_or(self.first);
        Ok(self.folder.prune(self.config.keep, &[self.first, good])?)
    }

    /// The newest checkpoint that a finite loss has followed.
    pub(crate) fn last_good(&self) -> Option<PathBuf> {
        let mut all = self.folder.checkpoints().ok()?.into_iter();
        all.rfind(|checkpoint| Some(checkpoint.step) != self.doubtful).map(|checkpoint| checkpoint.path)
    }
}

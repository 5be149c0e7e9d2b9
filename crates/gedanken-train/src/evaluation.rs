//! Evaluations in the course of a training: after a checkpoint, so that nothing is lost whatever happens in them.

use std::time::Instant;

use burn::tensor::Tensor;
use gedanken_data::Batch;
use gedanken_nn::{Learn, Shown};
use gedanken_regularizer::Collapse;
use gedanken_run::{Best, Picture, ProgressBar, RunFolder, TrackError, Tracker, curve};

use crate::Trainer;
use crate::error::TrainError;

/// Looks at the model now and then.
pub trait Evaluate<L> {
    /// Evaluates the model (without autodiff) of an update, whose checkpoint has been written; pictures go to the tracker.
    ///
    /// # Errors
    /// Anything: it is said, and the training goes on.
    fn evaluate(&mut self, model: &L, step: u64, tracker: &mut Tracker) -> Evaluated;
}

/// Numbers of an evaluation by name, for the metrics.
pub type Evaluated = Result<Vec<(String, f64)>, Box<dyn std::error::Error + Send + Sync>>;

/// The duration of an evaluation, in the line of its numbers: where it stands, the evaluation has been made.
const EVALUATION: &str = "speed/evaluation_seconds";

/// True if the evaluation of an update has been made, to its end.
///
/// # Errors
/// As [`curve`].
pub fn is_evaluated(folder: &RunFolder, step: u64) -> Result<bool, TrackError> {
    Ok(curve(folder.path(), EVALUATION)?.iter().any(|&(at, _)| at == step))
}

impl<L: Learn> Trainer<L> {
    /// Looks at the model after an update with the batch `host`. What goes wrong is said, and the training goes on.
    pub(crate) fn evaluate(
        &mut self,
        host: &Batch,
        evaluator: &mut dyn Evaluate<L>,
        tracker: &mut Tracker,
        progress: &ProgressBar,
    ) -> Result<(), TrainError> {
        let (step, start) = (self.step, Instant::now());
        let mut look = || -> Evaluated {
            let mut numbers = self.show(host, tracker)?;
            numbers.extend(evaluator.evaluate(&self.learner.model(), step, tracker)?);
            Ok(numbers)
        };
        let found = look();
        let mut numbers = match found {
            Ok(numbers) => {
                self.improve(&numbers, tracker, progress)?;
                numbers
            }
            Err(error) => {
                warn(&format!("update {step}: the evaluation failed: {error}"), step, tracker, progress);
                Vec::new()
            }
        };
        numbers.push((EVALUATION.to_owned(), start.elapsed().as_secs_f64()));
        tracker.scalars(step, &numbers)?;
        self.owes_evaluation = false;
        Ok(())
    }

    /// Keeps the checkpoint as the best where the evaluation says so.
    fn improve(
        &mut self,
        numbers: &[(String, f64)],
        tracker: &mut Tracker,
        progress: &ProgressBar,
    ) -> Result<(), TrainError> {
        let (step, Some(improvement)) = (self.step, &mut self.improvement) else { return Ok(()) };
        let number = improvement.name.clone();
        let Some(&(_, value)) = numbers.iter().find(|(name, value)| *name == number && value.is_finite()) else {
            let names: Vec<&str> = numbers.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(", ");
            let missing = format!("update {step}: train.keep_best: the evaluation has no {number}; it has {names}");
            warn(&missing, step, tracker, progress);
            return Ok(());
        };
        improvement.take(step, value);
        let before = self.folder.best().filter(|best| best.number == number);
        if before.is_none_or(|best| improvement.is_better(value, best.value)) {
            progress.message(&format!("update {step}: the best {number} so far, {value:.4}: kept as checkpoints/best"));
            self.folder.keep_best(&Best { step, number, value })?;
        }
        Ok(())
    }

    /// Shows what there is to see on a batch; the numbers in it.
    fn show(&self, host: &Batch, tracker: &mut Tracker) -> Result<Vec<(String, f64)>, TrackError> {
        let (step, mut numbers) = (self.step, Vec::new());
        for shown in self.learner.model().show((self.batch)(host, step)) {
            match shown {
                Shown::Picture { name, pixels } => {
                    if let [picture] = &pictures(pixels.unsqueeze())[..] {
                        tracker.image(step, &name, picture)?;
                    }
                }
                Shown::Film { name, pixels } => tracker.film(step, &name, &pictures(pixels), FILM_FPS)?,
                Shown::Number { name, value } => numbers.push((name, f64::from(plain(value).into_scalar::<f32>()))),
            }
        }
        Ok(numbers)
    }

    /// Writes the collapse diagnostics of a batch's latents down, and stops at a collapse after the warm-up.
    pub(crate) fn check_collapse(&self, latents: &Tensor<2>, tracker: &mut Tracker) -> Result<(), TrainError> {
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
            Some(diagnosis) => Err(TrainError::Collapsed { step, diagnosis, kept: self.last_good() }),
            None => Ok(()),
        }
    }
}

/// Says that something went wrong that does not end a training: to whoever watches, and in the run.
fn warn(message: &str, step: u64, tracker: &mut Tracker, progress: &ProgressBar) {
    progress.message(&format!("warning: {message}"));
    tracker.text(step, "warning", message);
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
pub(crate) fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() { tensor.inner() } else { tensor }
}

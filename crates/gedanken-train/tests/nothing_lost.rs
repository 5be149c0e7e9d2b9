//! Whatever goes wrong in a training, what was learned is kept.
#![allow(missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use gedanken_data::{Batch, DataError, Episode, Prefetch, Shape, Source, WindowConfig};
use gedanken_env::ObservationSpace;
use gedanken_model::CheckpointError;
use gedanken_nn::{Learn, Loss, Progress};
use gedanken_run::{Best, ProgressBar, RunFolder, Tracker, curve, write_atomic};
use gedanken_train::{End, Evaluate, Evaluated, Task, TrainConfig, TrainError, Trainer, is_evaluated};
use tempfile::TempDir;

/// A number that shrinks, until an update ruins it.
#[derive(Module, Debug)]
struct Shrinking {
    number: Param<Tensor<1>>,
    #[module(skip)]
    ruined_by: u64,
}

impl Learn for Shrinking {
    type Batch = ();

    fn loss(&self, (): (), _: Progress) -> Loss {
        let total = self.number.val().powi_scalar(2);
        Loss { terms: vec![("square", total.clone().detach())], total, latents: None }
    }

    fn after_update(mut self, progress: Progress) -> Self {
        if progress.step == self.ruined_by {
            // Finite, but its square is not.
            self.number = self.number.map(|number| Tensor::from_inner(number.inner() * 0.0 + 1e30).require_grad());
        }
        self
    }
}

/// Batches of nothing, up to some number.
struct Endless {
    breaks_at: u64,
}

impl Source for Endless {
    fn batch(&self, index: u64) -> Result<Batch, DataError> {
        if index == self.breaks_at {
            return Err(DataError::Worker { index, message: "it broke".to_owned() });
        }
        let pixels = ObservationSpace { channels: 1, height: 1, width: 1 };
        let window = WindowConfig { time: 2, frameskip: 1, extra: 0, layouts: 1, episodes: 1, eventful: 0.0 };
        Ok(Batch::zeros(Shape { pixels, action: 1, labels: 0 }, &window))
    }

    fn episode(&self, _: u64) -> Result<Episode, DataError> {
        Ok(Episode::default())
    }
}

/// Gives these values one after the other, and fails where there is none.
struct Values<'a> {
    run: &'a RunFolder,
    values: Vec<Option<f64>>,
}

impl Evaluate<Shrinking> for Values<'_> {
    fn evaluate(&mut self, _: &Shrinking, step: u64, _: &mut Tracker) -> Evaluated {
        assert!(self.run.checkpoint(step).exists(), "update {step} is saved before anybody looks at it");
        match self.values.remove(0) {
            Some(value) => Ok(vec![("score".to_owned(), value)]),
            None => Err("the world has ended".into()),
        }
    }
}

fn run() -> (TempDir, RunFolder) {
    let root = tempfile::tempdir().expect("a folder");
    let run = RunFolder::create(root.path(), "number", 1).expect("a run");
    write_atomic(&run.config(), b"").expect("a config");
    (root, run)
}

fn task(ruined_by: u64) -> Task<Shrinking> {
    let number = Param::from_tensor(Tensor::from_data([1.0], &Device::flex()));
    let save = |folder: &Path, model: &Shrinking| {
        let path = folder.join("number");
        let number = model.number.val().into_scalar::<f32>();
        std::fs::write(&path, number.to_le_bytes()).map_err(|source| CheckpointError::Io { path, source })
    };
    Task { model: Shrinking { number, ruined_by }, batch: Box::new(|_, _| ()), save: Box::new(save) }
}

/// The config of the tests: a checkpoint after every update, only the newest kept.
fn config() -> TrainConfig {
    TrainConfig { steps: 20, log_every: 50, eval_every: 4, checkpoint_every: 1, keep: 1, ..TrainConfig::default() }
}

/// Trains on; as many values as there are evaluations.
fn train(
    trainer: &mut Trainer<Shrinking>,
    run: &RunFolder,
    breaks_at: u64,
    values: &[Option<f64>],
) -> Result<End, TrainError> {
    let mut data = Prefetch::new(Arc::new(Endless { breaks_at }), trainer.next_batch(), 0, 1);
    let mut tracker = Tracker::resume(run.path(), trainer.step(), |_| {}).expect("a tracker");
    let mut evaluator = Values { run, values: values.to_vec() };
    let progress = ProgressBar::new(20, 0);
    let end = trainer.run(&mut data, &mut evaluator, &mut tracker, &progress, &AtomicBool::new(false));
    assert!(evaluator.values.is_empty() || end.is_err(), "{} evaluations too few", evaluator.values.len());
    end
}

fn saved(run: &RunFolder) -> Vec<u64> {
    run.checkpoints().expect("checkpoints").iter().map(|checkpoint| checkpoint.step).collect()
}

const NEVER: u64 = u64::MAX;

#[test]
fn a_checkpoint_is_good_only_once_a_finite_loss_has_followed_and_the_last_good_one_stays() {
    let (_root, run) = run();
    let mut trainer = Trainer::new(config(), task(7), run.clone(), 0);
    match train(&mut trainer, &run, NEVER, &[Some(1.0)]) {
        Err(TrainError::NotFinite { step: 8, kept: Some(kept), .. }) => assert_eq!(kept, run.checkpoint(6)),
        other => panic!("{other:?}"),
    }
    assert_eq!(saved(&run), [6, 7], "the seventh is ruined, and nobody knew when it was written");

    // Whoever goes on from the ruined one is told of the good one again, and loses neither.
    let mut trainer = Trainer::resume(config(), task(NEVER), run.clone(), 0, &run.checkpoint(7)).expect("a checkpoint");
    trainer =
        Trainer::resume(config(), ruined(), run.clone(), 0, &run.checkpoint(trainer.step())).expect("a checkpoint");
    match train(&mut trainer, &run, NEVER, &[]) {
        Err(TrainError::NotFinite { step: 8, kept: Some(kept), .. }) => assert_eq!(kept, run.checkpoint(6)),
        other => panic!("{other:?}"),
    }
    assert_eq!(saved(&run), [6, 7]);
}

/// The task whose number is ruined already.
fn ruined() -> Task<Shrinking> {
    let mut task = task(NEVER);
    task.model.number = Param::from_tensor(Tensor::from_data([1e30], &Device::flex()));
    task
}

#[test]
fn of_a_healthy_training_as_many_checkpoints_are_kept_as_asked_for() {
    let (_root, run) = run();
    let config = TrainConfig { keep: 3, checkpoint_every: 2, ..config() };
    let mut trainer = Trainer::new(config, task(NEVER), run.clone(), 0);
    assert_eq!(train(&mut trainer, &run, NEVER, &[Some(0.0); 5]).expect("an end"), End::Finished);
    assert_eq!(saved(&run), [16, 18, 20]);
}

#[test]
fn an_evaluation_that_fails_is_a_warning_and_the_training_goes_on() {
    let (_root, run) = run();
    let mut trainer = Trainer::new(config(), task(NEVER), run.clone(), 0);
    let end = train(&mut trainer, &run, NEVER, &[None, Some(2.0), None, None, Some(5.0)]).expect("an end");
    assert_eq!((end, trainer.step()), (End::Finished, 20));
    assert_eq!(curve(run.path(), "score").expect("a curve"), [(8, 2.0), (20, 5.0)]);
    drop(trainer);
    let events = std::fs::read_dir(run.path()).expect("a run").map(|entry| entry.expect("an entry").path());
    let events = events.filter(|path| path.to_string_lossy().contains("tfevents")).map(std::fs::read);
    let events: Vec<u8> = events.flat_map(|bytes| bytes.expect("events")).collect();
    let told = b"update 4: the evaluation failed: the world has ended";
    assert!(events.windows(told.len()).any(|bytes| bytes == told), "the run says so too");
}

#[test]
fn an_evaluation_that_was_broken_off_is_made_when_the_training_goes_on() {
    let (_root, run) = run();
    let mut trainer = Trainer::new(config(), task(7), run.clone(), 0);
    let _ = train(&mut trainer, &run, 4, &[Some(1.0)]);
    assert_eq!((trainer.step(), is_evaluated(&run, 4).expect("metrics")), (4, true));
    let resume = || Trainer::resume(config(), task(NEVER), run.clone(), 0, &run.checkpoint(4)).expect("a checkpoint");
    assert_eq!(resume().next_batch(), 4);
    // As if it had been killed in the evaluation: its line is not there.
    let metrics = run.path().join("metrics.jsonl");
    let text = std::fs::read_to_string(&metrics).expect("metrics");
    let kept: String = text.lines().filter(|line| !line.contains("score")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&metrics, kept).expect("metrics");
    let mut trainer = resume();
    assert_eq!(trainer.next_batch(), 3, "the evaluation looks at the batch of its update");
    assert!(train(&mut trainer, &run, 6, &[Some(1.5)]).is_err());
    assert_eq!(curve(run.path(), "score").expect("a curve"), [(4, 1.5)]);
}

#[test]
fn data_that_break_end_a_training_that_is_saved() {
    let (_root, run) = run();
    let config = TrainConfig { checkpoint_every: 100, eval_every: 100, ..config() };
    let mut trainer = Trainer::new(config, task(NEVER), run.clone(), 0);
    let error = train(&mut trainer, &run, 13, &[]).expect_err("the data broke");
    assert!(error.to_string().contains("it broke"), "{error}");
    assert_eq!(saved(&run), [13]);
}

#[test]
fn the_best_checkpoint_is_kept_and_patience_ends_a_training_and_stays_at_an_end() {
    let (_root, run) = run();
    let config = TrainConfig { keep_best: Some("-score".to_owned()), patience: 2, ..config() };
    let mut trainer = Trainer::new(config.clone(), task(NEVER), run.clone(), 0);
    let values = [Some(3.0), Some(1.0), Some(2.0), Some(1.0)];
    assert_eq!(train(&mut trainer, &run, NEVER, &values).expect("an end"), End::Finished);
    assert_eq!(trainer.step(), 16, "it ends two evaluations after the best");
    assert_eq!(run.best(), Some(Best { step: 8, number: "score".to_owned(), value: 1.0 }));
    let number = |folder: &Path| std::fs::read(folder.join("number")).expect("a number");
    assert_eq!(saved(&run).last(), Some(&16));
    assert!(number(&run.best_path()) != number(&run.checkpoint(16)));

    // The metrics know how long it has not improved.
    let resume =
        |config| Trainer::resume(config, task(NEVER), run.clone(), 0, &run.checkpoint(16)).expect("a checkpoint");
    let mut trainer = resume(config.clone());
    assert_eq!(train(&mut trainer, &run, NEVER, &[]).expect("an end"), End::Finished);
    assert_eq!(trainer.step(), 16);
    let mut trainer = resume(TrainConfig { patience: 3, ..config });
    train(&mut trainer, &run, NEVER, &[Some(4.0)]).expect("an end");
    assert_eq!((trainer.step(), run.best().map(|best| best.step)), (20, Some(8)));
}

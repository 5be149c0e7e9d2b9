//! A batch as the terms of a loss see it.

use std::cell::OnceCell;

use burn::tensor::Tensor;
use gedanken_nn::{Progress, TrainBatch};

/// A batch and what the model makes of it. Everything is on the autodiff graph in training: a term that must not shape the latent
/// detaches what it takes.
pub struct View<'a> {
    /// The batch: pixels, actions, labels, times, seed.
    pub batch: TrainBatch,
    /// Latents of all frames, `[windows * (time + extra), tokens, dim]`.
    pub latents: Tensor<3>,
    /// The same, a row for each frame, `[windows * (time + extra), tokens * dim]`.
    pub samples: Tensor<2>,
    /// Those of the windows' consecutive frames, `[windows, time, tokens, dim]`.
    pub sequences: Tensor<4>,
    /// Progress of the training.
    pub progress: Progress,
    targets: Lazy<'a>,
    predictions: Lazy<'a>,
}

impl<'a> View<'a> {
    /// A view of a batch with these latents, [`sequences`] of them, and targets and predictions that are
    /// computed when a term first asks for them.
    pub fn new(
        batch: TrainBatch,
        latents: Tensor<3>,
        sequences: Tensor<4>,
        progress: Progress,
        targets: impl FnOnce() -> Tensor<4> + 'a,
        predictions: impl FnOnce() -> Tensor<4> + 'a,
    ) -> Self {
        let samples = latents.clone().flatten::<2>(1, 2);
        let (targets, predictions) = (Lazy::new(targets), Lazy::new(predictions));
        Self { batch, latents, samples, sequences, progress, targets, predictions }
    }

    /// Latents that predictions should meet, of all frames of the windows, `[windows, time, tokens, dim]`: the encoder's own, or
    /// a target encoder's.
    pub fn targets(&self) -> Tensor<4> {
        self.targets.get()
    }

    /// Latents predicted for the frames after the first, `[windows, steps, tokens, dim]`, `steps` less than `time`.
    pub fn predictions(&self) -> Tensor<4> {
        self.predictions.get()
    }

    /// Predictions and the targets of the same frames, `[windows, steps, tokens, dim]` each.
    pub fn pairs(&self) -> (Tensor<4>, Tensor<4>) {
        let predictions = self.predictions();
        let steps = predictions.dims()[1];
        (predictions, self.targets().narrow(1, 1, steps))
    }
}

/// Latents of all frames, `[windows * (time + extra), tokens, dim]` -> those of the windows' consecutive frames,
/// `[windows, time, tokens, dim]`.
pub fn sequences(batch: &TrainBatch, latents: Tensor<3>) -> Tensor<4> {
    let [_, tokens, dim] = latents.dims();
    latents.reshape([batch.windows(), batch.frames(), tokens, dim]).narrow(1, 0, batch.time)
}

/// A tensor that is computed at most once.
struct Lazy<'a> {
    make: std::cell::Cell<Option<Box<dyn FnOnce() -> Tensor<4> + 'a>>>,
    made: OnceCell<Tensor<4>>,
}

impl<'a> Lazy<'a> {
    fn new(make: impl FnOnce() -> Tensor<4> + 'a) -> Self {
        Self { make: std::cell::Cell::new(Some(Box::new(make))), made: OnceCell::new() }
    }

    fn get(&self) -> Tensor<4> {
        let make = || (self.make.take().expect("made at most once"))();
        self.made.get_or_init(make).clone()
    }
}

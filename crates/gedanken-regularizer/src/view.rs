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
    targets: Lazy<'a, Tensor<4>>,
    predictions: Lazy<'a, Predicted>,
    energy_score: Option<Lazy<'a, Tensor<1>>>,
}

/// Predicted latents.
#[derive(Clone)]
pub struct Predicted {
    /// `[windows, steps, tokens, dim]`.
    pub latents: Tensor<4>,
    /// Information about them in the latent variable, where the predictor has one: nats a step, the mean over all, `[1]`.
    pub nats: Option<Tensor<1>>,
}

impl From<Tensor<4>> for Predicted {
    fn from(latents: Tensor<4>) -> Self {
        Self { latents, nats: None }
    }
}

impl<'a> View<'a> {
    /// A view of a batch with these latents, [`sequences`] of them, and targets and predictions that are
    /// computed when a term first asks for them.
    pub fn new<P: Into<Predicted>>(
        batch: TrainBatch,
        latents: Tensor<3>,
        sequences: Tensor<4>,
        progress: Progress,
        targets: impl FnOnce() -> Tensor<4> + 'a,
        predictions: impl FnOnce() -> P + 'a,
    ) -> Self {
        let samples = latents.clone().flatten::<2>(1, 2);
        let (targets, predictions) = (Lazy::new(targets), Lazy::new(|| predictions().into()));
        Self { batch, latents, samples, sequences, progress, targets, predictions, energy_score: None }
    }

    /// The same with an energy score, which is computed when a term first asks for it.
    #[must_use]
    pub fn with_energy_score(self, score: impl FnOnce() -> Tensor<1> + 'a) -> Self {
        Self { energy_score: Some(Lazy::new(score)), ..self }
    }

    /// Latents that predictions should meet, of all frames of the windows, `[windows, time, tokens, dim]`: the encoder's own, or
    /// a target encoder's.
    pub fn targets(&self) -> Tensor<4> {
        self.targets.get()
    }

    /// Latents predicted for the frames after the first, `[windows, steps, tokens, dim]`, `steps` less than `time`.
    pub fn predictions(&self) -> Tensor<4> {
        self.predictions.get().latents
    }

    /// Information about the predictions in the predictor's latent variable, nats a step, `[1]`; none without one.
    pub fn nats(&self) -> Option<Tensor<1>> {
        self.predictions.get().nats
    }

    /// The energy score of the futures that the predictor's latent variable has, `[1]`; none without one.
    pub fn energy_score(&self) -> Option<Tensor<1>> {
        Some(self.energy_score.as_ref()?.get())
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

/// Something that is computed at most once.
struct Lazy<'a, T> {
    make: std::cell::Cell<Option<Box<dyn FnOnce() -> T + 'a>>>,
    made: OnceCell<T>,
}

impl<'a, T: Clone> Lazy<'a, T> {
    fn new(make: impl FnOnce() -> T + 'a) -> Self {
        Self { make: std::cell::Cell::new(Some(Box::new(make))), made: OnceCell::new() }
    }

    fn get(&self) -> T {
        let make = || (self.make.take().expect("made at most once"))();
        self.made.get_or_init(make).clone()
    }
}

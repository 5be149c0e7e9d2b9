//! The world model: encode, predict, compare, regularise.
//!
//! [`WorldModel::loss`] is the whole of a joint embedding predictive architecture (LeCun, 2022) on one page, and
//! [`WorldModel::unroll`] is the one imagination that training and planning share.

mod checkpoint;
mod config;
mod distance;
mod ensemble;
mod inverse_dynamics;
mod parameters;
mod sizes;
mod statistics;

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_encoder::{Encoder, LatentShape};
use gedanken_nn::{Mlp, Noise, Readout};
use gedanken_predictor::Predictor;
use gedanken_regularizer::{RegularizerConfig, covariance, directions, sigreg, time_similarity, variance};
use serde::{Deserialize, Serialize};

pub use checkpoint::{Blueprint, CheckpointError, FILES, load, save};
pub use config::{
    DistanceConfig, EnsembleConfig, InverseDynamicsConfig, ModelConfig, PredictionConfig, ProbeConfig,
    ProprioceptionConfig,
};
pub use distance::{GoalDistance, LayoutFrames, expectile_loss};
pub use ensemble::Ensemble;
pub use inverse_dynamics::InverseDynamics;
pub use parameters::{Named, named_parameters, seeded};
pub use statistics::Statistics;

/// The sizes of what a model sees, does and is probed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spaces {
    /// Pictures: channels, height, width.
    pub pixels: [usize; 3],
    /// Numbers of an action.
    pub action: usize,
    /// Numbers of all labels.
    pub labels: usize,
    /// Those of a row of labels that the agent feels of itself, by their places in it.
    #[serde(default)]
    pub proprioception: Vec<usize>,
}

impl std::fmt::Display for Spaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [channels, height, width] = self.pixels;
        write!(
            f,
            "pictures of {channels} x {height} x {width}, actions of {} numbers, {} labels, {} numbers of proprioception",
            self.action,
            self.labels,
            self.proprioception.len()
        )
    }
}

/// A joint embedding predictive world model with its heads.
#[derive(Module, Debug)]
pub struct WorldModel {
    encoder: Encoder,
    proprioception: Option<Mlp>,
    predictor: Predictor,
    norm: Option<LayerNorm>,
    inverse_dynamics: Option<InverseDynamics>,
    distance: Option<GoalDistance>,
    ensemble: Option<Ensemble>,
    /// None where there are no labels to read.
    probe: Option<Readout>,
    #[module(skip)]
    settings: Settings,
}

/// The numbers of the loss that are not weights.
#[derive(Clone, Debug)]
struct Settings {
    spaces: Spaces,
    latent: LatentShape,
    prediction: PredictionConfig,
    inverse_dynamics: f64,
    regularizer: RegularizerConfig,
}

/// A training batch on the device: cloning one copies no tensor. Windows of one layout stand together: `windows = layouts * episodes`.
#[derive(Clone)]
pub struct TrainBatch {
    /// Normalised pixels `[windows * (time + extra), channels, height, width]`.
    pub pixels: Tensor<4>,
    /// Actions between the consecutive frames `[windows, time - 1, action]`.
    pub actions: Tensor<3>,
    /// Normalised labels `[windows * (time + extra), labels]`.
    pub labels: Tensor<2>,
    /// Step of the episode of every frame, `[windows, time + extra]`.
    pub at: Vec<u32>,
    /// Layouts.
    pub layouts: usize,
    /// Windows of each layout.
    pub episodes: usize,
    /// Consecutive frames of a window.
    pub time: usize,
    /// Further frames of the same episode.
    pub extra: usize,
    /// What is random in the loss of this batch follows from it: what dropout drops, where SIGReg looks.
    pub seed: u64,
}

/// What a batch costs.
pub struct Loss {
    /// The weighted sum, `[1]`: what is differentiated.
    pub total: Tensor<1>,
    /// Every term unweighted, `[1]`, and what else is worth a curve, by name.
    pub terms: Vec<(&'static str, Tensor<1>)>,
    /// The latents of all frames `[frames, tokens, dim]`, detached.
    pub latents: Tensor<3>,
}

impl WorldModel {
    /// A new model. Its weights are a function of `seed` alone: they are drawn on the CPU, whatever the device.
    pub fn new(config: &ModelConfig, spaces: Spaces, seed: u64, device: &Device) -> Self {
        let latent = config.encoder.latent_shape(spaces.pixels);
        let inverse = &config.inverse_dynamics;
        let model = parameters::seeded(seed, |cpu| {
            let model = Self {
                encoder: config.encoder.init(spaces.pixels, cpu),
                proprioception: None,
                predictor: config.predictor.init([latent.rows, latent.columns], latent.dim, spaces.action, cpu),
                norm: config.prediction.shared_norm.then(|| LayerNormConfig::new(latent.dim).init(cpu)),
                inverse_dynamics: (inverse.weight > 0.0)
                    .then(|| InverseDynamics::new(latent, inverse.hidden, spaces.action, cpu)),
                distance: None,
                ensemble: None,
                probe: (spaces.labels > 0).then(|| {
                    let widths = [config.probe.hidden, spaces.labels];
                    Readout::new([latent.rows, latent.columns], latent.dim, &config.probe.channels, &widths, cpu)
                }),
                settings: Settings {
                    spaces: spaces.clone(),
                    latent,
                    prediction: config.prediction.clone(),
                    inverse_dynamics: inverse.weight,
                    regularizer: config.regularizer.clone(),
                },
            };
            // These last: whether there are any changes no other part's weights.
            let mut model = parameters::draw_and_number(model);
            let head = &config.distance;
            model.distance = head.enabled.then(|| GoalDistance::new(latent, head, cpu));
            let felt = spaces.proprioception.len();
            let widths = [felt, config.proprioception.hidden, latent.dim];
            model.proprioception = (felt > 0).then(|| Mlp::new(&widths, cpu));
            let members = config.ensemble.members;
            model.ensemble =
                (members > 0).then(|| Ensemble::new(&config.predictor, members, latent, spaces.action, cpu));
            model
        });
        model.fork(device)
    }

    /// What the model sees, does and is probed for.
    pub fn spaces(&self) -> &Spaces {
        &self.settings.spaces
    }

    /// The shape of a latent.
    pub fn latent_shape(&self) -> LatentShape {
        self.settings.latent
    }

    /// Normalised pixels `[frames, channels, height, width]` and what [`WorldModel::felt`] takes of the labels -> latents
    /// `[frames, tokens, dim]`.
    pub fn encode(&self, pixels: Tensor<4>, felt: Option<Tensor<2>>) -> Tensor<3> {
        let seen = self.encoder.forward(pixels);
        self.normed(match self.proprioception.as_ref().zip(felt) {
            Some((network, felt)) => seen + network.forward(felt).unsqueeze_dim(1),
            None => seen,
        })
    }

    /// Proprioception: normalised labels `[frames, labels]` -> those that the agent feels, `[frames, felt]`, if any.
    pub fn felt(&self, labels: Tensor<2>) -> Option<Tensor<2>> {
        let columns: Vec<i32> = self.settings.spaces.proprioception.iter().map(|&column| column as i32).collect();
        let device = labels.device();
        (!columns.is_empty()).then(|| labels.select(1, Tensor::from_data(columns.as_slice(), &device)))
    }

    /// Imagined steps: latents `[batch, frames, tokens, dim]` of at most [`WorldModel::history`] frames, the actions taken in
    /// them `[batch, frames, action]` -> the latents after every frame `[batch, frames, tokens, dim]`, each predicted from that
    /// frame and those before it.
    pub fn predict(&self, latents: Tensor<4>, actions: Tensor<3>) -> Tensor<4> {
        self.predict_with(latents, actions, &mut Noise::none())
    }

    fn predict_with(&self, latents: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        self.normed(self.predictor.forward(latents, actions, noise))
    }

    /// Frames that a step is predicted from, at most.
    pub fn history(&self) -> usize {
        self.predictor.history()
    }

    /// The imagined future: first latents `[batch, tokens, dim]`, actions `[batch, steps, action]` -> the latents after every
    /// action `[batch, steps, tokens, dim]`. Every step is predicted from the last [`WorldModel::history`] latents: the first
    /// alone to begin with, then more and more imagined ones.
    pub fn unroll(&self, first: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.unroll_with(first, actions, &mut Noise::none())
    }

    /// The last latents of [`WorldModel::unroll`] alone, `[batch, tokens, dim]`, without keeping the others.
    pub fn destination(&self, first: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        let mut last = first.clone().unsqueeze_dim(1);
        self.imagine(first, actions, &mut Noise::none(), |next| last = next);
        last.squeeze_dim(1)
    }

    fn unroll_with(&self, first: Tensor<3>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        let mut future = Vec::with_capacity(actions.dims()[1]);
        self.imagine(first, actions, noise, |next| future.push(next));
        Tensor::cat(future, 1)
    }

    /// Shows every imagined latent `[batch, 1, tokens, dim]`, one after the other.
    fn imagine(&self, first: Tensor<3>, actions: Tensor<3>, noise: &mut Noise, mut show: impl FnMut(Tensor<4>)) {
        let mut seen = vec![first.unsqueeze_dim(1)];
        for step in 0..actions.dims()[1] {
            let frames = seen.len();
            let window = match &seen[..] {
                [only] => only.clone(),
                several => Tensor::cat(several.to_vec(), 1),
            };
            let next = self.predict_with(window, actions.clone().narrow(1, step + 1 - frames, frames), noise);
            let next = if frames == 1 { next } else { next.narrow(1, frames - 1, 1) };
            show(next.clone());
            seen.push(next);
            seen.drain(..seen.len().saturating_sub(self.history()));
        }
    }

    /// Every frame but the first of windows `[windows, time, tokens, dim]`, predicted from the true frames before it and the
    /// actions `[windows, time - 1, action]`, in runs of [`WorldModel::history`] frames -> `[windows, time - 1, tokens, dim]`.
    fn predict_next(&self, windows: Tensor<4>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        let ([count, time, tokens, dim], action) = (windows.dims(), actions.dims()[2]);
        let (runs, history) = ((time - 1) / self.history(), self.history());
        let seen = windows.narrow(1, 0, time - 1).reshape([count * runs, history, tokens, dim]);
        let next = self.predict_with(seen, actions.reshape([count * runs, history, action]), noise);
        next.reshape([count, time - 1, tokens, dim])
    }

    /// The labels that the probe reads, normalised: latents `[batch, tokens, dim]` -> `[batch, labels]`. Only of a model that
    /// was made for labels.
    pub fn probe(&self, latents: Tensor<3>) -> Tensor<2> {
        match &self.probe {
            Some(probe) => probe.forward(latents),
            None => Tensor::empty([latents.dims()[0], 0], &latents.device()),
        }
    }

    /// The learned goal distance, if the model has one.
    pub fn distance(&self) -> Option<&GoalDistance> {
        self.distance.as_ref()
    }

    /// The ensemble whose disagreement says what the model does not know, if it has one.
    pub fn ensemble(&self) -> Option<&Ensemble> {
        self.ensemble.as_ref()
    }

    /// The loss of a batch: prediction + variance + covariance + time similarity + SIGReg + inverse dynamics, and beside them,
    /// on detached latents, the goal distance, the ensemble and the probes. Gradients flow into the targets too: it is the regulariser that
    /// keeps the latent from collapsing (Sobal et al., 2025; Bardes et al., 2022).
    pub fn loss(&self, batch: TrainBatch) -> Loss {
        let Settings { latent, prediction, regularizer, .. } = &self.settings;
        let (windows, frames) = (batch.layouts * batch.episodes, batch.time + batch.extra);
        let (tokens, dim) = (latent.tokens(), latent.dim);
        let mut terms = Terms::default();

        // Encode every frame.
        let latents = self.encode(batch.pixels, self.felt(batch.labels.clone()));
        let sequences = latents.clone().reshape([windows, frames, tokens, dim]).narrow(1, 0, batch.time);

        // Predict, and compare.
        let mut noise = Noise::seeded(batch.seed);
        terms.add("prediction", prediction.weight, || {
            let (future, steps) = if prediction.teacher {
                let future = self.predict_next(sequences.clone(), batch.actions.clone(), &mut noise);
                (future, batch.time - 1)
            } else {
                let first = sequences.clone().narrow(1, 0, 1).squeeze_dim(1);
                let actions = batch.actions.clone().narrow(1, 0, prediction.unroll);
                (self.unroll_with(first, actions, &mut noise), prediction.unroll)
            };
            (future - sequences.clone().narrow(1, 1, steps)).powi_scalar(2).mean()
        });

        // Regularise.
        let samples = latents.clone().flatten::<2>(1, 2);
        terms.add("variance", regularizer.variance, || variance(samples.clone(), regularizer.margin));
        terms.add("covariance", regularizer.covariance, || covariance(samples.clone()));
        terms.add("time_similarity", regularizer.time_similarity, || time_similarity(sequences.clone()));
        terms.add("sigreg", regularizer.sigreg, || {
            let directions = directions(dim, regularizer.projections, batch.seed, &sequences.device());
            sigreg(sequences.clone(), directions.cast(sequences.dtype()))
        });
        if let Some(head) = &self.inverse_dynamics {
            let pairs = batch.time - 1;
            let flat = |from: usize| sequences.clone().narrow(1, from, pairs).reshape([windows * pairs, tokens, dim]);
            let actions = batch.actions.clone().flatten::<2>(0, 1);
            terms.add("inverse_dynamics", self.settings.inverse_dynamics, || {
                (head.forward(flat(0), flat(1)) - actions).powi_scalar(2).mean()
            });
        }

        // Beside it, on latents that take no gradient from it: the distance, the ensemble and the probes.
        let detached = latents.detach();
        if let Some(distance) = &self.distance {
            let (loss, mean) = distance.loss(LayoutFrames {
                latents: detached.clone(),
                layouts: batch.layouts,
                episodes: batch.episodes,
                time: batch.time,
                extra: batch.extra,
                at: batch.at,
            });
            terms.add("distance", 1.0, || loss);
            terms.note("distance_mean", mean);
        }
        if let Some(ensemble) = &self.ensemble {
            terms.add("ensemble", 1.0, || ensemble.loss(sequences.clone().detach(), batch.actions.clone()));
        }
        if let Some(probe) = &self.probe {
            terms.add("probe", 1.0, || (probe.forward(detached.clone()) - batch.labels).powi_scalar(2).mean());
        }
        Loss { total: terms.total(), terms: terms.named, latents: detached }
    }

    /// What follows an update of the weights: the target network of the distance moves. Call it after every one.
    #[must_use]
    pub fn after_update(mut self) -> Self {
        self.distance = self.distance.map(GoalDistance::follow);
        self
    }

    fn normed<const D: usize>(&self, latents: Tensor<D>) -> Tensor<D> {
        match &self.norm {
            Some(norm) => norm.forward(latents),
            None => latents,
        }
    }
}

impl TrainBatch {
    /// A batch from host memory: actions `[windows, time - 1, action]`.
    pub fn actions(actions: &[f32], [windows, steps, action]: [usize; 3], device: &Device) -> Tensor<3> {
        Tensor::from_data(TensorData::new(actions.to_vec(), [windows, steps, action]), device)
    }
}

/// The terms of a loss: unweighted by name, and their weighted sum.
#[derive(Default)]
struct Terms {
    named: Vec<(&'static str, Tensor<1>)>,
    weighted: Vec<Tensor<1>>,
}

impl Terms {
    /// A term of weight 0 is not computed.
    fn add(&mut self, name: &'static str, weight: f64, term: impl FnOnce() -> Tensor<1>) {
        if weight > 0.0 {
            let term = term();
            self.weighted.push(term.clone() * weight);
            self.note(name, term);
        }
    }

    fn note(&mut self, name: &'static str, value: Tensor<1>) {
        self.named.push((name, value.detach()));
    }

    fn total(&self) -> Tensor<1> {
        Tensor::cat(self.weighted.clone(), 0).sum()
    }
}

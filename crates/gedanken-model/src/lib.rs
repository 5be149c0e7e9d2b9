#![doc = include_str!("../README.md")]

mod checkpoint;
mod config;
mod learned;
mod parts;
mod statistics;
mod transfer;

pub mod conformance;
pub mod heads;
pub mod targets;

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};
use gedanken_nn::{
    Encoder, LatentShape, Learn, Loss, Mlp, Noise, Part, Parts as Named, Predictor, Progress, Schedule, Shown, Spaces,
    TrainBatch, draw, seeded,
};
use gedanken_regularizer::{Term, View, sequences};
use targets::Target;

pub use checkpoint::{Blueprint, COMPATIBLE, CheckpointError, FILES, LearnedFrom, load, save};
pub use config::{LossConfig, ModelConfig, PredictionConfig, ProprioceptionConfig, TermTable};
pub use heads::{Actor, Ensemble, GoalDistance, Probe};
pub use parts::{Parts, Plan};
pub use statistics::Statistics;
pub use transfer::{Transfer, part_of};

/// A joint embedding predictive world model with the terms of its loss.
#[derive(Module, Debug)]
pub struct WorldModel {
    encoder: Part<dyn Encoder>,
    proprioception: Option<Mlp>,
    predictor: Part<dyn Predictor>,
    norm: Option<LayerNorm>,
    target: Part<dyn Target>,
    terms: Named<dyn Term>,
    #[module(skip)]
    settings: Settings,
}

/// The model beside its weights.
#[derive(Clone, Debug)]
struct Settings {
    spaces: Spaces,
    latent: LatentShape,
    appends: bool,
    teacher: bool,
    unroll: usize,
    /// One for each term.
    weights: Vec<Schedule>,
}

/// Observation to latent: the part of a model that a target may follow.
#[derive(Module, Debug)]
pub struct Perception {
    encoder: Part<dyn Encoder>,
    proprioception: Option<Mlp>,
    norm: Option<LayerNorm>,
    /// Proprioception is appended to every token, not added.
    #[module(skip)]
    appends: bool,
}

/// Frames as an encoder takes them.
#[derive(Clone)]
pub struct Seen {
    /// Normalised pixels `[frames, channels, height, width]`.
    pub pixels: Tensor<4>,
    /// Proprioception `[frames, felt]`, if the model has any.
    pub felt: Option<Tensor<2>>,
}

impl Perception {
    /// Frames -> latents `[frames, tokens, dim]`.
    pub fn encode(&self, Seen { pixels, felt }: Seen) -> Tensor<3> {
        let seen = self.encoder.encode(pixels);
        let latents = match self.proprioception.as_ref().zip(felt) {
            Some((network, felt)) => self.joined(seen, network.forward(felt).unsqueeze_dim(1)),
            None => seen,
        };
        normed(&self.norm, latents)
    }

    /// Tokens `[frames, tokens, dim]` with what is felt in every one, `[frames, 1, numbers]`.
    fn joined(&self, seen: Tensor<3>, felt: Tensor<3>) -> Tensor<3> {
        match self.appends {
            true => {
                let tokens = seen.dims()[1];
                Tensor::cat(vec![seen, felt.repeat_dim(1, tokens)], 2)
            }
            false => seen + felt,
        }
    }
}

impl WorldModel {
    /// A new model. Its weights are a function of `seed` alone: they are drawn on the CPU, whatever the device.
    pub fn new(plan: &Plan, spaces: Spaces, seed: u64, device: &Device) -> Self {
        let model = seeded(seed, |cpu| {
            let mut model = Self::undrawn(plan, spaces, cpu);
            model.encoder = draw(model.encoder);
            model.predictor = draw(model.predictor);
            model.terms = draw(model.terms);
            model.terms.iter_mut().for_each(Term::begin);
            // Whether there is any changes no other part's weights.
            model.proprioception = draw(model.proprioception);
            let perception = model.perception();
            model.target = draw(model.target);
            model.target.begin(&perception);
            model
        });
        model.fork(device)
    }

    /// The parts of a plan, before their weights are drawn: they take hardly any memory yet.
    pub(crate) fn undrawn(plan: &Plan, spaces: Spaces, cpu: &Device) -> Self {
        let latent = plan.latent_shape(&spaces);
        let felt = spaces.proprioception.len();
        let appends = plan.proprioception.append > 0;
        let widths = plan.proprioception.widths(felt, latent.dim);
        let perception = || Perception {
            encoder: plan.encoder.init(spaces.pixels, cpu),
            proprioception: (felt > 0).then(|| Mlp::new(&widths, cpu)),
            appends,
            norm: plan.prediction.shared_norm.then(|| LayerNormConfig::new(latent.dim).init(cpu)),
        };
        let target = plan.target.init(&perception);
        let Perception { encoder, proprioception, norm, .. } = perception();
        let (terms, weights) = plan.init_terms(latent, &spaces, cpu);
        Self {
            encoder,
            proprioception,
            predictor: plan.predictor.init(latent, spaces.action, cpu),
            norm,
            target,
            terms: terms.into(),
            settings: Settings {
                teacher: plan.prediction.teacher,
                unroll: plan.prediction.unroll,
                spaces,
                latent,
                appends,
                weights,
            },
        }
    }

    /// Sizes of observations, actions and labels.
    pub fn spaces(&self) -> &Spaces {
        &self.settings.spaces
    }

    /// The shape of a latent.
    pub fn latent_shape(&self) -> LatentShape {
        self.settings.latent
    }

    /// Normalised pixels `[frames, channels, height, width]` and the proprioception that [`WorldModel::felt`] takes of the labels
    /// -> latents `[frames, tokens, dim]`.
    pub fn encode(&self, pixels: Tensor<4>, felt: Option<Tensor<2>>) -> Tensor<3> {
        self.perception().encode(Seen { pixels, felt })
    }

    fn perception(&self) -> Perception {
        let Self { encoder, proprioception, norm, settings, .. } = self;
        Perception {
            encoder: encoder.clone(),
            proprioception: proprioception.clone(),
            norm: norm.clone(),
            appends: settings.appends,
        }
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
        normed(&self.norm, self.predictor.predict(latents, actions, noise))
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
        self.imagine(first, actions.dims()[1], &mut Noise::none(), of(&actions), |next| last = next);
        last.squeeze_dim(1)
    }

    /// The actions by which the actor would get from latents `[batch, tokens, dim]` to goals of the same shape, `[batch, steps, action]`:
    /// each from where the one before is imagined to lead. None of a model without an actor.
    pub fn propose(&self, latents: Tensor<3>, goals: Tensor<3>, steps: usize) -> Option<Tensor<3>> {
        let actor = self.actor()?;
        let mut actions = Vec::with_capacity(steps);
        let act = |step, now: Tensor<3>| {
            let action = actor.act(now, goals.clone(), steps - step).unsqueeze_dim::<3>(1);
            actions.push(action.clone());
            action
        };
        self.imagine(latents, steps, &mut Noise::none(), act, |_| {});
        Some(Tensor::cat(actions, 1))
    }

    fn unroll_with(&self, first: Tensor<3>, actions: Tensor<3>, noise: &mut Noise) -> Tensor<4> {
        let mut future = Vec::with_capacity(actions.dims()[1]);
        self.imagine(first, actions.dims()[1], noise, of(&actions), |next| future.push(next));
        Tensor::cat(future, 1)
    }

    /// Asks for the action `[batch, 1, action]` of every step in the last latents `[batch, tokens, dim]`, and shows every imagined latent
    /// `[batch, 1, tokens, dim]`, one after the other.
    fn imagine(
        &self,
        first: Tensor<3>,
        steps: usize,
        noise: &mut Noise,
        mut act: impl FnMut(usize, Tensor<3>) -> Tensor<3>,
        mut show: impl FnMut(Tensor<4>),
    ) {
        let (mut last, mut seen, mut taken) = (first.clone(), vec![first.unsqueeze_dim::<4>(1)], Vec::new());
        for step in 0..steps {
            taken.push(act(step, last));
            let frames = seen.len();
            let next = self.predict_with(joined(&seen), joined(&taken), noise);
            let next = if frames == 1 { next } else { next.narrow(1, frames - 1, 1) };
            show(next.clone());
            last = next.clone().squeeze_dim(1);
            seen.push(next);
            let old = seen.len().saturating_sub(self.history());
            seen.drain(..old);
            taken.drain(..old);
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

    /// Normalised labels that the probe reads: latents `[batch, tokens, dim]` -> `[batch, labels]`; not a number where the loss has
    /// no probe.
    pub fn probe(&self, latents: Tensor<3>) -> Tensor<2> {
        match self.term::<Probe>() {
            Some(probe) => probe.read(latents),
            None => Tensor::full([latents.dims()[0], self.settings.spaces.labels], f32::NAN, &latents.device()),
        }
    }

    /// The learned goal distance, if the loss has one.
    pub fn distance(&self) -> Option<&GoalDistance> {
        self.term()
    }

    /// The ensemble whose disagreement says what the model does not know, if the loss has one.
    pub fn ensemble(&self) -> Option<&Ensemble> {
        self.term()
    }

    /// The actor that proposes how to get from one latent to another, if the loss has one.
    pub fn actor(&self) -> Option<&Actor> {
        self.term()
    }

    /// The term of this type, if the loss has one.
    pub fn term<T: 'static>(&self) -> Option<&T> {
        self.terms.iter().find_map(|(_, term)| term.as_any().downcast_ref())
    }

    /// Predictions of the frames of windows `[windows, time, tokens, dim]` after the first -> `[windows, steps, tokens, dim]`.
    fn predictions(&self, sequences: Tensor<4>, batch: &TrainBatch) -> Tensor<4> {
        let mut noise = Noise::seeded(batch.seed);
        if self.settings.teacher {
            return self.predict_next(sequences, batch.actions.clone(), &mut noise);
        }
        let first = sequences.narrow(1, 0, 1).squeeze_dim(1);
        self.unroll_with(first, batch.actions.clone().narrow(1, 0, self.settings.unroll), &mut noise)
    }

    /// Encodes a batch, and hands it to `then` as the terms see it.
    fn view<T>(&self, batch: TrainBatch, progress: Progress, then: impl FnOnce(View<'_>) -> T) -> T {
        // Perceive.
        let seen = Seen { pixels: batch.pixels.clone(), felt: self.felt(batch.labels.clone()) };
        let latents = batch.latents.clone().unwrap_or_else(|| self.encode(seen.pixels.clone(), seen.felt.clone()));
        let windows = sequences(&batch, latents.clone());

        // Predict, and say what should have been predicted: each when a term first asks.
        let predictions = || self.predictions(windows.clone(), &batch);
        let targets = || self.target.latents(windows.clone(), seen.clone(), &batch);
        then(View::new(batch.clone(), latents.clone(), windows.clone(), progress, targets, predictions))
    }
}

impl Learn for WorldModel {
    type Batch = TrainBatch;

    /// The loss of a batch: its terms, weighted. Terms on detached latents (the distance, the ensemble, the probe) stand beside
    /// the others and shape no latent.
    fn loss(&self, batch: TrainBatch, progress: Progress) -> Loss {
        self.view(batch, progress, |view| {
            let (mut weighted, mut terms) = (Vec::new(), Vec::new());
            for ((name, term), weight) in self.terms.iter().zip(&self.settings.weights) {
                let weight = weight.at(progress);
                // A term of weight 0 is not computed.
                if weight > 0.0 {
                    let value = term.loss(&view);
                    weighted.push(value.loss.clone() * weight);
                    terms.push((name, value.loss.detach()));
                    terms.extend(value.notes);
                }
            }
            // Schedules may all be at 0.
            let nothing = || view.samples.clone().sum() * 0.0;
            let total = if weighted.is_empty() { nothing() } else { Tensor::cat(weighted, 0).sum() };
            Loss { total, terms, latents: Some(view.samples.detach()) }
        })
    }

    fn after_update(mut self, progress: Progress) -> Self {
        self.terms.iter_mut().for_each(|term| term.after_update(progress));
        let perception = self.perception();
        self.target.after_update(&perception, progress);
        self
    }

    fn show(&self, batch: TrainBatch) -> Vec<Shown> {
        let progress = Progress { step: 0, steps: 1 };
        self.view(batch, progress, |view| self.terms.iter().flat_map(|(_, term)| term.show(&view)).collect())
    }
}

/// The actions `[batch, steps, action]`, one after the other.
fn of(actions: &Tensor<3>) -> impl FnMut(usize, Tensor<3>) -> Tensor<3> + use<> {
    let actions = actions.clone();
    move |step, _| actions.clone().narrow(1, step, 1)
}

/// One after the other along the second dimension.
fn joined<const D: usize>(parts: &[Tensor<D>]) -> Tensor<D> {
    match parts {
        [only] => only.clone(),
        several => Tensor::cat(several.to_vec(), 1),
    }
}

fn normed<const D: usize>(norm: &Option<LayerNorm>, latents: Tensor<D>) -> Tensor<D> {
    match norm {
        Some(norm) => norm.forward(latents),
        None => latents,
    }
}

#![doc = include_str!("../README.md")]

mod checkpoint;
mod config;
mod imagination;
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
    Encoder, LatentShape, Learn, Loss, Mlp, Part, Parts as Named, Predictor, Progress, Schedule, Shown, Spaces,
    TrainBatch, draw, seeded,
};
use gedanken_predictor::Variable;
use gedanken_regularizer::{Term, View, sequences};
use targets::Target;

pub use checkpoint::{Blueprint, COMPATIBLE, CheckpointError, FILES, LearnedFrom, load, save};
pub use config::{LossConfig, ModelConfig, PredictionConfig, ProprioceptionConfig, TermTable};
pub use heads::{Actor, Ensemble, GoalDistance, Probe};
pub use parts::{Parts, Plan};
pub use statistics::{IMAGENET, Statistics};
pub use transfer::{Transfer, part_of};

/// A joint embedding predictive world model with the terms of its loss.
#[derive(Module, Debug)]
pub struct WorldModel {
    encoder: Part<dyn Encoder>,
    proprioception: Option<Mlp>,
    predictor: Part<dyn Predictor>,
    latent_variable: Option<Part<dyn Variable>>,
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
    /// Numbers of every token that proprioception appends.
    appended: usize,
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
        let latents = match (felt, &self.proprioception) {
            (Some(felt), Some(network)) => self.joined(seen, network.forward(felt)),
            (Some(felt), None) => self.joined(seen, felt),
            (None, _) => seen,
        };
        normed(&self.norm, latents)
    }

    /// Tokens `[frames, tokens, dim]` with what is felt, `[frames, numbers]`, in every one.
    fn joined(&self, seen: Tensor<3>, felt: Tensor<2>) -> Tensor<3> {
        let felt = felt.unsqueeze_dim(1);
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
            model.latent_variable = draw(model.latent_variable);
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
        let appended = plan.proprioception.appended(felt);
        let perception = || Perception {
            encoder: plan.encoder.init(spaces.pixels, cpu),
            proprioception: plan.proprioception.network(felt, latent.dim, cpu),
            appends: appended > 0,
            norm: plan.prediction.shared_norm.then(|| LayerNormConfig::new(latent.dim).init(cpu)),
        };
        let target = plan.target.init(&perception);
        let Perception { encoder, proprioception, norm, .. } = perception();
        let (terms, weights) = plan.init_terms(latent, &spaces, cpu);
        Self {
            encoder,
            proprioception,
            predictor: plan.predictor.init(latent, spaces.action + plan.variable.size(), cpu),
            latent_variable: plan.variable.init(latent, spaces.action, cpu),
            norm,
            target,
            terms: terms.into(),
            settings: Settings {
                teacher: plan.prediction.teacher,
                unroll: plan.prediction.unroll,
                spaces,
                latent,
                appended,
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

    /// The numbers at the end of every token that proprioception appends; the others are made of the picture.
    pub fn appended(&self) -> usize {
        self.settings.appended
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
            appends: settings.appended > 0,
        }
    }

    /// Proprioception: normalised labels `[frames, labels]` -> those that the agent feels, `[frames, felt]`, if any.
    pub fn felt(&self, labels: Tensor<2>) -> Option<Tensor<2>> {
        let columns: Vec<i32> = self.settings.spaces.proprioception.iter().map(|&column| column as i32).collect();
        let device = labels.device();
        (!columns.is_empty()).then(|| labels.select(1, Tensor::from_data(columns.as_slice(), &device)))
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

    /// Encodes a batch, and hands it to `then` as the terms see it.
    fn view<T>(&self, batch: TrainBatch, progress: Progress, then: impl FnOnce(View<'_>) -> T) -> T {
        // Perceive.
        let seen = Seen { pixels: batch.pixels.clone(), felt: self.felt(batch.labels.clone()) };
        let latents = batch.latents.clone().unwrap_or_else(|| self.encode(seen.pixels.clone(), seen.felt.clone()));
        let windows = sequences(&batch, latents.clone());

        // Predict, and say what should have been predicted: each when a term first asks.
        let targets = || self.target.latents(windows.clone(), seen.clone(), &batch);
        let predictions = || self.predictions(windows.clone(), targets, &batch);
        let score = || self.energy_score(windows.clone(), targets(), &batch);
        let view = View::new(batch.clone(), latents.clone(), windows.clone(), progress, targets, predictions);
        then(if self.latent_variable.is_some() { view.with_energy_score(score) } else { view })
    }
}

impl Learn for WorldModel {
    type Batch = TrainBatch;

    /// The loss of a batch: its terms, weighted. Terms on detached latents (the distance, the ensemble, the probe) stand beside
    /// the others and shape no latent.
    fn loss(&self, batch: TrainBatch, progress: Progress) -> Loss {
        self.view(batch, progress, |view| {
            let (mut weighted, mut shaping, mut terms) = (Vec::new(), Vec::new(), Vec::new());
            for ((name, term), weight) in self.terms.iter().zip(&self.settings.weights) {
                let weight = weight.at(progress);
                // A term of weight 0 is not computed.
                if weight > 0.0 {
                    let value = term.loss(&view);
                    weighted.push(value.loss.clone() * weight);
                    if term.shapes_latents() {
                        shaping.push(value.loss.clone().detach() * weight);
                    }
                    terms.push((name, value.loss.detach()));
                    terms.extend(value.notes);
                }
            }
            // Schedules may all be at 0.
            let nothing = || view.samples.clone().sum() * 0.0;
            // Beside detached heads, whose losses may rise while a model learns.
            if !shaping.is_empty() && shaping.len() < weighted.len() {
                terms.push(("shaping", Tensor::cat(shaping, 0).sum()));
            }
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

fn normed<const D: usize>(norm: &Option<LayerNorm>, latents: Tensor<D>) -> Tensor<D> {
    match norm {
        Some(norm) => norm.forward(latents),
        None => latents,
    }
}

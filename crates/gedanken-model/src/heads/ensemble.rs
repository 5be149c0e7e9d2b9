//! An ensemble of one-step predictors: where they disagree, the data did not say what happens.
//!
//! Its members are predictors as the model's own, alike but for their first weights. They learn the same thing from the same
//! detached latents, so they agree where they have been and only there (Pathak et al., 2019; PLDM plans with the same term,
//! Sobal et al., 2025).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Noise, Part, Predictor};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ensemble: further predictors like the model's own, each of one step from one latent, trained on detached latents: where
/// they disagree, the model does not know (Pathak et al., 2019). Plans can avoid that: the objective `uncertainty`, and guardrails
/// of kind `uncertainty`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Members. Default 5, PLDM's.
    #[schemars(range(min = 2, max = 32))]
    pub members: usize,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { members: 5 }
    }
}

impl TermConfig for EnsembleConfig {
    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        let members = (0..self.members).map(|_| (setting.predictor)(device)).collect();
        (Box::new(Ensemble::new(members)) as Box<dyn Term>).into()
    }
}

/// The members.
#[derive(Module, Debug)]
pub struct Ensemble {
    members: Vec<Part<dyn Predictor>>,
}

impl Ensemble {
    /// An ensemble of these predictors.
    pub fn new(members: Vec<Part<dyn Predictor>>) -> Self {
        Self { members }
    }

    /// The members.
    pub fn members(&self) -> &[Part<dyn Predictor>] {
        &self.members
    }

    /// The mean squared error of a step, the mean over members, `[1]`: detached latents of consecutive frames
    /// `[windows, time, tokens, dim]` and the actions between them `[windows, time - 1, action]`.
    pub fn error(&self, sequences: Tensor<4>, actions: Tensor<3>) -> Tensor<1> {
        let [windows, time, tokens, dim] = sequences.dims();
        let flat = |from: usize| {
            let frames = sequences.clone().narrow(1, from, time - 1);
            frames.reshape([windows * (time - 1), 1, tokens, dim])
        };
        let (seen, next) = (flat(0), flat(1));
        let actions = actions.flatten::<2>(0, 1).unsqueeze_dim(1);
        let error = |guess: Tensor<4>| (guess - next.clone()).powi_scalar(2).mean();
        Tensor::cat(self.steps(seen, actions).map(error).collect(), 0).mean()
    }

    /// The variance of the members' next latents, the mean over a latent's numbers: latents `[rows, steps, tokens, dim]` and
    /// the actions taken in them, as the model takes them, `[rows, steps, action]` -> `[rows, steps]`.
    pub fn disagreement(&self, latents: Tensor<4>, actions: Tensor<3>) -> Tensor<2> {
        let [rows, steps, tokens, dim] = latents.dims();
        let seen = latents.reshape([rows * steps, 1, tokens, dim]);
        let actions = actions.flatten::<2>(0, 1).unsqueeze_dim(1);
        let guesses: Vec<Tensor<4>> = self.steps(seen, actions).collect();
        let count = guesses.len() as f64;
        let mean = guesses.iter().cloned().reduce(|sum, guess| sum + guess).map(|sum| sum / count);
        let squares = guesses.into_iter().zip(mean.into_iter().cycle()).map(|(guess, mean)| (guess - mean).square());
        let variance = squares.reduce(|sum, square| sum + square).map(|sum| sum / count);
        let variance =
            variance.map(|variance| variance.reshape([rows, steps, tokens * dim]).mean_dim(2).squeeze_dim(2));
        variance.unwrap_or_else(|| Tensor::zeros([rows, steps], &Device::flex()))
    }

    /// Next latents by every member: latents `[rows, 1, tokens, dim]`, actions `[rows, 1, action]`.
    fn steps(&self, latents: Tensor<4>, actions: Tensor<3>) -> impl Iterator<Item = Tensor<4>> {
        self.members.iter().map(move |member| member.predict(latents.clone(), actions.clone(), &mut Noise::none()))
    }
}

impl Term for Ensemble {
    fn shapes_latents(&self) -> bool {
        false
    }

    fn loss(&self, view: &View) -> Value {
        self.error(view.sequences.clone().detach(), view.batch.actions.clone()).into()
    }
}

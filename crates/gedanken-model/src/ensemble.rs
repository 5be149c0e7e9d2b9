//! An ensemble of one-step predictors: where they disagree, the data did not say what happens.
//!
//! Its members are predictors as the model's own, alike but for their first weights. They learn the same thing from the same
//! detached latents, so they agree where they have been and only there (Pathak et al., 2019; PLDM plans with the same term,
//! Sobal et al., 2025).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_encoder::LatentShape;
use gedanken_nn::Noise;
use gedanken_predictor::{Predictor, PredictorConfig};

/// The members.
#[derive(Module, Debug)]
pub struct Ensemble {
    members: Vec<Predictor>,
}

impl Ensemble {
    /// So many predictors of latents of this shape under actions of so many numbers.
    pub fn new(
        predictor: &PredictorConfig,
        members: usize,
        latent: LatentShape,
        action: usize,
        device: &Device,
    ) -> Self {
        let member = |_| predictor.init([latent.rows, latent.columns], latent.dim, action, device);
        Self { members: (0..members).map(member).collect() }
    }

    /// The members.
    pub fn members(&self) -> &[Predictor] {
        &self.members
    }

    /// The mean squared error of a step, the mean over members, `[1]`: detached latents of consecutive frames
    /// `[windows, time, tokens, dim]` and the actions between them `[windows, time - 1, action]`.
    pub fn loss(&self, sequences: Tensor<4>, actions: Tensor<3>) -> Tensor<1> {
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

    /// What every member thinks comes next: latents `[rows, 1, tokens, dim]`, actions `[rows, 1, action]`.
    fn steps(&self, latents: Tensor<4>, actions: Tensor<3>) -> impl Iterator<Item = Tensor<4>> {
        self.members.iter().map(move |member| member.forward(latents.clone(), actions.clone(), &mut Noise::none()))
    }
}

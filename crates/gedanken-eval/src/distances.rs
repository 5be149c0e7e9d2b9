//! Distances to a goal that a model has learned.

use burn::tensor::Tensor;
use gedanken_model::{GoalDistance, WorldModel};
use gedanken_planner::Objective;

/// The learned goal distance, in control steps.
pub struct LearnedDistance<'a>(pub &'a GoalDistance);

impl Objective for LearnedDistance<'_> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        let futures = self.0.embed(futures.flatten::<3>(0, 1));
        let embedding = futures.dims()[1];
        let goals = self.0.embed(goals).unsqueeze_dim::<3>(1);
        let difference = futures.reshape([rows, horizon, embedding]) - goals;
        difference.powi_scalar(2).sum_dim(2).sqrt().squeeze_dim::<2>(2)
    }
}

/// The mean squared difference, in standard deviations, of the labels that the model's probe reads.
pub struct ProbeDistance<'a> {
    /// The model.
    pub model: &'a WorldModel,
    /// Only those that the agent feels; all where it feels none.
    pub felt: bool,
}

impl ProbeDistance<'_> {
    /// Latents `[rows, tokens, dim]` -> `[rows, labels]`.
    fn read(&self, latents: Tensor<3>) -> Tensor<2> {
        let labels = self.model.probe(latents);
        let felt = if self.felt { self.model.felt(labels.clone()) } else { None };
        felt.unwrap_or(labels)
    }
}

impl Objective for ProbeDistance<'_> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        let labels = self.read(futures.flatten::<3>(0, 1));
        let size = labels.dims()[1];
        let goals = self.read(goals).unsqueeze_dim::<3>(1);
        (labels.reshape([rows, horizon, size]) - goals).square().mean_dim(2).squeeze_dim(2)
    }
}

//! What plans minimise, beyond the distance of latents: the learned distance, and costs read from labels.

use burn::tensor::{Tensor, TensorData};
use gedanken_env::Env;
use gedanken_model::{GoalDistance, Statistics, WorldModel};
use gedanken_planner::Objective;
use rayon::prelude::*;

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

/// Where labels come from.
#[derive(Clone, Copy)]
pub enum Labels<'a> {
    /// The simulator's latents: `[task, labels …]`.
    Simulated,
    /// The model's latents, through its probe.
    Probed(&'a WorldModel, &'a Statistics),
}

impl Labels<'_> {
    /// Labels in their units, `[rows, labels]`, of latents `[rows, tokens, dim]`.
    pub fn of(&self, latents: Tensor<3>) -> Tensor<2> {
        match self {
            Labels::Simulated => {
                let numbers = latents.dims()[2];
                latents.narrow(2, 1, numbers - 1).flatten::<2>(1, 2)
            }
            Labels::Probed(model, statistics) => statistics.labels_in_units(model.probe(latents)),
        }
    }
}

/// How labels are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The environment's plain distance, which knows no obstacle.
    Plain,
    /// The true cost-to-go.
    True,
}

/// A cost that the environment computes from labels, on the host.
pub struct LabelCost<'a> {
    /// Any instance of the environment: costs depend on labels alone.
    pub env: &'a dyn Env,
    /// Where labels come from.
    pub labels: Labels<'a>,
    /// How they are compared.
    pub measure: Measure,
}

impl LabelCost<'_> {
    /// Labels in their units, `[rows, labels]`, of latents `[rows, tokens, dim]`.
    fn read(&self, latents: Tensor<3>) -> (Vec<f32>, usize) {
        let labels = self.labels.of(latents);
        let size = labels.dims()[1];
        (labels.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default(), size)
    }
}

impl Objective for LabelCost<'_> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let device = futures.device();
        let [rows, horizon, _, _] = futures.dims();
        let (labels, size) = self.read(futures.flatten::<3>(0, 1));
        let (goals, _) = self.read(goals);
        let mut costs = vec![0.0; rows * horizon];
        costs.par_chunks_mut(horizon).enumerate().with_min_len(16).for_each(|(row, costs)| {
            let goal = &goals[row * size..][..size];
            let steps = labels[row * horizon * size..].chunks(size);
            for (cost, labels) in costs.iter_mut().zip(steps) {
                let known = match self.measure {
                    Measure::Plain => self.env.plain_distance(labels, goal),
                    Measure::True => self.env.cost_to_go(labels, goal),
                };
                *cost = known.map_or(f32::NAN, |known| known as f32);
            }
        });
        Tensor::from_data(TensorData::new(costs, [rows, horizon]), &device)
    }
}

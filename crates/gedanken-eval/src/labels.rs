//! Labels as planning on the true simulator and guardrails read them from latents, and costs that an environment computes of them.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use gedanken_env::Env;
use gedanken_model::{Statistics, WorldModel};
use gedanken_planner::Objective;
use rayon::prelude::*;

use crate::worlds::host;

/// Where labels come from.
#[derive(Clone, Copy)]
pub enum Labels<'a> {
    /// The latents of a [`TrueWorld`](crate::TrueWorld): `[env, labels …]`.
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

    /// The same on the host.
    pub(crate) fn read(&self, latents: Tensor<3>) -> Vec<f32> {
        host(self.of(latents))
    }
}

/// Root mean squared Euclidean distance of some columns of two tables with `size` numbers in a row.
pub(crate) fn rmse(found: &[f32], truth: &[f32], size: usize, columns: Range<usize>) -> f64 {
    let pairs = found.iter().zip(truth).enumerate().filter(|(i, _)| columns.contains(&(i % size)));
    let squares = pairs.map(|(_, (&a, &b))| f64::from(a - b).powi(2)).sum::<f64>();
    (squares / (truth.len() / size).max(1) as f64).sqrt()
}

/// Root mean squared Euclidean distance of some columns of a table from their mean.
pub(crate) fn spread(table: &[f32], size: usize, columns: Range<usize>) -> f64 {
    let rows = (table.len() / size).max(1);
    let mean =
        |column: usize| table.iter().skip(column).step_by(size).map(|&x| f64::from(x)).sum::<f64>() / rows as f64;
    let means: Vec<f32> = (0..size).map(|column| mean(column) as f32).collect();
    rmse(&means.repeat(rows), table, size, columns)
}

/// The rule by which an environment compares two rows of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostRule {
    /// Its plain distance, which knows no obstacle ([`Env::plain_distance`]).
    Plain,
    /// The true cost-to-go ([`Env::cost_to_go`]).
    ToGo,
}

impl CostRule {
    /// The cost between two rows of labels, where the environment knows one.
    fn cost(self, env: &dyn Env, labels: &[f32], goal: &[f32]) -> Option<f64> {
        match self {
            Self::Plain => env.plain_distance(labels, goal),
            Self::ToGo => env.cost_to_go(labels, goal),
        }
    }

    /// True where the environment has labels and knows this cost of them.
    pub(crate) fn known(self, env: &dyn Env) -> bool {
        let mut labels = vec![0.0; env.spec().label_len()];
        env.labels(&mut labels);
        !labels.is_empty() && self.cost(env, &labels, &labels).is_some()
    }
}

/// A cost that the environment computes from labels, on the host.
pub struct LabelCost<'a> {
    /// Any instance of the environment: costs depend on labels alone.
    pub env: &'a dyn Env,
    /// Where labels come from.
    pub labels: Labels<'a>,
    /// The comparison.
    pub rule: CostRule,
}

impl Objective for LabelCost<'_> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let (device, size) = (futures.device(), self.env.spec().label_len());
        let [rows, horizon, _, _] = futures.dims();
        let (labels, goals) = (self.labels.read(futures.flatten::<3>(0, 1)), self.labels.read(goals));
        let mut costs = vec![0.0; rows * horizon];
        costs.par_chunks_mut(horizon).enumerate().with_min_len(16).for_each(|(row, costs)| {
            let goal = &goals[row * size..][..size];
            let steps = labels[row * horizon * size..].chunks(size);
            for (cost, labels) in costs.iter_mut().zip(steps) {
                *cost = self.rule.cost(self.env, labels, goal).map_or(f32::NAN, |cost| cost as f32);
            }
        });
        Tensor::from_data(TensorData::new(costs, [rows, horizon]), &device)
    }
}

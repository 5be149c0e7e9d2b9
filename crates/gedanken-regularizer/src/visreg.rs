//! VISReg: centre, scale and shape of a batch of latents, each by itself.

use burn::prelude::*;
use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View, directions};

/// VISReg: latents have mean 0 and standard deviation 1 in every feature, and are normal seen along random directions. Default
/// weight 1.
#[derive(Module, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Visreg {
    /// Random directions, others at every update. Default 256.
    #[schemars(range(min = 1, max = 65536))]
    pub projections: usize,
}

impl Default for Visreg {
    fn default() -> Self {
        Self { projections: 256 }
    }
}

impl Term for Visreg {
    fn loss(&self, view: &View) -> Value {
        let z: Tensor<2> = view.sequences.clone().flatten(0, 2);
        let directions = directions(z.dims()[1], self.projections, view.batch.seed, &z.device());
        visreg(z.clone(), directions.cast(z.dtype())).into()
    }
}

/// Added to variances under the root.
const EPSILON: f64 = 1e-6;

/// `mean(m^2) + mean((s - 1)^2) + shape`, with `m` and `s` the features' means and (biased) standard deviations, and `shape` the mean
/// squared difference between the sorted projections of the standardised samples and the quantiles of a standard normal. The standard
/// deviations by which samples are standardised take no gradient.
///
/// `z`: `[samples, features]`; `directions`: `[features, count]`, columns of length 1. Returns a scalar `[1]`.
///
/// Source: VISReg as in stable-worldmodel's loss module.
pub fn visreg(z: Tensor<2>, directions: Tensor<2>) -> Tensor<1> {
    let samples = z.dims()[0];
    let mean = z.clone().mean_dim(0);
    let centred = z - mean.clone();
    let std = (centred.clone().square().mean_dim(0) + EPSILON).sqrt();
    let along = (centred / std.clone().detach()).matmul(directions);
    let order = along.clone().detach().argsort(0);
    let quantiles =
        Tensor::<2>::from_data(TensorData::new(quantiles(samples), [samples, 1]), (&along.device(), along.dtype()));
    let shape = (along.gather(0, order) - quantiles).square().mean();
    mean.square().mean() + (std - 1.0).square().mean() + shape
}

/// The values below which a standard normal number lies with the probabilities `i / (count + 1)`, `i` from 1.
fn quantiles(count: usize) -> Vec<f64> {
    let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let quantile = |p: f64| {
        // Newton's steps from the middle approach the tails from inside, a handful for most.
        let mut x = 0.0;
        loop {
            let step = (below(x) - p) / density(x);
            x -= step;
            if step.abs() < 1e-12 {
                return x;
            }
        }
    };
    (1..=count).map(|i| quantile(i as f64 / (count + 1) as f64)).collect()
}

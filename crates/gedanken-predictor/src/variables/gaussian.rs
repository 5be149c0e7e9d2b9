//! A latent variable of normal numbers.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{LatentShape, Linear, Noise, NormLinear, Part};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Inferred, Variable, VariableConfig};

/// Draws that stand for all.
const DRAWS: usize = 4;
/// Bound of the logarithm of a standard deviation.
const WIDEST: f64 = 5.0;

/// A few normal numbers. The prior says from the past how they lie, the posterior also from what came (Kingma and Welling, 2014); what
/// the one knows and the other does not is paid for in nats, `loss.information`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianConfig {
    /// Numbers. Default 4.
    #[schemars(range(min = 1, max = 65536))]
    pub size: usize,
    /// Width of the two hidden layers of prior and posterior. Default 128.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
}

impl Default for GaussianConfig {
    fn default() -> Self {
        Self { size: 4, hidden: 128 }
    }
}

/// Prior and posterior.
#[derive(Module, Debug)]
pub struct Gaussian {
    prior: Normal,
    posterior: Normal,
    #[module(skip)]
    size: usize,
}

/// A network that says where normal numbers lie.
#[derive(Module, Debug)]
struct Normal {
    layers: Vec<NormLinear>,
    output: Linear,
}

impl Normal {
    fn new(input: usize, hidden: usize, size: usize, device: &Device) -> Self {
        let layers = NormLinear::chain(&[input, hidden, hidden], device);
        Self { layers, output: Linear::new(hidden, 2 * size, device) }
    }

    /// Means and logarithms of standard deviations, `[batch, size]` each.
    fn of(&self, input: Vec<Tensor<2>>) -> [Tensor<2>; 2] {
        let hidden = self.layers.iter().fold(Tensor::cat(input, 1), |x, layer| layer.forward(x));
        let output = self.output.forward(hidden);
        let size = output.dims()[1] / 2;
        [output.clone().narrow(1, 0, size), (output.narrow(1, size, size) / WIDEST).tanh() * WIDEST]
    }
}

impl VariableConfig for GaussianConfig {
    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Option<Part<dyn Variable>> {
        let &Self { size, hidden } = self;
        let past = latent.numbers() + action;
        let gaussian = Gaussian {
            prior: Normal::new(past, hidden, size, device),
            posterior: Normal::new(past + latent.numbers(), hidden, size, device),
            size,
        };
        Some((Box::new(gaussian) as Box<dyn Variable>).into())
    }

    fn size(&self) -> usize {
        self.size
    }
}

impl Variable for Gaussian {
    fn size(&self) -> usize {
        self.size
    }

    fn chance(&self) -> usize {
        self.size
    }

    fn likeliest(&self, latents: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
        let [mean, _] = self.prior.of(vec![latents, actions]);
        mean
    }

    fn draw(&self, latents: Tensor<2>, actions: Tensor<2>, chance: Tensor<2>) -> Tensor<2> {
        let [mean, log_std] = self.prior.of(vec![latents, actions]);
        mean + log_std.exp() * chance
    }

    fn infer(
        &self,
        latents: Tensor<2>,
        actions: Tensor<2>,
        came: Tensor<2>,
        chance: Tensor<2>,
        _: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> Inferred {
        let prior = self.prior.of(vec![latents.clone(), actions.clone()]);
        let [mean, log_std] = self.posterior.of(vec![latents, actions, came]);
        let values = mean.clone() + log_std.clone().exp() * chance;
        Inferred { values, nats: divergence([mean, log_std], prior) }
    }

    fn candidates(&self, latents: Tensor<2>, actions: Tensor<2>, noise: &mut Noise) -> (Vec<Tensor<2>>, Tensor<2>) {
        let (batch, device) = (latents.dims()[0], latents.device());
        let [mean, log_std] = self.prior.of(vec![latents, actions]);
        let drawn = |_| mean.clone() + log_std.clone().exp() * noise.normal([batch, self.size], &device);
        ((0..DRAWS).map(drawn).collect(), Tensor::full([batch, DRAWS], 1.0 / DRAWS as f32, &device))
    }
}

/// Kullback-Leibler divergence of diagonal Gaussians, each a mean and a logarithm of the standard deviation, `[batch, size]` -> `[batch]`.
fn divergence([mean, log_std]: [Tensor<2>; 2], [prior_mean, prior_log_std]: [Tensor<2>; 2]) -> Tensor<1> {
    let spread = (log_std.clone() * 2.0).exp() + (mean - prior_mean).square();
    let each = prior_log_std.clone() - log_std + spread / ((prior_log_std * 2.0).exp() * 2.0) - 0.5;
    each.sum_dim(1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_is_that_of_normal_distributions() {
        let row = |x: [f32; 2]| Tensor::<2>::from_data([x], &Device::flex());
        // By hand: ln(2/1) + (1 + 9) / 8 - 1/2, and 0 for two that are the same.
        let nats = divergence([row([3.0, 0.7]), row([0.0, -1.0])], [row([0.0, 0.7]), row([2.0_f32.ln(), -1.0])]);
        assert!((nats.into_scalar::<f32>() - (2.0_f32.ln() + 10.0 / 8.0 - 0.5)).abs() < 1e-5);
    }
}

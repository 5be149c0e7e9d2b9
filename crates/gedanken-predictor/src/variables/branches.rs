//! A latent variable that is one of a few branches.

use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor};
use gedanken_nn::{LatentShape, Linear, Noise, NormLinear, Part};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Inferred, Variable, VariableConfig};

/// One of a few branches, and a router that says from the past how likely each is (Branch-JEPA; Guzman-Rivera et al., 2012). In
/// training, the branch that comes nearest to what came takes all of the error, and the router learns its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BranchesConfig {
    /// Branches. Default 4.
    #[schemars(range(min = 2, max = 256))]
    pub count: usize,
    /// Width of the router's two hidden layers. Default 128.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
}

impl Default for BranchesConfig {
    fn default() -> Self {
        Self { count: 4, hidden: 128 }
    }
}

/// A branch is a one-hot vector.
#[derive(Module, Debug)]
pub struct Branches {
    router: Vec<NormLinear>,
    output: Linear,
    #[module(skip)]
    count: usize,
}

impl VariableConfig for BranchesConfig {
    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Option<Part<dyn Variable>> {
        let branches = Branches {
            router: NormLinear::chain(&[latent.numbers() + action, self.hidden, self.hidden], device),
            output: Linear::new(self.hidden, self.count, device),
            count: self.count,
        };
        Some((Box::new(branches) as Box<dyn Variable>).into())
    }

    fn size(&self) -> usize {
        self.count
    }
}

impl Branches {
    /// `[batch, count]`.
    fn logits(&self, latents: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
        let input = Tensor::cat(vec![latents, actions], 1);
        self.output.forward(self.router.iter().fold(input, |x, layer| layer.forward(x)))
    }

    /// Rows of these branches `[batch, 1]`, as values.
    fn one_hot(&self, branches: Tensor<2, Int>) -> Tensor<2> {
        let all = Tensor::arange(0..self.count as i64, &branches.device()).reshape([1, self.count]);
        let batch = branches.dims()[0];
        branches.repeat_dim(1, self.count).equal(all.repeat_dim(0, batch)).float()
    }
}

impl Variable for Branches {
    fn size(&self) -> usize {
        self.count
    }

    fn chance(&self) -> usize {
        1
    }

    fn likeliest(&self, latents: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
        self.one_hot(self.logits(latents, actions).argmax(1))
    }

    fn draw(&self, latents: Tensor<2>, actions: Tensor<2>, chance: Tensor<2>) -> Tensor<2> {
        // The quantile of a normal number is a number from 0 to 1, and falls into a branch as often as the branch is likely.
        let quantile = ((chance / 2.0_f64.sqrt()).erf() + 1.0) / 2.0;
        let below = softmax(self.logits(latents, actions), 1).cumsum(1);
        let passed = below.narrow(1, 0, self.count - 1).lower(quantile.repeat_dim(1, self.count - 1));
        self.one_hot(passed.int().sum_dim(1))
    }

    fn infer(
        &self,
        latents: Tensor<2>,
        actions: Tensor<2>,
        came: Tensor<2>,
        _: Tensor<2>,
        predict: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> Inferred {
        let batch = latents.dims()[0];
        let error = |branch: usize| {
            let number = Tensor::<2, Int>::full([batch, 1], branch as i64, &latents.device());
            (predict(self.one_hot(number)) - came.clone()).square().mean_dim(1)
        };
        let errors = Tensor::cat((0..self.count).map(error).collect(), 1);
        let values = self.one_hot(errors.argmin(1));
        let likely = log_softmax(self.logits(latents, actions), 1);
        Inferred { nats: -(likely * values.clone()).sum_dim(1).squeeze_dim(1), values }
    }

    fn candidates(&self, latents: Tensor<2>, actions: Tensor<2>, _: &mut Noise) -> (Vec<Tensor<2>>, Tensor<2>) {
        let (batch, device) = (latents.dims()[0], latents.device());
        let number = |branch: usize| Tensor::<2, Int>::full([batch, 1], branch as i64, &device);
        let all = (0..self.count).map(|branch| self.one_hot(number(branch))).collect();
        (all, softmax(self.logits(latents, actions), 1))
    }
}

//! Latent variables: what the past does not tell about the next latent (LeCun, 2022, section 4.3). One file per kind.
//!
//! A predictor takes a latent variable's numbers behind those of the action, so every predictor can have one. All latents here are
//! flat, `[batch, tokens * dim]`, and carry no gradient: a latent variable shapes no latent.

mod branches;
mod gaussian;

use burn::tensor::{Device, Tensor};
use gedanken_nn::{AnyModule, LatentShape, Noise, Part};
use gedanken_parts::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use branches::{Branches, BranchesConfig};
pub use gaussian::{Gaussian, GaussianConfig};

/// A latent variable of a predictor.
pub trait Variable: AnyModule {
    /// Numbers of a value.
    fn size(&self) -> usize;

    /// Standard normal numbers that a draw is made from.
    fn chance(&self) -> usize;

    /// The likeliest values in these latents under these actions `[batch, action]`, `[batch, size]`.
    fn likeliest(&self, latents: Tensor<2>, actions: Tensor<2>) -> Tensor<2>;

    /// Values `[batch, size]` from the prior, one for every row of standard normal numbers, `[batch, chance]`.
    fn draw(&self, latents: Tensor<2>, actions: Tensor<2>, chance: Tensor<2>) -> Tensor<2>;

    /// The values that tell of the latents that came next. `predict` gives the latents predicted under values `[batch, size]`; `chance`
    /// are standard normal numbers `[batch, chance]`.
    fn infer(
        &self,
        latents: Tensor<2>,
        actions: Tensor<2>,
        came: Tensor<2>,
        chance: Tensor<2>,
        predict: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> Inferred;

    /// Some values that stand for all, each `[batch, size]`, and their probabilities `[batch, count]`, with a gradient.
    fn candidates(&self, latents: Tensor<2>, actions: Tensor<2>, noise: &mut Noise) -> (Vec<Tensor<2>>, Tensor<2>);
}

/// Values of a latent variable that tell of what came.
pub struct Inferred {
    /// `[batch, size]`.
    pub values: Tensor<2>,
    /// Information in them that the prior does not have, in nats, `[batch]`, with a gradient.
    pub nats: Tensor<1>,
}

/// A latent variable as an experiment writes it, `[latent_variable]`.
pub trait VariableConfig: std::fmt::Debug + Send + Sync {
    /// A new latent variable of predictors of latents of this shape under actions of `action` numbers; none for a predictor without.
    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Option<Part<dyn Variable>>;

    /// Numbers of a value, which follow an action's.
    fn size(&self) -> usize;
}

/// No latent variable: the predictor has one future for every action.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoVariable {}

impl VariableConfig for NoVariable {
    fn init(&self, _: LatentShape, _: usize, _: &Device) -> Option<Part<dyn Variable>> {
        None
    }

    fn size(&self) -> usize {
        0
    }
}

/// The line that puts a latent variable into a list.
pub fn variable<C>(kind: &'static str) -> Entry<dyn VariableConfig>
where
    C: VariableConfig + Serialize + DeserializeOwned + JsonSchema + Default + 'static,
{
    Entry::new(kind, |config: C| Ok(Box::new(config) as Box<dyn VariableConfig>))
}

/// All latent variables.
pub fn variables() -> Catalog<dyn VariableConfig> {
    Catalog::new("latent variable")
        .with(variable::<NoVariable>("none"))
        .with(variable::<BranchesConfig>("branches"))
        .with(variable::<GaussianConfig>("gaussian"))
}

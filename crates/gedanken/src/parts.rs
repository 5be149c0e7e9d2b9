//! The parts that a program knows: Gedanken's own, and a user's.

use gedanken_encoder::{EncoderConfig, encoder};
use gedanken_env::{Env, Registry};
use gedanken_model::targets::{TargetConfig, target};
use gedanken_parts::{Catalog, Entry};
use gedanken_planner::{Strategy, strategies, strategy};
use gedanken_predictor::{PredictorConfig, VariableConfig, predictor, variable};
use gedanken_regularizer::{TermConfig, term};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// The lists of parts. Everything else follows from them: the names and keys in TOML, the schema, `--help`, checkpoints.
#[derive(Clone)]
pub struct Parts {
    /// Environments, `[env] name = "…"`.
    pub environments: Registry,
    /// Encoders, predictors, latent variables, targets and terms of the loss.
    pub model: gedanken_model::Parts,
    /// Planners, `[planner] kind = "…"`.
    pub strategies: Catalog<dyn Strategy>,
}

/// Gedanken's own parts.
pub fn parts() -> Parts {
    let environments = Registry::new("environment")
        .with(gedanken_two_rooms::entry())
        .with(gedanken_push_t::entry())
        .with(gedanken_maze::entry())
        .with(gedanken_car::entry())
        .with(gedanken_gymnasium::entry())
        .with(gedanken_recordings::entry());
    Parts { environments, model: gedanken_model::Parts::default(), strategies: strategies() }
}

/// A part's config: what serde reads from TOML, with documentation and defaults.
pub trait Written: Serialize + DeserializeOwned + JsonSchema + Default + 'static {}
impl<C: Serialize + DeserializeOwned + JsonSchema + Default + 'static> Written for C {}

/// A part of the same name as one of Gedanken's replaces it.
impl Parts {
    /// With an environment, `[env] name = "…"`.
    #[must_use]
    pub fn environment(mut self, entry: Entry<dyn Env>) -> Self {
        self.environments = self.environments.with(entry);
        self
    }

    /// With an encoder, `[encoder] kind = "…"`.
    #[must_use]
    pub fn encoder<C: EncoderConfig + Written>(mut self, kind: &'static str) -> Self {
        self.model.encoders = self.model.encoders.with(encoder::<C>(kind));
        self
    }

    /// With a predictor, `[predictor] kind = "…"`.
    #[must_use]
    pub fn predictor<C: PredictorConfig + Written>(mut self, kind: &'static str) -> Self {
        self.model.predictors = self.model.predictors.with(predictor::<C>(kind));
        self
    }

    /// With a latent variable, `[latent_variable] kind = "…"`.
    #[must_use]
    pub fn latent_variable<C: VariableConfig + Written>(mut self, kind: &'static str) -> Self {
        self.model.variables = self.model.variables.with(variable::<C>(kind));
        self
    }

    /// With a target, `[target] kind = "…"`.
    #[must_use]
    pub fn target<C: TargetConfig + Written>(mut self, kind: &'static str) -> Self {
        self.model.targets = self.model.targets.with(target::<C>(kind));
        self
    }

    /// With a term of the loss, `[loss.NAME]`.
    #[must_use]
    pub fn term<C: TermConfig + Written>(mut self, name: &'static str) -> Self {
        self.model.terms = self.model.terms.with(term::<C>(name));
        self
    }

    /// With a strategy of planners, `[planner] kind = "…"`.
    #[must_use]
    pub fn strategy<S: Strategy + Written>(mut self, kind: &'static str) -> Self {
        self.strategies = self.strategies.with(strategy::<S>(kind));
        self
    }
}

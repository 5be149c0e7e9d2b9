//! The terms together, with their coefficients.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{covariance, time_similarity, variance};

/// The coefficients of the regulariser's terms, beside a prediction loss of weight 1.
///
/// A coefficient of 0 switches its term off: it is not computed at all. The defaults are EB-JEPA's best for Two-Rooms with
/// random walls; its authors advise to search anew, within a third and three times, for each environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegularizerConfig {
    /// Coefficient of the variance term, which keeps every feature varying over the samples.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
    /// Coefficient of the covariance term, which keeps features from repeating each other.
    #[schemars(range(min = 0.0))]
    pub covariance: f64,
    /// Coefficient of the time similarity term, which keeps consecutive frames close.
    #[schemars(range(min = 0.0))]
    pub time_similarity: f64,
    /// The standard deviation that every feature must reach, in latent units; above it the variance term is 0.
    #[schemars(range(min = 0.0))]
    pub margin: f64,
}

impl Default for RegularizerConfig {
    fn default() -> Self {
        Self { variance: 16.0, covariance: 8.0, time_similarity: 12.0, margin: 1.0 }
    }
}

impl RegularizerConfig {
    /// Says which value is impossible: each must be finite and at least 0.
    pub fn check(&self) -> Result<(), String> {
        let Self { variance, covariance, time_similarity, margin } = *self;
        let fields = [
            ("variance", variance),
            ("covariance", covariance),
            ("time_similarity", time_similarity),
            ("margin", margin),
        ];
        match fields.into_iter().find(|(_, value)| !value.is_finite() || *value < 0.0) {
            Some((name, value)) => Err(format!("{name} is {value}, but must be a number of at least 0")),
            None => Ok(()),
        }
    }
}

/// The unweighted terms, scalars `[1]`; `None` where the coefficient is 0.
#[derive(Clone, Debug)]
pub struct Terms {
    /// [`variance()`]
    pub variance: Option<Tensor<1>>,
    /// [`covariance()`]
    pub covariance: Option<Tensor<1>>,
    /// [`time_similarity()`]
    pub time_similarity: Option<Tensor<1>>,
}

impl Terms {
    /// The terms that were computed, with their names, for the log.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Tensor<1>)> {
        [("variance", &self.variance), ("covariance", &self.covariance), ("time_similarity", &self.time_similarity)]
            .into_iter()
            .filter_map(|(name, term)| Some((name, term.as_ref()?)))
    }
}

/// What keeps a model's latents from collapsing. It has no weights.
#[derive(Clone, Debug)]
pub struct Regularizer {
    config: RegularizerConfig,
}

impl Regularizer {
    /// From coefficients that [`RegularizerConfig::check`] accepts.
    pub fn new(config: RegularizerConfig) -> Self {
        Self { config }
    }

    /// The unweighted terms of the encoder's latents `z`: `[batch, time, tokens, dim]`.
    ///
    /// Variance and covariance pool the samples over batch and time and take `tokens * dim` features per frame: a map
    /// latent's places are features of their own.
    pub fn forward(&self, z: Tensor<4>) -> Terms {
        let RegularizerConfig { variance: v, covariance: c, time_similarity: t, margin } = self.config;
        let samples = as_samples(z.clone());
        Terms {
            variance: (v != 0.0).then(|| variance(samples.clone(), margin)),
            covariance: (c != 0.0).then(|| covariance(samples)),
            time_similarity: (t != 0.0).then(|| time_similarity(z)),
        }
    }

    /// The weighted sum of the terms, a scalar `[1]`; `None` where every coefficient is 0.
    pub fn total(&self, terms: &Terms) -> Option<Tensor<1>> {
        let RegularizerConfig { variance, covariance, time_similarity, .. } = self.config;
        [(&terms.variance, variance), (&terms.covariance, covariance), (&terms.time_similarity, time_similarity)]
            .into_iter()
            .filter_map(|(term, weight)| Some(term.clone()? * weight))
            .reduce(|sum, term| sum + term)
    }
}

/// Latents `[batch, time, tokens, dim]` as samples of features: `[batch * time, tokens * dim]`.
pub fn as_samples(z: Tensor<4>) -> Tensor<2> {
    let [batch, time, tokens, dim] = z.dims();
    z.reshape([batch * time, tokens * dim])
}

//! The coefficients of the terms.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Coefficient of SIGReg, which makes the latents of a batch a standard Gaussian. With it, `variance` and `covariance` can be
    /// 0; LeWorldModel has 0.09 and no other term. Batches of 128 windows or more. Default 0.
    #[schemars(range(min = 0.0))]
    pub sigreg: f64,
    /// Random directions in which SIGReg looks at the latents, others at every update. Default 1024.
    #[schemars(range(min = 1, max = 65536))]
    pub projections: usize,
}

impl Default for RegularizerConfig {
    fn default() -> Self {
        Self { variance: 16.0, covariance: 8.0, time_similarity: 12.0, margin: 1.0, sigreg: 0.0, projections: 1024 }
    }
}

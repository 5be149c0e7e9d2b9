//! SIGReg with a shape that is learned: a Gaussian whose features may have unequal variances, within limits.

use burn::module::Param;
use burn::prelude::*;
use gedanken_nn::Part;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Setting, Term, TermConfig, Value, View, directions, sigreg};

/// Anisotropic SIGReg (AnisoWM): the latents of a batch are a Gaussian with a diagonal covariance that is learned: an isotropic one
/// makes the distance of latents weigh the directions of least variance most. Default weight 0.09.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnisotropicSigregConfig {
    /// Random directions, as those of `sigreg`. Default 1024.
    #[schemars(range(min = 1, max = 65536))]
    pub projections: usize,
    /// Greatest ratio of two features' variances; 1 is `sigreg`. Default 2.
    #[schemars(range(min = 1.0))]
    pub condition: f64,
}

impl Default for AnisotropicSigregConfig {
    fn default() -> Self {
        Self { projections: 1024, condition: 2.0 }
    }
}

impl TermConfig for AnisotropicSigregConfig {
    fn weight(&self) -> f64 {
        0.09
    }

    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        (Box::new(AnisotropicSigreg::new(setting.latent.dim, self, device)) as Box<dyn Term>).into()
    }
}

/// The learned shape: one number a feature.
#[derive(Module, Debug)]
pub struct AnisotropicSigreg {
    shape: Param<Tensor<1>>,
    #[module(skip)]
    config: AnisotropicSigregConfig,
}

impl AnisotropicSigreg {
    /// For latents of `dim` features; isotropic at first.
    pub fn new(dim: usize, config: &AnisotropicSigregConfig, device: &Device) -> Self {
        Self { shape: Param::from_tensor(Tensor::zeros([dim], device)), config: config.clone() }
    }

    /// The features' variances `[dim]`, mean 1: `exp(tanh(p) ln(condition) / 2)`, scaled.
    ///
    /// Source: AnisoWM (arXiv:2609.37441).
    pub fn variances(&self) -> Tensor<1> {
        let raw = (self.shape.val().tanh() * (0.5 * self.config.condition.ln())).exp();
        raw.clone() / raw.mean()
    }
}

impl Term for AnisotropicSigreg {
    fn loss(&self, view: &View) -> Value {
        let z = view.sequences.clone();
        let dim = z.dims()[3];
        let directions = directions(dim, self.config.projections, view.batch.seed, &z.device()).cast(z.dtype());
        let scale = self.variances().sqrt().cast(z.dtype()).reshape([1, 1, 1, dim]);
        sigreg(z / scale, directions).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_have_the_mean_one_and_keep_the_condition() {
        let config = AnisotropicSigregConfig::default();
        let mut term = AnisotropicSigreg::new(3, &config, &Device::flex());
        let read = |term: &AnisotropicSigreg| term.variances().into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(read(&term), [1.0; 3]);
        term.shape = Param::from_tensor(Tensor::from_data([-50.0, 0.0, 50.0], &Device::flex()));
        let variances = read(&term);
        assert!((variances[2] / variances[0] - 2.0).abs() < 1e-5 && (variances.iter().sum::<f32>() - 3.0).abs() < 1e-5);
    }
}

//! The cross-entropy method (Rubinstein, 1999; for model-predictive control: Chua et al., 2018).

use crate::noise;
use crate::search::{Refit, Style};
use crate::{Kind, Over, PlannerConfig, Returned};

/// CEM: the next Gaussian has the mean and the unbiased standard deviation of the elites.
pub(crate) fn style(config: &PlannerConfig) -> Style {
    Style {
        refit: Some(Refit::Equal),
        noise: noise::Kind::Smooth(config.smoothness),
        decay: 1.0,
        mean_last: false,
        shift_elites: false,
    }
}

impl PlannerConfig {
    /// The CEM of EB-JEPA on Two-Rooms, exactly: 20 rounds of 200 sequences, 20 elites, standard deviation 1.5, actions
    /// scaled to a norm of 2.45, the summed energy over 90 steps, the mean returned, nothing remembered, replanned at every
    /// step.
    pub fn eb_jepa_cem() -> Self {
        PlannerConfig {
            kind: Kind::Cem,
            horizon: 90,
            iterations: 20,
            samples: 200,
            elites: Some(20),
            keep: 0,
            init_std: 1.5,
            min_std: 0.0,
            momentum: 0.0,
            smoothness: 0.0,
            returns: Returned::Mean,
            over: Over::Sum,
            max_norm: Some(2.45),
            replan_every: 1,
            warm_start: false,
            ..PlannerConfig::default()
        }
    }
}

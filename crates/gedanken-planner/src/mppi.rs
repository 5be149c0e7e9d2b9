//! Model-predictive path integral control (Williams et al., 2016).

use crate::cem;
use crate::search::{Refit, Style};
use crate::{Kind, PlannerConfig, Returned};

/// MPPI: a sequence of energy c has the weight `exp(-(c - c_min) / temperature)` in the next Gaussian's mean and (biased)
/// standard deviation; with `update_std = false` the deviation stays what it was, as in most implementations.
///
/// Where energies differ by much more than the temperature, one sequence has all the weight and the deviation falls to
/// `min_std` at once: a small temperature needs a floor of noise (a fifth of `init_std`, say) to go on searching.
pub(crate) fn style(config: &PlannerConfig) -> Style {
    let refit = Refit::Softmax { temperature: config.temperature, std: config.update_std };
    Style { refit: Some(refit), ..cem::style(config) }
}

impl PlannerConfig {
    /// The MPPI of EB-JEPA on Two-Rooms as its code has it: as [`PlannerConfig::eb_jepa_cem`], but a first standard deviation
    /// of 2, no greatest norm, the 20 elites weighted by `exp(0.005 (c_min - c))`, a temperature of 200 at which they hardly
    /// differ, and one of them, drawn by these weights, returned.
    pub fn eb_jepa_mppi() -> Self {
        PlannerConfig {
            kind: Kind::Mppi,
            init_std: 2.0,
            temperature: 200.0,
            returns: Returned::Elite,
            max_norm: None,
            ..PlannerConfig::eb_jepa_cem()
        }
    }
}

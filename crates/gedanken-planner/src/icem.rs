//! The improved cross-entropy method (Pinneri et al., 2020).

use crate::cem;
use crate::noise;
use crate::search::{Style, checked, search};
use crate::{Bounds, Kind, PlanError, Planner, PlannerConfig, Plans, Problem};

/// iCEM: CEM with coloured noise (`color`), fewer samples from round to round (`decay`), elites that are kept from round to round
/// and shifted from plan to plan (`keep`), and the mean among the last round's samples. The authors execute the best sequence:
/// `returns = "best"`.
#[derive(Clone, Debug)]
pub struct Icem {
    config: PlannerConfig,
    bounds: Bounds,
}

impl Icem {
    /// For actions within `bounds`; `config.kind` is not looked at.
    ///
    /// # Errors
    /// What [`PlannerConfig::validate`] says, or bounds that do not go with `config.max_norm`.
    pub fn new(config: &PlannerConfig, bounds: Bounds) -> Result<Self, PlanError> {
        let config = PlannerConfig { kind: Kind::Icem, ..config.clone() };
        let (config, bounds) = checked(&config, bounds)?;
        Ok(Icem { config, bounds })
    }
}

impl Planner for Icem {
    fn plan(&self, problem: &Problem) -> Result<Plans, PlanError> {
        let config = &self.config;
        let style = Style {
            noise: noise::Kind::Colored(config.color),
            decay: config.decay,
            mean_last: true,
            shift_elites: true,
            ..cem::style(config)
        };
        search(config, &self.bounds, problem, &style)
    }
}

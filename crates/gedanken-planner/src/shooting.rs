//! Random shooting: the simplest planner, and the floor of the others.

use crate::cem;
use crate::search::{Style, checked, search};
use crate::{Bounds, Kind, PlanError, Planner, PlannerConfig, Plans, Problem, Returned};

/// Samples `iterations * samples` sequences around the warm start and takes the best.
#[derive(Clone, Debug)]
pub struct Shooting {
    config: PlannerConfig,
    bounds: Bounds,
}

impl Shooting {
    /// For actions within `bounds`; `config.kind` and `config.returns` are not looked at.
    ///
    /// # Errors
    /// What [`PlannerConfig::validate`] says, or bounds that do not go with `config.max_norm`.
    pub fn new(config: &PlannerConfig, bounds: Bounds) -> Result<Self, PlanError> {
        let config = PlannerConfig { kind: Kind::Random, returns: Returned::Best, ..config.clone() };
        let (config, bounds) = checked(&config, bounds)?;
        Ok(Shooting { config, bounds })
    }
}

impl Planner for Shooting {
    fn plan(&self, problem: &Problem) -> Result<Plans, PlanError> {
        let style = Style { refit: None, ..cem::style(&self.config) };
        search(&self.config, &self.bounds, problem, &style)
    }
}

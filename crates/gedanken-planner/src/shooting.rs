//! Random shooting: the simplest planner, and the floor of the others.

use crate::search::Style;
use crate::{PlannerConfig, cem};

/// Random shooting: `iterations * samples` sequences around the warm start; nothing is learnt from any, and the plan is the best of
/// them whatever `returns` says.
pub(crate) fn style(config: &PlannerConfig) -> Style {
    Style { refit: None, ..cem::style(config) }
}

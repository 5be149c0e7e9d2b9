//! The improved cross-entropy method (Pinneri et al., 2020).

use crate::search::Style;
use crate::{PlannerConfig, cem, noise};

/// iCEM: CEM with coloured noise (`color`), fewer samples from round to round (`decay`), elites that are kept from round to round
/// and shifted from plan to plan (`keep`), and the mean among the last round's samples. The authors execute the best sequence:
/// `returns = "best"`.
pub(crate) fn style(config: &PlannerConfig) -> Style {
    Style {
        noise: noise::Kind::Colored(config.color),
        decay: config.decay,
        mean_last: true,
        shift_elites: true,
        ..cem::style(config)
    }
}

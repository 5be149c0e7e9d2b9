//! The improved cross-entropy method (Pinneri et al., 2020).

use crate::search::Style;
use crate::{PlannerConfig, cem, noise};

/// iCEM: CEM with coloured noise (`color`), fewer samples from round to round (`decay`), elites that are kept from round to round
/// and shifted from plan to plan (`keep`), and the mean among the last round's samples. The authors execute the best sequence:
/// `returns = "best"`.
///
/// Other than theirs, a plan starts around what is left of the one before, not around the shifted mean of its elites, and what is
/// shifted ends in zero actions, not in a repeated or a new one.
pub(crate) fn style(config: &PlannerConfig) -> Style {
    Style {
        noise: noise::Kind::Colored(config.color),
        decay: config.decay,
        mean_last: true,
        shift_elites: true,
        ..cem::style(config)
    }
}

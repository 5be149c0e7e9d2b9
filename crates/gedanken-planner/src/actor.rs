//! No search: an actor's proposal is the plan.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Belief, Draw, PlanError, Strategy, Style, Table};

/// An actor alone: the plan is the sequence that a search would start around, with `proposals = true` what the world proposes. One
/// imagined future a plan, for its energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Actor {}

impl Strategy for Actor {
    fn table(&self) -> Table {
        Table::of("actor", self)
    }

    fn style(&self) -> Style {
        Style::default()
    }

    fn samples(&self, _round: usize) -> usize {
        1
    }

    fn propose(&self, _round: usize, belief: &Belief, _: &mut Draw) -> Result<Tensor<3>, PlanError> {
        Ok(belief.mean.clone())
    }
}

//! The price of information in a latent variable.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Information: nats a step that the predictor's latent variable tells of what came and the past does not, so that it says no more than
/// it must (LeCun, 2022, section 4.3; the weight is a price per nat). Needs a `[latent_variable]`. Default weight 0.01.
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Information {}

impl Term for Information {
    fn loss(&self, view: &View) -> Value {
        view.nats().unwrap_or_else(|| Tensor::zeros([1], &view.latents.device())).into()
    }

    fn weight(&self) -> f64 {
        0.01
    }

    fn teaches_variable(&self) -> bool {
        true
    }
}

//! The prediction term: predicted latents should be those that came.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Term, Value, View};

/// Prediction: the mean squared error of predicted latents against their targets. Default weight 1.
#[derive(Module, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prediction {}

impl Term for Prediction {
    fn loss(&self, view: &View) -> Value {
        let (predictions, targets) = view.pairs();
        (predictions - targets).powi_scalar(2).mean().into()
    }
}

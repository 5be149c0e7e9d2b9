//! A transition knows its own action among those of the batch.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Mlp, Part};
use gedanken_regularizer::{Setting, Term, TermConfig, Value, View, info_nce};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Action NCE: two consecutive latents pick the action between them among the actions that the batch's other windows took at the same
/// step: contrastive in actions, not in latents (AC-MTM, arXiv:2608.17542).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActionNceConfig {
    /// Width of the hidden layer of both networks. Default 256.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// Numbers in which transitions and actions are compared. Default 64.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// Cosines are divided by it. Default 0.1.
    #[schemars(range(min = 0.000001))]
    pub temperature: f64,
}

impl Default for ActionNceConfig {
    fn default() -> Self {
        Self { hidden: 256, dim: 64, temperature: 0.1 }
    }
}

impl TermConfig for ActionNceConfig {
    fn init(&self, setting: &Setting<'_>, device: &Device) -> Part<dyn Term> {
        let network = |input| Mlp::new(&[input, self.hidden, self.dim], device);
        let (transition, action) = (network(2 * setting.latent.numbers()), network(setting.spaces.action));
        (Box::new(ActionNce { transition, action, config: self.clone() }) as Box<dyn Term>).into()
    }
}

/// A network for transitions, one for actions.
#[derive(Module, Debug)]
pub struct ActionNce {
    transition: Mlp,
    action: Mlp,
    #[module(skip)]
    config: ActionNceConfig,
}

impl Term for ActionNce {
    fn loss(&self, view: &View) -> Value {
        let latents: Tensor<3> = view.sequences.clone().flatten(2, 3);
        let steps = latents.dims()[1] - 1;
        let pairs = Tensor::cat(vec![latents.clone().narrow(1, 0, steps), latents.narrow(1, 1, steps)], 2);
        let by_step = |x: Tensor<3>| x.swap_dims(0, 1);
        let (transitions, actions) = (self.transition.forward(pairs), self.action.forward(view.batch.actions.clone()));
        info_nce(by_step(transitions), by_step(actions), self.config.temperature).into()
    }
}

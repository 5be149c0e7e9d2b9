//! Length, rates and rhythm of a training, as a user writes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The optimiser, its schedule, and how often to look up from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Updates. Default 4000.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// The optimiser. Default `adamw`.
    pub optimizer: OptimizerKind,
    /// Learning rate at the end of the warm-up. Default 2e-3.
    #[schemars(range(min = 0.0))]
    pub lr: f64,
    /// Learning rate at the last update. Default 1e-5.
    #[schemars(range(min = 0.0))]
    pub final_lr: f64,
    /// Learning rate of the matrices under `optimizer = "muon"`, on the schedule of `lr`. Default 0.02.
    #[schemars(range(min = 0.0))]
    pub matrix_lr: f64,
    /// Share of the updates in which the rate climbs, linearly from zero; it falls along a cosine after that. Default 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup: f64,
    /// Decoupled weight decay of AdamW. Default 1e-5.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Greatest norm of the gradient of each part of the model (encoder, predictor, a head), over all its parameters; 0 clips
    /// nothing. Default 2.
    #[schemars(range(min = 0.0))]
    pub clip: f64,
    /// Shares of the learning rate that single parts learn at, by part (`encoder`, `predictor`, a term of the loss), such as
    /// `{ encoder = 0.1 }`; 0 freezes a part. Default none: all learn at the whole rate.
    pub rates: BTreeMap<String, f64>,
    /// Updates between two lines of metrics. Default 20.
    #[schemars(range(min = 1))]
    pub log_every: u64,
    /// Updates between two evaluations; there is always one at the end. Default 1000.
    #[schemars(range(min = 1))]
    pub eval_every: u64,
    /// Updates between two checkpoints; there is always one before an evaluation, and one at the end. Default 500.
    #[schemars(range(min = 1))]
    pub checkpoint_every: u64,
    /// Checkpoints kept, the newest ones. The last that a finite loss has followed stays beside them. Default 3.
    #[schemars(range(min = 1))]
    pub keep: usize,
    /// A number that evaluations in training write, such as `"eval/model/success"` (`"eval/success"` for short): the checkpoint of its
    /// greatest value is kept as `checkpoints/best`. A minus in front asks for its smallest: `"-probe/agent"`. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub keep_best: Option<String>,
    /// Evaluations in a row without a better `keep_best` after which the training ends; 0: it goes on to the last update. Default 0.
    pub patience: u64,
    /// Ends the run at a collapse of the latents after the warm-up. Default true.
    pub stop_on_collapse: bool,
}

/// The rule that turns gradients into updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// AdamW for all weights.
    #[default]
    AdamW,
    /// Muon for matrices of more than 30 rows and columns, AdamW for all others.
    Muon,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 4000,
            optimizer: OptimizerKind::AdamW,
            lr: 2e-3,
            final_lr: 1e-5,
            matrix_lr: 0.02,
            warmup: 0.1,
            weight_decay: 1e-5,
            clip: 2.0,
            rates: BTreeMap::new(),
            log_every: 20,
            eval_every: 1000,
            checkpoint_every: 500,
            keep: 3,
            keep_best: None,
            patience: 0,
            stop_on_collapse: true,
        }
    }
}

impl TrainConfig {
    /// The learning rate of update `step` (the first is 0): linear warm-up, then a cosine to `final_lr`.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let warmup = (self.warmup * self.steps as f64).round();
        let at = step as f64 + 1.0;
        if at <= warmup {
            return self.lr * at / warmup;
        }
        let progress = ((at - warmup) / (self.steps as f64 - warmup).max(1.0)).min(1.0);
        self.final_lr + (self.lr - self.final_lr) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_climbs_linearly_and_falls_along_a_cosine() {
        let config = TrainConfig { steps: 100, lr: 1.0, final_lr: 0.0, warmup: 0.1, ..TrainConfig::default() };
        assert_eq!(config.learning_rate(0), 0.1);
        assert_eq!(config.learning_rate(4), 0.5);
        assert_eq!(config.learning_rate(9), 1.0);
        assert!((config.learning_rate(54) - 0.5).abs() < 1e-12, "half way down");
        assert!(config.learning_rate(99).abs() < 1e-12);
        assert!(config.learning_rate(500).abs() < 1e-12, "it stays down past the end");
    }
}

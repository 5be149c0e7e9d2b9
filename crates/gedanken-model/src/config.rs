//! A world model as a user writes it.

use std::collections::BTreeMap;

use burn::tensor::Device;
use gedanken_encoder::PatchConfig;
use gedanken_nn::{Mlp, Schedule};
use gedanken_parts::Table;
use gedanken_predictor::ConvConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything that decides the shape and the loss of a world model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Observation to latent.
    pub encoder: Table,
    /// Labels that the agent feels of itself, beside what it sees.
    pub proprioception: ProprioceptionConfig,
    /// Latent and action to the next latent.
    pub predictor: Table,
    /// The predictor's latent variable: what the past does not tell about the next latent.
    #[serde(default = "no_variable")]
    pub latent_variable: Table,
    /// The way predictions are made in training.
    pub prediction: PredictionConfig,
    /// Latents that predictions should meet.
    pub target: Table,
    /// The terms of the loss, by name.
    pub loss: LossConfig,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            encoder: Table::of("patch", &PatchConfig::default()),
            proprioception: ProprioceptionConfig::default(),
            predictor: Table::of("conv", &ConvConfig::default()),
            latent_variable: no_variable(),
            prediction: PredictionConfig::default(),
            target: Table { kind: "online".to_owned(), ..Table::default() },
            loss: LossConfig::default(),
        }
    }
}

fn no_variable() -> Table {
    Table { kind: "none".to_owned(), ..Table::default() }
}

/// Proprioception: labels that the agent feels of itself (its own place; DINO-WM takes that and the velocity), in every token of the
/// latent. None by default: the model has pixels alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProprioceptionConfig {
    /// Names of the labels. Default none.
    #[schemars(length(max = 64))]
    pub labels: Vec<String>,
    /// Width of the hidden layer of the MLP that they go through, whose output is added to every token. Default 64.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
    /// Numbers that a linear layer makes of them, in that MLP's place, which are appended to every token (DINO-WM: 10). Default 0: none.
    #[schemars(range(max = 65536))]
    pub append: usize,
    /// Append them as they are, normalised, through no layer (PLDM's velocity): nothing can learn to leave them out. Default false.
    pub raw: bool,
}

impl Default for ProprioceptionConfig {
    fn default() -> Self {
        Self { labels: Vec::new(), hidden: 64, append: 0, raw: false }
    }
}

impl ProprioceptionConfig {
    /// Numbers that `felt` numbers append to every token.
    pub(crate) fn appended(&self, felt: usize) -> usize {
        match (felt, self.raw) {
            (0, _) => 0,
            (felt, true) => felt,
            (_, false) => self.append,
        }
    }

    /// The network between `felt` numbers and a latent of `dim`, if there is one.
    pub(crate) fn network(&self, felt: usize, dim: usize, device: &Device) -> Option<Mlp> {
        let widths = if self.append > 0 { vec![felt, self.append] } else { vec![felt, self.hidden, dim] };
        (felt > 0 && !self.raw).then(|| Mlp::new(&widths, device))
    }
}

/// Predictions in training: unrolled from the first frame of the window, or each from the true frames before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PredictionConfig {
    /// Predict every frame of the window from the true frames before it, as many as the predictor's history (DINO-WM,
    /// LeWorldModel); `unroll` is not used then. The frames of a window less one must be a multiple of the history. Default
    /// false: unroll from the first frame.
    pub teacher: bool,
    /// Steps that are unrolled, each on the one before; at most the frames of a window less one. Default 8.
    #[schemars(range(min = 1, max = 1024))]
    pub unroll: usize,
    /// One LayerNorm behind the encoder and behind every predicted step, the same for both (PLDM, EB-JEPA). Default false.
    pub shared_norm: bool,
}

impl Default for PredictionConfig {
    fn default() -> Self {
        Self { teacher: false, unroll: 8, shared_norm: false }
    }
}

/// The terms of a loss: `[loss.NAME]`, each with its weight and its own keys. Weights are no part of the model: they may be other
/// ones on resuming.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LossConfig(pub BTreeMap<String, TermTable>);

/// One term: its weight, and its keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TermTable {
    /// Its weight in the loss, a number or a schedule; 0 leaves the term out. Default: the term's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Schedule>,
    /// Its keys.
    #[serde(flatten)]
    pub keys: Map<String, Value>,
}

impl Default for LossConfig {
    /// EB-JEPA's terms, and beside them a distance and a probe on detached latents.
    fn default() -> Self {
        let names =
            ["prediction", "variance", "covariance", "time_similarity", "inverse_dynamics", "distance", "probe"];
        Self(names.into_iter().map(|name| (name.to_owned(), TermTable::default())).collect())
    }
}

impl LossConfig {
    /// The first key of a term that is another one than in `made`, weights apart, with both values as text. A key that `made` does not have says nothing.
    pub fn other_key<'a>(&'a self, made: &Self, term: &str) -> Option<(&'a str, String, String)> {
        let (own, made) = (self.0.get(term)?, made.0.get(term)?);
        let mut keys =
            own.keys.iter().filter_map(|(key, value)| Some((key, value.to_string(), made.keys.get(key)?.to_string())));
        keys.find(|(_, own, made)| own != made).map(|(key, own, made)| (key.as_str(), own, made))
    }

    /// With a term of this config, at its own weight where `weight` is none.
    #[must_use]
    pub fn with(mut self, name: &str, weight: Option<f64>, config: &impl Serialize) -> Self {
        let Table { keys, .. } = Table::of(name, config);
        self.0.insert(name.to_owned(), TermTable { weight: weight.map(Schedule::Constant), keys });
        self
    }

    /// No terms.
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// True where a term has a weight at any time.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|term| !term.weight.as_ref().is_some_and(Schedule::is_zero))
    }
}

//! What a world model is made of, as a user writes it.

use gedanken_encoder::EncoderConfig;
use gedanken_predictor::PredictorConfig;
use gedanken_regularizer::RegularizerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that decides the shape and the loss of a world model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Observation to latent.
    pub encoder: EncoderConfig,
    /// What the agent feels of itself, beside what it sees.
    pub proprioception: ProprioceptionConfig,
    /// Latent and action to the next latent.
    pub predictor: PredictorConfig,
    /// What is asked of predictions.
    pub prediction: PredictionConfig,
    /// What keeps latents from collapsing.
    pub regularizer: RegularizerConfig,
    /// The head that reads the action from two latents.
    pub inverse_dynamics: InverseDynamicsConfig,
    /// The learned distance to a goal.
    pub distance: DistanceConfig,
    /// Further predictors, whose disagreement says what the model does not know.
    pub ensemble: EnsembleConfig,
    /// The probes that read labels from latents.
    pub probe: ProbeConfig,
}

/// Proprioception: labels that the agent feels of itself (its own place; DINO-WM takes that and the velocity), through a small
/// MLP whose output is added to every token of the latent. None by default: the model has pixels alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProprioceptionConfig {
    /// Names of the labels. Default none.
    #[schemars(length(max = 64))]
    pub labels: Vec<String>,
    /// Width of the hidden layer. Default 64.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
}

impl Default for ProprioceptionConfig {
    fn default() -> Self {
        Self { labels: Vec::new(), hidden: 64 }
    }
}

/// The prediction loss: mean squared error of predicted latents, unrolled from the first frame of the window or each from the
/// true frames before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PredictionConfig {
    /// Its weight in the loss. Default 1.
    #[schemars(range(min = 0.0))]
    pub weight: f64,
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
        Self { weight: 1.0, teacher: false, unroll: 8, shared_norm: false }
    }
}

/// Inverse dynamics: the mean squared error of the action read from two consecutive latents. It is what makes a latent see
/// the agent when the background varies (PLDM, section 4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InverseDynamicsConfig {
    /// Its weight in the loss; 0 leaves the head out. Default 1.
    #[schemars(range(min = 0.0))]
    pub weight: f64,
    /// Width inside. Default 256, of the two hidden layers, for vectors; 32 channels for maps.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: Option<usize>,
}

impl Default for InverseDynamicsConfig {
    fn default() -> Self {
        Self { weight: 1.0, hidden: None }
    }
}

/// The learned goal distance: control steps between two latents of one layout, by expectile regression on temporal
/// differences (in the manner of HILP, Park et al. 2024, and IQL, Kostrikov et al. 2022). Trained on detached latents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DistanceConfig {
    /// Whether there is one. Default true.
    pub enabled: bool,
    /// Channels of the convolutions before the hidden layers, where latents are maps; an empty list for none. Default 32, 16.
    #[schemars(length(max = 8), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Widths of the hidden layers of the embedding. Default 512, 256.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65536)))]
    pub hidden: Vec<usize>,
    /// Numbers of the embedding. Default 64.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// Control steps per unit of embedding distance. Default 10.
    #[schemars(range(min = 0.001))]
    pub scale: f64,
    /// Frames between a state and the earlier or later one whose distance is its target (times `frameskip`, control steps): less than
    /// half the frames of a window, so that every frame has one. Default 4.
    #[schemars(range(min = 1, max = 1024))]
    pub steps: usize,
    /// Weight of targets longer than the estimate; shorter ones weigh one less this. Below 0.5 the distance follows the shortest
    /// ways seen. Default 0.1.
    #[schemars(range(min = 0.001, max = 0.999))]
    pub expectile: f64,
    /// Share of the online network that the target network takes in at every update. Default 0.01.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub target_rate: f64,
}

impl Default for DistanceConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            channels: vec![32, 16],
            hidden: vec![512, 256],
            dim: 64,
            scale: 10.0,
            steps: 4,
            expectile: 0.1,
            target_rate: 0.01,
        }
    }
}

/// An ensemble of further predictors like the model's own, each of one step from one latent, trained on detached latents: where
/// they disagree, the model does not know (Pathak et al., 2019). Plans can avoid that: `eval.objective.uncertainty`, and guardrails
/// of kind `uncertainty`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// How many, at least 2; or 0 for none. PLDM has 5. Default 0.
    #[schemars(range(min = 0, max = 32))]
    pub members: usize,
}

/// Probes: one network that reads every label from a detached latent. They teach the latent nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Channels of the convolutions before the hidden layer, where latents are maps; an empty list for none. Default 32, 16.
    #[schemars(length(max = 8), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Width of the hidden layer. Default 256.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: usize,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { channels: vec![32, 16], hidden: 256 }
    }
}

impl ModelConfig {
    /// What does not fit together, if anything: the key it is about and a sentence. `pixels` is `[channels, height, width]`,
    /// `time` the frames of a window.
    pub fn problem(&self, pixels: [usize; 3], time: usize) -> Option<(&'static str, String)> {
        if let Some(problem) = self.encoder.problem(pixels) {
            return Some(("encoder", problem));
        }
        let shape = self.encoder.latent_shape(pixels);
        if let Some(problem) = self.predictor.problem([shape.rows, shape.columns]) {
            return Some(("predictor.kind", problem));
        }
        let (found, history) = (self.prediction.unroll, self.predictor.history());
        // A stored model has no window.
        if self.prediction.teacher && time != usize::MAX && (time < 2 || !(time - 1).is_multiple_of(history)) {
            let fitting = format!("windows of {} frames, or a multiple of {history} more", history + 1);
            return Some(("prediction.teacher", format!("a history of {history} frames needs {fitting}, not {time}")));
        }
        if !self.prediction.teacher && found >= time {
            return Some((
                "prediction.unroll",
                format!("{found} steps need windows of {} frames, not {time}", found + 1),
            ));
        }
        if self.distance.enabled && 2 * self.distance.steps >= time {
            let found = self.distance.steps;
            let least = 2 * found + 1;
            return Some(("distance.steps", format!("{found} steps need windows of {least} frames, not {time}")));
        }
        if self.ensemble.members == 1 {
            return Some(("ensemble.members", "one predictor cannot disagree; expected 0, or 2 or more".to_owned()));
        }
        None
    }
}

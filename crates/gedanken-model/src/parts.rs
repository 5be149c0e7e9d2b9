//! The parts that a model can be made of, and the plan of one: its config, read with the catalogues at hand.

use burn::module::Module;
use burn::tensor::Device;
use gedanken_encoder::{EncoderConfig, encoders};
use gedanken_nn::{LatentShape, Part, Schedule, Spaces};
use gedanken_parts::{Catalog, PartError};
use gedanken_predictor::{PredictorConfig, VariableConfig, predictors, variables};
use gedanken_regularizer::{Setting, Term, TermConfig};
use serde_json::Value;

use crate::config::{LossConfig, ModelConfig, PredictionConfig, ProprioceptionConfig, TermTable};
use crate::heads::terms;
use crate::targets::{TargetConfig, targets};

/// The catalogues of a model's parts.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Observation to latent.
    pub encoders: Catalog<dyn EncoderConfig>,
    /// Latent and action to the next latent.
    pub predictors: Catalog<dyn PredictorConfig>,
    /// The predictor's latent variable: what the past does not tell about the next latent.
    pub variables: Catalog<dyn VariableConfig>,
    /// Latents that predictions should meet.
    pub targets: Catalog<dyn TargetConfig>,
    /// Terms of the loss.
    pub terms: Catalog<dyn TermConfig>,
}

impl Default for Parts {
    /// Gedanken's own.
    fn default() -> Self {
        let (encoders, predictors, variables) = (encoders(), predictors(), variables());
        Self { encoders, predictors, variables, targets: targets(), terms: terms() }
    }
}

/// A model's parts, ready to be built.
#[derive(Debug)]
pub struct Plan {
    pub(crate) encoder: Box<dyn EncoderConfig>,
    pub(crate) proprioception: ProprioceptionConfig,
    pub(crate) predictor: Box<dyn PredictorConfig>,
    pub(crate) variable: Box<dyn VariableConfig>,
    pub(crate) prediction: PredictionConfig,
    pub(crate) target: Box<dyn TargetConfig>,
    pub(crate) terms: Vec<Summand>,
}

/// Terms by name, in the order of the list.
pub(crate) type Terms = Vec<(&'static str, Part<dyn Term>)>;

/// A term of the loss: a name, a weight, a config.
#[derive(Debug)]
pub(crate) struct Summand {
    pub name: &'static str,
    pub weight: Schedule,
    pub config: Box<dyn TermConfig>,
}

impl Parts {
    /// The names by which learning rates and other runs' weights tell a model's parts apart: its fields, and the terms of its loss.
    pub fn names(&self) -> Vec<&'static str> {
        let parts = ["encoder", "proprioception", "predictor", "latent_variable", "norm", "target"];
        parts.into_iter().chain(self.terms.names()).collect()
    }

    /// The plan of a model. Terms whose weight is always 0 are no part of it.
    ///
    /// # Errors
    /// [`PartError`] for a part that nobody knows, or a table it cannot be made from.
    pub fn plan(&self, config: &ModelConfig) -> Result<Plan, PartError> {
        self.plan_of_phase(config, config)
    }

    /// The plan of the model of `whole` in a phase of its training: the loss is that of `config`, but terms of the whole stay, even at
    /// a weight of 0.
    ///
    /// # Errors
    /// As [`Parts::plan`].
    pub fn plan_of_phase(&self, config: &ModelConfig, whole: &ModelConfig) -> Result<Plan, PartError> {
        for name in config.loss.0.keys() {
            self.terms.entry(name)?;
        }
        let mut terms = Vec::new();
        for entry in self.terms.entries() {
            let Some(table) = config.loss.0.get(entry.name()) else { continue };
            let term = entry.make(&Value::Object(table.keys.clone()))?;
            let weight = table.weight.clone().unwrap_or(Schedule::Constant(term.weight()));
            if !weight.is_zero() || whole.loss.has(entry.name()) {
                terms.push(Summand { name: entry.name(), weight, config: term });
            }
        }
        Ok(Plan {
            encoder: self.encoders.make(&config.encoder)?,
            proprioception: config.proprioception.clone(),
            predictor: self.predictors.make(&config.predictor)?,
            variable: self.variables.make(&config.latent_variable)?,
            prediction: config.prediction.clone(),
            target: self.targets.make(&config.target)?,
            terms,
        })
    }

    /// A config with every missing key at its default.
    ///
    /// # Errors
    /// [`PartError`], as for [`Parts::plan`].
    pub fn complete(&self, config: &ModelConfig) -> Result<ModelConfig, PartError> {
        let mut loss = LossConfig::none();
        for (name, table) in &config.loss.0 {
            let entry = self.terms.entry(name)?;
            let keys = Value::Object(table.keys.clone());
            let weight = table.weight.clone().unwrap_or(Schedule::Constant(entry.make(&keys)?.weight()));
            let keys = match entry.complete(&keys)? {
                Value::Object(keys) => keys,
                _ => serde_json::Map::new(),
            };
            loss.0.insert(name.clone(), TermTable { weight: Some(weight), keys });
        }
        Ok(ModelConfig {
            encoder: self.encoders.complete(&config.encoder)?,
            predictor: self.predictors.complete(&config.predictor)?,
            latent_variable: self.variables.complete(&config.latent_variable)?,
            target: self.targets.complete(&config.target)?,
            loss,
            ..config.clone()
        })
    }
}

impl Plan {
    /// A key and a sentence, where something does not fit together. `time` is the frames of a window, where they are known.
    pub fn problem(&self, spaces: &Spaces, time: Option<usize>) -> Option<(String, String)> {
        if let Some(problem) = self.encoder.problem(spaces.pixels) {
            return Some(("encoder".to_owned(), problem));
        }
        let latent = self.latent_shape(spaces);
        if let Some(problem) = self.predictor.problem(latent) {
            return Some(("predictor.kind".to_owned(), problem));
        }
        if let Some((key, problem)) = time.and_then(|time| self.unfitting_window(time)) {
            return Some((key.to_owned(), problem));
        }
        if let Some((key, problem)) = self.unfitting_variable() {
            return Some((key, problem));
        }
        if self.terms.is_empty() {
            return Some(("loss".to_owned(), "no term has a weight: there is nothing to learn".to_owned()));
        }
        self.terms.iter().find_map(|summand| {
            let (key, problem) = self.setting(latent, spaces, time, |setting| summand.config.problem(setting))?;
            Some((format!("loss.{}.{key}", summand.name), problem))
        })
    }

    /// A latent variable that nothing teaches, or a term that teaches none.
    fn unfitting_variable(&self) -> Option<(String, String)> {
        let teacher = self.terms.iter().find(|summand| summand.config.teaches_variable());
        let doubts = self.variable.size() > 0;
        let at = |key: &str, problem: &str| Some((key.to_owned(), problem.to_owned()));
        match teacher {
            Some(term) if !doubts => at(
                &format!("loss.{}", term.name),
                "there is no latent variable; expected latent_variable.kind = \"branches\", or no such term",
            ),
            None if doubts => {
                at("latent_variable", "nothing teaches it; expected a loss.information or a loss.energy_score")
            }
            _ if doubts && self.prediction.teacher && self.predictor.history() > 1 => at(
                "prediction.teacher",
                "a predictor with a history and a latent variable is taught by unrolling; expected false",
            ),
            _ => None,
        }
    }

    fn unfitting_window(&self, time: usize) -> Option<(&'static str, String)> {
        let (found, history) = (self.prediction.unroll, self.predictor.history());
        if self.prediction.teacher && (time < 2 || !(time - 1).is_multiple_of(history)) {
            let fitting = format!("windows of {} frames, or a multiple of {history} more", history + 1);
            return Some(("prediction.teacher", format!("a history of {history} frames needs {fitting}, not {time}")));
        }
        (!self.prediction.teacher && found >= time)
            .then(|| ("prediction.unroll", format!("{found} steps need windows of {} frames, not {time}", found + 1)))
    }

    /// The latents of such observations.
    pub fn latent_shape(&self, spaces: &Spaces) -> LatentShape {
        let seen = self.encoder.latent_shape(spaces.pixels);
        LatentShape { dim: seen.dim + self.proprioception.appended(spaces.proprioception.len()), ..seen }
    }

    /// Names of the terms that have weights of their own.
    pub fn heads(&self, spaces: &Spaces, device: &Device) -> Vec<&'static str> {
        let (terms, _) = self.init_terms(self.latent_shape(spaces), spaces, device);
        terms.into_iter().filter(|(_, term)| term.num_params() > 0).map(|(name, _)| name).collect()
    }

    /// The first part that looks at pictures when latents are known already: a target, or a term that has a weight.
    pub fn looks(&self) -> Option<String> {
        let mut terms = self.terms.iter().filter(|summand| summand.config.looks() && !summand.weight.is_zero());
        let target = self.target.looks().then(|| "target".to_owned());
        target.or_else(|| terms.next().map(|summand| format!("loss.{}", summand.name)))
    }

    /// Hands the setting of its terms to `then`.
    pub(crate) fn setting<T>(
        &self,
        latent: LatentShape,
        spaces: &Spaces,
        time: Option<usize>,
        then: impl FnOnce(&Setting<'_>) -> T,
    ) -> T {
        let predictor = |device: &Device| self.predictor.init(latent, spaces.action, device);
        then(&Setting { latent, spaces, time, predictor: &predictor })
    }

    /// The terms of a model, not drawn yet, and their weights.
    pub(crate) fn init_terms(&self, latent: LatentShape, spaces: &Spaces, device: &Device) -> (Terms, Vec<Schedule>) {
        self.setting(latent, spaces, None, |setting| {
            let terms = self.terms.iter().filter(|summand| summand.config.applies(setting));
            let made =
                |summand: &Summand| ((summand.name, summand.config.init(setting, device)), summand.weight.clone());
            terms.map(made).unzip()
        })
    }
}

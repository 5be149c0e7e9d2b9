//! Guardrails as a user writes them, with margins and levels from conformal prediction.

use gedanken_env::{Env, Spec, derive_seed, rng};
use gedanken_planner::{ActionLimit, Guardrail};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calibration::{Imagined, quantiles, uncertain};
use crate::region::{KeepAway, Region};
use crate::uncertainty::Sure;
use crate::{EvalError, KeepOut, Labels, ModelPart, Perceive, StayWithin, Sureness, Uncertainty};

/// One entry of `[[eval.guardrails]]`: a constraint on every plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum GuardrailConfig {
    /// A place stays outside a disc.
    KeepOut(KeepOut),
    /// A place stays within a box.
    StayWithin(StayWithin),
    /// No control step's action is longer than this.
    ActionLimit(ActionNorm),
    /// The model knows what happens.
    Uncertainty(Sureness),
}

/// The length of actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionNorm {
    /// The greatest Euclidean norm of a control step's action, in the actions' unit.
    #[schemars(range(min = 0.0))]
    pub norm: f64,
}

/// The reach of plans.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Blocks of actions until the agent looks again.
    pub look: usize,
    /// Blocks of a plan.
    pub horizon: usize,
    /// Control steps of a block.
    pub frameskip: usize,
}

/// Derived seeds: calibration.
const CALIBRATION: u64 = 6;

impl GuardrailConfig {
    /// The first reason, if any, why an environment cannot have it.
    pub fn problem(&self, spec: &Spec) -> Option<String> {
        let numbers: &[(&str, &[f64])] = match self {
            Self::KeepOut(KeepOut { center, radius, .. }) => &[("center", center), ("radius", &[*radius])],
            Self::StayWithin(StayWithin { low, high, .. }) => &[("low", low), ("high", high)],
            Self::ActionLimit(ActionNorm { norm }) => &[("norm", &[*norm])],
            Self::Uncertainty(Sureness { level, .. }) => &[("level", level.as_slice())],
        };
        let wrong = |x: &f64| !(-1e9..=1e9).contains(x);
        if let Some((key, values)) = numbers.iter().find(|(_, values)| values.iter().any(wrong)) {
            return Some(format!("{key} {values:?}; expected numbers from -1e9 to 1e9"));
        }
        match (self, self.region()) {
            (Self::ActionLimit(ActionNorm { norm }), _) if *norm <= 0.0 => {
                Some(format!("norm {norm}; expected more than 0"))
            }
            (_, Some(region)) => match spec.label_columns(region.label()).len() {
                0 => {
                    let names: Vec<&str> = spec.labels.iter().map(|label| label.name.as_str()).collect();
                    Some(format!("\"{}\" is no label of {}; there are {}", region.label(), spec.name, names.join(", ")))
                }
                size => region.problem(size),
            },
            _ => None,
        }
    }

    /// The place that it forbids, if any.
    fn region(&self) -> Option<Region> {
        match self {
            Self::KeepOut(disc) => Some(Region::Disc(disc.clone())),
            Self::StayWithin(within) => Some(Region::Outside(within.clone())),
            Self::ActionLimit(_) | Self::Uncertainty(_) => None,
        }
    }

    /// A part that the model must have for it.
    pub fn needs(&self) -> Option<ModelPart> {
        match self {
            Self::KeepOut(_) | Self::StayWithin(_) => Some(ModelPart::Probe),
            Self::ActionLimit(_) => None,
            Self::Uncertainty(_) => Some(ModelPart::Ensemble),
        }
    }

    /// True for limits on what happens, false for limits on what the model knows of it.
    pub(crate) fn is_of_the_world(&self) -> bool {
        !matches!(self, Self::Uncertainty(_))
    }

    /// True violation, given the labels and the action that led to them. Below 0 where it is kept.
    pub fn broken(&self, spec: &Spec, labels: &[f32], action: &[f32]) -> f64 {
        match (self, self.region()) {
            (Self::ActionLimit(ActionNorm { norm }), _) => {
                // As much as rounding to f32 may add.
                action.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt() - norm * (1.0 + 1e-5)
            }
            (_, Some(region)) => {
                let place = &labels[spec.label_columns(region.label())];
                region.depth(&place.iter().map(|&x| f64::from(x)).collect::<Vec<_>>())
            }
            _ => f64::NEG_INFINITY,
        }
    }

    /// True where a task may start or end at these labels.
    pub(crate) fn clear_of(&self, spec: &Spec, labels: &[f32]) -> bool {
        self.region().is_none_or(|region| self.broken(spec, labels, &[]) < -region.margin().clearance)
    }
}

/// Builds the guardrails of a protocol on a world, whose latents `labels` reads.
///
/// Margins and levels are calibrated on episodes of the environment's own policies, functions of `seed`; the true simulator needs
/// none. A place's margin grows from block to block until the agent looks again and is constant beyond: no later block is executed
/// before it is seen from nearer.
///
/// # Errors
/// A guardrail that the environment or the model cannot have, or several that leave no place to be.
pub fn guardrails<'a>(
    configs: &[GuardrailConfig],
    world: &dyn Perceive,
    labels: Labels<'a>,
    env: &dyn Env,
    ahead: Ahead,
    seed: u64,
) -> Result<Vec<Box<dyn Guardrail + 'a>>, EvalError> {
    let spec = env.spec();
    let seed = derive_seed(seed, &[CALIBRATION]);
    let (mut imagined, mut regions) = (None, Vec::new());
    let mut away_from = |region: Region| -> Result<Box<dyn Guardrail + 'a>, EvalError> {
        let (columns, margin) = (spec.label_columns(region.label()), region.margin());
        let margins = match (margin.fixed, labels) {
            (Some(fixed), _) => vec![fixed as f32],
            // What happens there is what was imagined.
            (None, Labels::Simulated) => vec![0.0],
            (None, Labels::Probed(..)) => {
                if imagined.is_none() {
                    imagined = Some(Imagined::of(world, labels, env, [ahead.look, ahead.frameskip], seed)?);
                }
                let errors = imagined.as_ref().map(|imagined| imagined.errors(columns.clone()));
                quantiles(errors.unwrap_or_default(), margin.confidence)
            }
        };
        regions.push((region.clone(), f64::from(margins.first().copied().unwrap_or(0.0))));
        Ok(Box::new(KeepAway { labels, columns, region, margins }))
    };
    let mut built: Vec<Box<dyn Guardrail + 'a>> = Vec::new();
    for (number, config) in configs.iter().enumerate() {
        let wrong = |problem| EvalError::Mismatch(format!("eval.guardrails.{number}: {problem}"));
        if let Some(problem) = config.problem(spec) {
            return Err(wrong(problem));
        }
        let lacks = |part: ModelPart| wrong(format!("needs a model with {}", part.key()));
        if let (Labels::Probed(model, _), Some(part)) = (labels, config.needs())
            && !part.of(model)
        {
            return Err(lacks(part));
        }
        built.push(match config {
            GuardrailConfig::KeepOut(disc) => away_from(Region::Disc(disc.clone()))?,
            GuardrailConfig::StayWithin(within) => away_from(Region::Outside(within.clone()))?,
            GuardrailConfig::ActionLimit(ActionNorm { norm }) => {
                Box::new(ActionLimit { norm: *norm as f32, dims: spec.action.len() })
            }
            GuardrailConfig::Uncertainty(Sureness { level, confidence }) => {
                let Labels::Probed(model, statistics) = labels else {
                    return Err(wrong("a simulator is never uncertain".to_owned()));
                };
                let uncertainty = Uncertainty::of(model, statistics).ok_or_else(|| lacks(ModelPart::Ensemble))?;
                let levels = match level {
                    Some(level) => vec![*level as f32],
                    None => {
                        let found = uncertain(world, uncertainty, env, [ahead.horizon, ahead.frameskip], seed)?;
                        quantiles(found, *confidence)
                    }
                };
                Box::new(Sure { uncertainty, levels })
            }
        });
    }
    match contradiction(&regions, seed) {
        Some(label) => {
            let margins: Vec<f64> = regions.iter().map(|region| region.1).collect();
            Err(EvalError::Mismatch(format!(
                "eval.guardrails: they contradict each other: with margins of {margins:.2?} at the first step, {label} may be \
                 nowhere; a smaller margin.fixed or margin.confidence may help"
            )))
        }
        None => Ok(built),
    }
}

/// The first label that may be nowhere: its boxes, less their margins, have no place in common, or its discs cover each of 4096
/// places drawn from it.
fn contradiction(regions: &[(Region, f64)], seed: u64) -> Option<&str> {
    let boxed = regions.iter().filter(|(region, _)| matches!(region, Region::Outside(_)));
    boxed.map(|(region, _)| region.label()).find(|&label| {
        let own = || regions.iter().filter(move |(region, _)| region.label() == label);
        let mut bounds: Vec<(f64, f64)> = Vec::new();
        for (region, margin) in own() {
            let Region::Outside(StayWithin { low, high, .. }) = region else { continue };
            bounds.resize(low.len(), (f64::NEG_INFINITY, f64::INFINITY));
            for (bound, (low, high)) in bounds.iter_mut().zip(low.iter().zip(high)) {
                *bound = (bound.0.max(low + margin), bound.1.min(high - margin));
            }
        }
        if bounds.iter().any(|(low, high)| low >= high) {
            return true;
        }
        let mut random = rng(seed, &[]);
        let mut place = || bounds.iter().map(|&(low, high)| random.random_range(low..high)).collect::<Vec<f64>>();
        let free = |place: &[f64]| {
            let mut discs = own().filter(|(region, _)| matches!(region, Region::Disc(_)));
            discs.all(|(disc, margin)| disc.depth(place) + margin < 0.0)
        };
        !(0..4096).any(|_| free(&place()))
    })
}

//! Guardrails as a user writes them, on what is read from latents, with margins from conformal prediction.

use burn::tensor::{Tensor, TensorData};
use gedanken_env::{Env, Spec, derive_seed, rng};
use gedanken_planner::{ActionLimit, Guardrail, World};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::episodes::observe_all;
use crate::walks::Walks;
use crate::{EvalError, Labels};

/// One entry of `[[eval.guardrails]]`: what every plan must keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum GuardrailConfig {
    /// A place stays outside a disc.
    KeepOut(KeepOut),
    /// A place stays within a box.
    StayWithin(StayWithin),
    /// No control step's action is longer than this.
    ActionLimit(ActionNorm),
}

/// A place, read from the latent by the model's probe, stays outside a disc.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepOut {
    /// The label that is the place: `agent`, `block`.
    pub label: String,
    /// The disc's middle, in the label's unit, one number for each of the label's.
    #[schemars(length(min = 1, max = 16))]
    pub center: Vec<f64>,
    /// Its radius, in the label's unit.
    #[schemars(range(min = 0.0))]
    pub radius: f64,
    /// How the plan keeps away from it.
    #[serde(default)]
    pub margin: Margin,
}

/// A place, read from the latent by the model's probe, stays within a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StayWithin {
    /// The label that is the place.
    pub label: String,
    /// The least of each number, in the label's unit.
    #[schemars(length(min = 1, max = 16))]
    pub low: Vec<f64>,
    /// The greatest.
    #[schemars(length(min = 1, max = 16))]
    pub high: Vec<f64>,
    /// How the plan keeps away from its edge.
    #[serde(default)]
    pub margin: Margin,
}

/// The length of actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionNorm {
    /// The greatest Euclidean norm of a control step's action, in the actions' unit.
    #[schemars(range(min = 0.0))]
    pub norm: f64,
}

/// How far imagined places keep from a forbidden one: imagination errs, and the further ahead the more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Margin {
    /// The same at every step, in the label's unit. Default: calibrated, step by step.
    #[schemars(range(min = 0.0))]
    pub fixed: Option<f64>,
    /// Calibrated: the share of imagined places, step by step, that are no further than the margin from the true ones (split
    /// conformal prediction, Vovk et al. 2005; Lindemann et al. 2023). Default 0.95.
    #[schemars(range(min = 0.0, max = 0.998))]
    pub confidence: f64,
    /// Tasks whose start or goal is no further than this from the forbidden place are drawn again. Default 0.
    #[schemars(range(min = 0.0))]
    pub clearance: f64,
}

impl Default for Margin {
    fn default() -> Self {
        Self { fixed: None, confidence: 0.95, clearance: 0.0 }
    }
}

/// Episodes that margins are calibrated on.
const EPISODES: usize = 512;
/// What the derived seeds of the calibration are for.
const CALIBRATION: u64 = 6;

impl GuardrailConfig {
    /// What is impossible about it in an environment, if anything.
    pub fn problem(&self, spec: &Spec) -> Option<String> {
        let numbers: &[(&str, &[f64])] = match self {
            Self::KeepOut(KeepOut { center, radius, .. }) => &[("center", center), ("radius", &[*radius])],
            Self::StayWithin(StayWithin { low, high, .. }) => &[("low", low), ("high", high)],
            Self::ActionLimit(ActionNorm { norm }) => &[("norm", &[*norm])],
        };
        let wrong = |x: &f64| !(-1e9..=1e9).contains(x);
        if let Some((key, values)) = numbers.iter().find(|(_, values)| values.iter().any(wrong)) {
            return Some(format!("{key} {values:?}; expected numbers from -1e9 to 1e9"));
        }
        match self {
            Self::ActionLimit(ActionNorm { norm }) if *norm <= 0.0 => {
                Some(format!("norm {norm}; expected more than 0"))
            }
            Self::KeepOut(KeepOut { radius, .. }) if *radius <= 0.0 => {
                Some(format!("radius {radius}; expected more than 0"))
            }
            Self::StayWithin(StayWithin { low, high, .. }) if low.iter().zip(high).any(|(low, high)| low >= high) => {
                Some(format!("low {low:?} and high {high:?}; expected each low below its high"))
            }
            _ => self.region().and_then(|(label, sizes, _)| {
                let known = spec.label_columns(label).len();
                let names: Vec<&str> = spec.labels.iter().map(|label| label.name.as_str()).collect();
                match known {
                    0 => Some(format!("\"{label}\" is no label of {}; there are {}", spec.name, names.join(", "))),
                    _ if sizes.iter().any(|&size| size != known) => {
                        Some(format!("{sizes:?} numbers; expected {known}, as many as `{label}` has"))
                    }
                    _ => None,
                }
            }),
        }
    }

    /// The label of a region, how many numbers the region has for it, and its margin.
    fn region(&self) -> Option<(&str, Vec<usize>, Margin)> {
        match self {
            Self::KeepOut(region) => Some((&region.label, vec![region.center.len()], region.margin)),
            Self::StayWithin(region) => Some((&region.label, vec![region.low.len(), region.high.len()], region.margin)),
            Self::ActionLimit(_) => None,
        }
    }

    /// How far a place is within what is forbidden, in the label's unit: below 0 outside of it.
    fn depth(&self, place: &[f64]) -> f64 {
        match self {
            Self::KeepOut(KeepOut { center, radius, .. }) => {
                radius - place.iter().zip(center).map(|(x, c)| (x - c).powi(2)).sum::<f64>().sqrt()
            }
            Self::StayWithin(StayWithin { low, high, .. }) => {
                let bounds = place.iter().zip(low.iter().zip(high));
                bounds.map(|(x, (low, high))| (low - x).max(x - high)).fold(f64::NEG_INFINITY, f64::max)
            }
            Self::ActionLimit(_) => f64::NEG_INFINITY,
        }
    }

    /// How far the truth breaks it: labels and the action that led to them. Below 0 where it is kept.
    pub fn broken(&self, spec: &Spec, labels: &[f32], action: &[f32]) -> f64 {
        match (self, self.region()) {
            (Self::ActionLimit(ActionNorm { norm }), _) => {
                // As much as rounding to f32 may add.
                action.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt() - norm * (1.0 + 1e-5)
            }
            (_, Some((label, ..))) => {
                let place: Vec<f64> = labels[spec.label_columns(label)].iter().map(|&x| f64::from(x)).collect();
                self.depth(&place)
            }
            _ => f64::NEG_INFINITY,
        }
    }

    /// Whether a task may start or end at these labels.
    pub(crate) fn clear_of(&self, spec: &Spec, labels: &[f32]) -> bool {
        self.region().is_none_or(|(_, _, margin)| self.broken(spec, labels, &[]) < -margin.clearance)
    }
}

/// A region on what is read from imagined latents.
struct Region<'a> {
    labels: Labels<'a>,
    columns: std::ops::Range<usize>,
    config: GuardrailConfig,
    /// For the first steps of a plan; later ones have the last one's.
    margins: Vec<f32>,
}

impl Guardrail for Region<'_> {
    fn violation(&self, futures: Tensor<4>, _: Tensor<3>) -> Tensor<2> {
        let ([rows, horizon, _, _], device) = (futures.dims(), futures.device());
        let size = self.columns.len();
        let labels = self.labels.of(futures.flatten::<3>(0, 1)).narrow(1, self.columns.start, size);
        let places = labels.reshape([rows, horizon, size]);
        let row = |numbers: &[f64]| {
            let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
            Tensor::<3>::from_data(TensorData::new(numbers, [1, 1, size]), &device)
        };
        let depth: Tensor<2> = match &self.config {
            GuardrailConfig::KeepOut(KeepOut { center, radius, .. }) => {
                let distance = (places - row(center)).square().sum_dim(2).sqrt();
                -(distance - *radius).squeeze_dim::<2>(2)
            }
            GuardrailConfig::StayWithin(StayWithin { low, high, .. }) => {
                let outside = (row(low) - places.clone()).max_pair(places - row(high));
                outside.max_dim(2).squeeze_dim(2)
            }
            GuardrailConfig::ActionLimit(_) => Tensor::full([rows, horizon], f32::NEG_INFINITY, &device),
        };
        let margins: Vec<f32> = (0..horizon).map(|step| self.margin(step)).collect();
        depth + Tensor::<2>::from_data(TensorData::new(margins, [1, horizon]), &device)
    }
}

impl Region<'_> {
    fn margin(&self, step: usize) -> f32 {
        self.margins.get(step).or(self.margins.last()).copied().unwrap_or(0.0)
    }
}

/// Builds the guardrails of a protocol on a world. `labels` reads its latents; margins are calibrated on episodes of the
/// environment's own policies, functions of `seed`, for the first blocks of a plan, so many of so many control steps: later ones
/// keep the margin of the last of these. An agent that looks again after so many blocks does none that it saw from further away.
///
/// # Errors
/// A guardrail that the environment cannot have, or several that leave no place to be.
pub fn guardrails<'a>(
    configs: &[GuardrailConfig],
    world: &dyn World,
    labels: Labels<'a>,
    env: &dyn Env,
    plan: [usize; 2],
    seed: u64,
) -> Result<Vec<Box<dyn Guardrail + 'a>>, EvalError> {
    let spec = env.spec();
    let mut built: Vec<Box<dyn Guardrail + 'a>> = Vec::new();
    let mut imagined = None;
    let mut regions = Vec::new();
    for (number, config) in configs.iter().enumerate() {
        if let Some(problem) = config.problem(spec) {
            return Err(EvalError::Mismatch(format!("eval.guardrails.{number}: {problem}")));
        }
        let Some((label, _, margin)) = config.region() else {
            if let GuardrailConfig::ActionLimit(ActionNorm { norm }) = config {
                built.push(Box::new(ActionLimit { norm: *norm as f32, dims: spec.action.len() }));
            }
            continue;
        };
        let columns = spec.label_columns(label);
        let margins = match margin.fixed {
            Some(fixed) => vec![fixed as f32; plan[0]],
            None => {
                if imagined.is_none() {
                    imagined = Some(Imagined::of(world, labels, env, plan, seed)?);
                }
                let errors = imagined.as_ref().map(|imagined| imagined.errors(columns.clone())).unwrap_or_default();
                errors.into_iter().map(|errors| conformal(errors, margin.confidence) as f32).collect()
            }
        };
        regions.push((label, config, f64::from(margins.first().copied().unwrap_or(0.0))));
        built.push(Box::new(Region { labels, columns, config: config.clone(), margins }));
    }
    match contradiction(&regions, seed) {
        Some(label) => {
            let margins: Vec<f64> = regions.iter().map(|region| region.2).collect();
            Err(EvalError::Mismatch(format!(
                "eval.guardrails: they contradict each other: with margins of {margins:.2?} at the first step, {label} may be \
                 nowhere; a smaller margin.fixed or margin.confidence may help"
            )))
        }
        None => Ok(built),
    }
}

/// A label with boxes to be in at once of which, behind their margins, the discs leave nothing; as far as 4096 places tell.
fn contradiction<'c>(regions: &[(&'c str, &GuardrailConfig, f64)], seed: u64) -> Option<&'c str> {
    let labels =
        regions.iter().filter(|region| matches!(region.1, GuardrailConfig::StayWithin(_))).map(|region| region.0);
    labels.into_iter().find(|&label| {
        let own = || regions.iter().filter(move |region| region.0 == label);
        let mut bounds: Vec<(f64, f64)> = Vec::new();
        for (_, config, margin) in own() {
            let GuardrailConfig::StayWithin(StayWithin { low, high, .. }) = config else { continue };
            bounds.resize(low.len(), (f64::NEG_INFINITY, f64::INFINITY));
            for (bound, (low, high)) in bounds.iter_mut().zip(low.iter().zip(high)) {
                *bound = (bound.0.max(low + margin), bound.1.min(high - margin));
            }
        }
        if bounds.iter().any(|(low, high)| low >= high) {
            return true;
        }
        let mut random = rng(seed, &[CALIBRATION]);
        let mut place = || bounds.iter().map(|&(low, high)| random.random_range(low..high)).collect::<Vec<f64>>();
        let discs = |place: &[f64]| {
            let discs = own().filter(|region| matches!(region.1, GuardrailConfig::KeepOut(_)));
            discs.into_iter().all(|(_, disc, margin)| disc.depth(place) + margin < 0.0)
        };
        !(0..4096).any(|_| discs(&place()))
    })
}

/// What was imagined in some episodes, and what happened.
struct Imagined {
    /// `[episodes, horizon, labels]`
    read: Vec<f32>,
    /// `[horizon][episodes, labels]`
    truth: Vec<Vec<f32>>,
    horizon: usize,
    labels: usize,
}

impl Imagined {
    fn of(
        world: &dyn World,
        labels: Labels<'_>,
        env: &dyn Env,
        plan: [usize; 2],
        seed: u64,
    ) -> Result<Self, EvalError> {
        let walks = Walks::of(env, EPISODES, plan, derive_seed(seed, &[CALIBRATION]))?;
        let start = world.encode(&observe_all(&walks.start));
        let futures = world.rollout(start.clone(), walks.actions(&start.device()));
        let read = labels.of(futures.flatten::<3>(0, 1)).into_data().convert::<f32>().try_to_vec::<f32>();
        let truth = walks.after.iter().map(|envs| observe_all(envs).labels).collect();
        Ok(Self { read: read.unwrap_or_default(), truth, horizon: walks.horizon, labels: env.spec().label_len() })
    }

    /// How far what was imagined is from the truth, `[horizon][episodes]`, in the label's unit.
    fn errors(&self, columns: std::ops::Range<usize>) -> Vec<Vec<f64>> {
        let distance = |episode: usize, step: usize| {
            let read = &self.read[(episode * self.horizon + step) * self.labels..][columns.clone()];
            let truth = &self.truth[step][episode * self.labels..][columns.clone()];
            read.iter().zip(truth).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let step = |step: usize| (0..EPISODES).map(|episode| distance(episode, step)).collect();
        (0..self.horizon).map(step).collect()
    }
}

/// The smallest margin that holds for a new case with this probability: the `ceil((n + 1) confidence)`-th smallest of n errors,
/// the greatest where that is more than n.
fn conformal(mut errors: Vec<f64>, confidence: f64) -> f64 {
    errors.sort_by(f64::total_cmp);
    let rank = ((errors.len() + 1) as f64 * confidence).ceil() as usize;
    errors.get(rank.clamp(1, errors.len().max(1)) - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conformal_margin_is_the_rank_that_covers_a_new_case() {
        let errors: Vec<f64> = (1..=99).rev().map(f64::from).collect();
        assert_eq!(conformal(errors.clone(), 0.9), 90.0);
        assert_eq!(conformal(errors.clone(), 0.0), 1.0);
        assert_eq!(conformal(errors, 0.999), 99.0);
    }

    #[test]
    fn depth_is_how_far_inside_the_forbidden_a_place_is() {
        let margin = Margin::default();
        let disc = KeepOut { label: "agent".into(), center: vec![3.0, 4.0], radius: 6.0, margin };
        assert_eq!(GuardrailConfig::KeepOut(disc).depth(&[0.0, 0.0]), 1.0);
        let within = StayWithin { label: "agent".into(), low: vec![0.0, 0.0], high: vec![10.0, 4.0], margin };
        let within = GuardrailConfig::StayWithin(within);
        assert_eq!([within.depth(&[5.0, 1.0]), within.depth(&[12.0, 2.0])], [-1.0, 2.0]);
    }
}

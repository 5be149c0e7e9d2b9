//! Checks of a model without planning: the error of its probe, the leak of its walls, its imagination after an event, and the rank
//! correlation of its distances with the true cost-to-go.

use std::fmt;

use burn::tensor::{Device, Tensor};
use gedanken_data::Source;
use gedanken_env::{Env, Label, Many, derive_seed};
use gedanken_model::{Statistics, WorldModel};
use gedanken_planner::{LatentDistance, Objective};
use serde::Serialize;

use crate::episodes::Numbers;
use crate::labels::{rmse, spread};
use crate::pushes::{Push, pushes};
use crate::worlds::{host, labels_of};
use crate::{EvalError, Events, Labels, LearnedDistance, LearnedWorld, ModelPart, Perceive, spearman};

/// Their results.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checks {
    /// Error of the model's probe, label by label; none without one.
    pub probes: Vec<LabelError>,
    /// Rank correlation (Spearman, mean over goals) of the distance of latents with the true cost-to-go, in one layout.
    pub latent_rank_correlation: Option<f64>,
    /// The same of the learned distance.
    pub learned_rank_correlation: Option<f64>,
    /// Constant pushes: displacement in the imagination beside the simulator's.
    pub pushes: Vec<Push>,
    /// Imagination after an event, where the model has a probe and something happens.
    pub events: Option<Events>,
}

/// Error of the model's probe for one label, on latents of observations.
#[derive(Clone, Debug, Serialize)]
pub struct LabelError {
    /// The label.
    pub label: String,
    /// Root mean squared distance of read and true values.
    pub rmse: f64,
    /// The same of the mean in the place of what is read: a reader that is told nothing.
    pub chance: f64,
    /// Its unit.
    pub unit: String,
}

const LAYOUTS: usize = 24;
const STATES: usize = 24;

/// Checks a model in `LAYOUTS` layouts of the environment with `STATES` states each, functions of `seed`; in recordings, on frames of the
/// `recorded` episodes.
///
/// # Errors
/// An environment that cannot be stepped, or episodes that cannot be read.
pub fn checks(
    model: &WorldModel,
    statistics: &Statistics,
    env: &dyn Env,
    recorded: Option<&dyn Source>,
    seed: u64,
    device: &Device,
) -> Result<Checks, EvalError> {
    if env.spec().labels.is_empty() {
        return Ok(Checks::default());
    }
    let world = LearnedWorld { model, statistics, device };
    let replays = env.spec().recorded.is_some();
    let many = match recorded {
        Some(source) if replays => frames(env, source, seed)?,
        _ => resets(env, seed),
    };
    let (latents, labels) = (world.present(&many), labels_of(&many));
    let size = env.spec().label_len();
    let probed = ModelPart::Probe.of(model);
    let read = if probed { Labels::Probed(model, statistics).read(latents.clone()) } else { Vec::new() };
    Ok(Checks {
        probes: if probed { label_errors(env, &read, &labels) } else { Vec::new() },
        latent_rank_correlation: rank_correlation(env, &LatentDistance::default(), &latents, &labels, size),
        learned_rank_correlation: model
            .distance()
            .and_then(|head| rank_correlation(env, &LearnedDistance(head), &latents, &labels, size)),
        pushes: if probed && !replays { pushes(&world, &many, &latents, &read)? } else { Vec::new() },
        events: if probed { Events::of(&world, env, seed)? } else { None },
    })
}

/// States that resets draw, layout by layout.
fn resets(env: &dyn Env, seed: u64) -> Many {
    let states = (0..LAYOUTS as u64).flat_map(|layout| {
        let mut env = env.boxed_clone();
        env.reset(derive_seed(seed, &[3, layout]));
        (0..STATES as u64).map(move |state| {
            env.restart(derive_seed(seed, &[4, layout, state]));
            env.boxed_clone()
        })
    });
    Many::new(states.collect())
}

/// Recorded states, episode by episode.
fn frames(env: &dyn Env, source: &dyn Source, seed: u64) -> Result<Many, EvalError> {
    let (mut all, size) = (Vec::with_capacity(LAYOUTS * STATES), env.spec().state.len());
    for number in 0..LAYOUTS as u64 {
        let episode = source.episode(derive_seed(seed, &[3, number]))?;
        for state in 0..STATES as u64 {
            let frame = (derive_seed(seed, &[4, number, state]) % episode.frames() as u64) as usize;
            let mut env = env.boxed_clone();
            env.set_state(&episode.states[frame * size..][..size])?;
            all.push(env);
        }
    }
    Ok(Many::new(all))
}

fn label_errors(env: &dyn Env, read: &[f32], truth: &[f32]) -> Vec<LabelError> {
    let (size, mut first) = (env.spec().label_len(), 0);
    let error = |label: &Label| {
        let columns = first..first + label.size;
        first += label.size;
        LabelError {
            label: label.name.clone(),
            rmse: rmse(read, truth, size, columns.clone()),
            chance: spread(truth, size, columns),
            unit: label.unit.clone(),
        }
    };
    env.spec().labels.iter().map(error).collect()
}

fn rank_correlation(
    env: &dyn Env,
    objective: &dyn Objective,
    latents: &Tensor<3>,
    labels: &[f32],
    size: usize,
) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for layout in 0..LAYOUTS {
        let states = latents.clone().narrow(0, layout * STATES, STATES);
        let rows: Vec<&[f32]> = labels.chunks(size).skip(layout * STATES).take(STATES).collect();
        for (i, goal) in rows.iter().enumerate() {
            let truth: Option<Vec<f64>> = rows.iter().map(|row| env.cost_to_go(row, goal)).collect();
            let goals = states.clone().narrow(0, i, 1).repeat_dim(0, STATES);
            let learned = host(objective.energy(states.clone().unsqueeze_dim::<4>(1), goals));
            let learned: Vec<f64> = learned.into_iter().map(f64::from).collect();
            let correlation = spearman(&learned, &truth?);
            if correlation.is_finite() {
                sum += correlation;
                count += 1;
            }
        }
    }
    (count > 0).then(|| sum / f64::from(count))
}

impl Checks {
    /// The numbers worth a curve.
    pub(crate) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new();
        for probe in &self.probes {
            numbers.insert(format!("probe/{}", probe.label), probe.rmse);
        }
        for (name, value) in [("latent", self.latent_rank_correlation), ("learned", self.learned_rank_correlation)] {
            if let Some(value) = value {
                numbers.insert(format!("rank_correlation/{name}"), value);
            }
        }
        for push in self.pushes.iter().filter(|push| push.count > 0) {
            numbers.insert(format!("push/{}/model", push.kind), push.model[2]);
            numbers.insert(format!("push/{}/truth", push.kind), push.truth[2]);
        }
        if let Some(events) = &self.events {
            numbers.append(&mut events.numbers());
        }
        numbers
    }
}

/// A unit behind a number; nothing for a number that has none, `1`.
pub(crate) fn behind(unit: &str) -> String {
    if unit == "1" { String::new() } else { format!(" {unit}") }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let probes: Vec<String> = self
            .probes
            .iter()
            .map(|p| format!("{} {:.2} of {:.2}{}", p.label, p.rmse, p.chance, behind(&p.unit)))
            .collect();
        if !probes.is_empty() {
            writeln!(f, "probe error (RMSE, of what chance has): {}", probes.join(", "))?;
        }
        if self.learned_rank_correlation.or(self.latent_rank_correlation).is_some() {
            let or_dash = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.3}"));
            writeln!(
                f,
                "rank correlation with the true cost-to-go: learned distance {}, latent distance {}",
                or_dash(self.learned_rank_correlation),
                or_dash(self.latent_rank_correlation)
            )?;
        }
        for push in &self.pushes {
            let pairs: Vec<String> =
                (0..push.steps.len()).map(|i| format!("{:.1} / {:.1}", push.model[i], push.truth[i])).collect();
            writeln!(
                f,
                "pushes {}: {} (imagined / true after {:?} steps, n = {})",
                push.kind,
                pairs.join(", "),
                push.steps,
                push.count
            )?;
        }
        match &self.events {
            Some(events) => write!(f, "{events}"),
            None => Ok(()),
        }
    }
}

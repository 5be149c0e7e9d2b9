//! What a model knows, told without a planning run: what its probes read, whether its walls hold, and whether its distance
//! orders states as the true cost-to-go does.

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_env::{Env, Many, derive_seed};
use gedanken_model::{Statistics, WorldModel};
use gedanken_planner::{LatentDistance, Objective, World};
use rayon::prelude::*;
use serde::Serialize;

use crate::baselines::frameskip;
use crate::episodes::{Numbers, observe};
use crate::{LearnedDistance, LearnedWorld, spearman};

/// The results.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checks {
    /// Probe error of every label.
    pub probes: Vec<ProbeError>,
    /// Rank correlation (Spearman, mean over goals) of the distance of latents with the true cost-to-go, in one layout.
    pub latent_rank_correlation: Option<f64>,
    /// The same of the learned distance.
    pub learned_rank_correlation: Option<f64>,
    /// Constant pushes: displacement in the imagination beside the simulator's.
    pub pushes: Vec<Push>,
}

/// How well a probe reads a label from the latent of what is seen.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeError {
    /// The label.
    pub label: String,
    /// Root of the mean squared distance of read and true values.
    pub rmse: f64,
    /// Its unit.
    pub unit: String,
}

/// Mean displacement of the first label under one constant action.
#[derive(Clone, Debug, Serialize)]
pub struct Push {
    /// `blocked`: the simulator moves less than a third of the way that it moves where nothing stops it. `through`: it moves freely, and it began where something
    /// could have happened. `open`: freely, elsewhere.
    pub kind: &'static str,
    /// How many pushes.
    pub count: usize,
    /// After these many control steps; whole blocks where the model takes blocks of actions.
    pub steps: Vec<usize>,
    /// The imagined displacement, read by the probe.
    pub model: Vec<f64>,
    /// The simulator's.
    pub truth: Vec<f64>,
}

const LAYOUTS: usize = 24;
const STATES: usize = 24;
const PUSH_STEPS: [usize; 3] = [4, 8, 16];

/// Looks into a model: `LAYOUTS` layouts of the environment with `STATES` states each, functions of `seed`.
/// Empty where the environment has no labels.
pub fn checks(model: &WorldModel, statistics: &Statistics, env: &dyn Env, seed: u64, device: &Device) -> Checks {
    if env.spec().labels.is_empty() {
        return Checks::default();
    }
    let world = LearnedWorld { model, statistics, device };
    let many = Many::new(
        (0..LAYOUTS as u64)
            .flat_map(|layout| {
                let mut env = env.boxed_clone();
                env.reset(derive_seed(seed, &[3, layout]));
                (0..STATES as u64).map(move |state| {
                    env.restart(derive_seed(seed, &[4, layout, state]));
                    env.boxed_clone()
                })
            })
            .collect(),
    );
    let all: Vec<usize> = (0..many.len()).collect();
    let seen = observe(&many, &all, false);
    let latents = world.encode(&seen);
    let size = env.spec().label_len();
    let read = host(statistics.labels_in_units(model.probe(latents.clone())));
    Checks {
        probes: probe_errors(env, &read, &seen.labels),
        latent_rank_correlation: rank_correlation(env, &LatentDistance::default(), &latents, &seen.labels, size),
        learned_rank_correlation: model
            .distance()
            .and_then(|head| rank_correlation(env, &LearnedDistance(head), &latents, &seen.labels, size)),
        pushes: pushes(&world, &many, &latents, &read),
    }
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

fn probe_errors(env: &dyn Env, read: &[f32], truth: &[f32]) -> Vec<ProbeError> {
    let size = env.spec().label_len();
    let mut first = 0;
    let mut errors = Vec::new();
    for label in &env.spec().labels {
        let range = first..first + label.size;
        let rows = read.chunks(size).zip(truth.chunks(size));
        let squares = rows.map(|(r, t)| distance(&r[range.clone()], &t[range.clone()]).powi(2)).sum::<f64>();
        let rmse = (squares / (truth.len() / size) as f64).sqrt();
        errors.push(ProbeError { label: label.name.clone(), rmse, unit: label.unit.clone() });
        first += label.size;
    }
    errors
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

/// Pushes every state along the axes of the action space at half the greatest action.
fn pushes(world: &LearnedWorld<'_>, many: &Many, latents: &Tensor<3>, read: &[f32]) -> Vec<Push> {
    let spec = many.envs()[0].spec();
    let (size, dims, actions) = (spec.label_len(), spec.labels[0].size, spec.action.len());
    let frameskip = frameskip(world.model, many.envs()[0].as_ref());
    let blocks = PUSH_STEPS.map(|steps| steps.div_ceil(frameskip));
    let steps = blocks.map(|blocks| blocks * frameskip);
    let longest = steps[2];
    let mut found: [(&'static str, usize, [f64; 3], [f64; 3]); 3] =
        ["blocked", "through", "open"].map(|kind| (kind, 0, [0.0; 3], [0.0; 3]));
    for axis in 0..2 * actions {
        let mut action = vec![0.0; actions];
        let limit = if axis % 2 == 0 { spec.action.high[axis / 2] } else { spec.action.low[axis / 2] };
        action[axis / 2] = limit / 2.0;
        let sequence = action.repeat(many.len() * longest);
        let sequence = Tensor::from_data(
            TensorData::new(sequence, [many.len(), longest / frameskip, frameskip * actions]),
            &latents.device(),
        );
        let future = world.rollout(latents.clone(), sequence);
        let imagined: Vec<Vec<f32>> = blocks
            .iter()
            .map(|&block| {
                let at = future.clone().narrow(1, block - 1, 1).squeeze_dim::<3>(1);
                host(world.statistics.labels_in_units(world.model.probe(at)))
            })
            .collect();
        let truth: Vec<[f64; 3]> = many.envs().par_iter().map(|env| pushed(env.as_ref(), &action, steps)).collect();
        // What nothing stops goes farthest.
        let free = truth.iter().map(|moved| moved[2]).fold(f64::MIN_POSITIVE, f64::max);
        for (row, (env, truth)) in many.envs().iter().zip(truth).enumerate() {
            let kind = match (env.eventful(), truth[2] / free) {
                (true, share) if share < 0.34 => 0,
                (true, share) if share > 0.95 => 1,
                (false, share) if share > 0.95 => 2,
                _ => continue,
            };
            let (_, count, model_sum, truth_sum) = &mut found[kind];
            *count += 1;
            for i in 0..3 {
                model_sum[i] += distance(&imagined[i][row * size..][..dims], &read[row * size..][..dims]);
                truth_sum[i] += truth[i];
            }
        }
    }
    let mean = |sums: [f64; 3], count: usize| sums.iter().map(|s| s / count.max(1) as f64).collect();
    found
        .into_iter()
        .map(|(kind, count, model, truth)| Push {
            kind,
            count,
            steps: steps.to_vec(),
            model: mean(model, count),
            truth: mean(truth, count),
        })
        .collect()
}

/// How far the first label is from where it was, after `steps` control steps under one action.
fn pushed(env: &dyn Env, action: &[f32], steps: [usize; 3]) -> [f64; 3] {
    let (mut env, dims) = (env.boxed_clone(), env.spec().labels[0].size);
    let mut labels = vec![0.0; env.spec().label_len()];
    env.labels(&mut labels);
    let (start, mut done) = (labels.clone(), 0);
    steps.map(|steps| {
        (done..steps).for_each(|_| env.step(action));
        done = done.max(steps);
        env.labels(&mut labels);
        distance(&labels[..dims], &start[..dims])
    })
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
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
        numbers
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let probes: Vec<String> = self.probes.iter().map(|p| format!("{} {:.2} {}", p.label, p.rmse, p.unit)).collect();
        writeln!(f, "probe error (RMSE): {}", probes.join(", "))?;
        let or_dash = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.3}"));
        writeln!(
            f,
            "rank correlation with the true cost-to-go: learned distance {}, latent distance {}",
            or_dash(self.learned_rank_correlation),
            or_dash(self.latent_rank_correlation)
        )?;
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
        Ok(())
    }
}

//! A world model on one page, with the crates as libraries: stream episodes of Two-Rooms, train a small JEPA, plan with it, print a
//! success rate. `cargo run --release --example jepa` takes a minute and a half of one core; `-- 100 10` makes 100 updates, 10 tasks.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_data::{Prefetch, Stream, WindowConfig};
use gedanken_encoder::{Patch, PatchConfig, PatchLatent};
use gedanken_env::Many;
use gedanken_eval::{Actor, EvalConfig, LearnedDistance, Perceive, Planning, Row, Rule, Scripted, Tasks, Thinker};
use gedanken_model::Statistics;
use gedanken_model::heads::{DistanceConfig, GoalDistance, LayoutFrames};
use gedanken_nn::{LatentShape, Learn, Loss, Progress, TrainBatch, seeded};
use gedanken_planner::{Cem, Over, PlanConfig, Planner, Sampling, World};
use gedanken_predictor::{ResidualMlp, ResidualMlpConfig};
use gedanken_regularizer::{Term, covariance, sequences, time_similarity, variance};
use gedanken_train::{Clock, Learner, TrainConfig, host_batch, measure};
use serde_json::json;

/// Channels, height and width of an observation.
const PICTURE: [usize; 3] = [2, 65, 65];

/// A joint embedding predictive architecture: encoder, predictor, and beside them a distance to goals.
#[derive(Module, Debug)]
struct Jepa {
    encoder: Patch,
    predictor: ResidualMlp,
    distance: GoalDistance,
}

impl Jepa {
    fn new(device: &Device) -> Self {
        let encoder = PatchConfig { latent: PatchLatent::Vector, dim: 128, ..PatchConfig::default() };
        let predictor = ResidualMlpConfig::default().init(encoder.dim, 2, device);
        let distance = DistanceConfig { target_rate: 0.02, ..DistanceConfig::default() };
        let mut distance = GoalDistance::new(LatentShape::vector(encoder.dim), &distance, device);
        distance.begin();
        Self { encoder: encoder.init(PICTURE, device), predictor, distance }
    }

    /// Latents `[batch, 1, dim]`, actions `[batch, steps, action]` -> the latents after every action `[batch, steps, 1, dim]`.
    fn unroll(&self, mut latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let step = |action: Tensor<3>| {
            latents = self.predictor.forward(latents.clone(), action.squeeze_dim(1));
            latents.clone().unsqueeze_dim::<4>(1)
        };
        Tensor::cat(actions.split(1, 1).into_iter().map(step).collect(), 1)
    }
}

impl Learn for Jepa {
    type Batch = TrainBatch;

    fn loss(&self, batch: TrainBatch, _: Progress) -> Loss {
        // Perceive and predict: windows are `[windows, time, 1, dim]`.
        let latents = self.encoder.forward(batch.pixels.clone());
        let windows = sequences(&batch, latents.clone());
        let futures = self.unroll(windows.clone().narrow(1, 0, 1).squeeze_dim(1), batch.actions.clone());
        let targets = windows.clone().narrow(1, 1, batch.time - 1);
        // Compare and regularise. The distance looks at detached latents, and shapes none.
        let samples = latents.clone().flatten::<2>(1, 2);
        let TrainBatch { layouts, episodes, time, extra, at, .. } = batch;
        let frames = LayoutFrames { latents: latents.detach(), layouts, episodes, time, extra, at };
        let terms = [
            ("prediction", 4.0, (futures - targets).powi_scalar(2).mean()),
            ("variance", 16.0, variance(samples.clone(), 1.0)),
            ("covariance", 8.0, covariance(samples.clone())),
            ("time_similarity", 12.0, time_similarity(windows)),
            ("distance", 1.0, self.distance.regress(frames).0),
        ];
        let weighted = terms.iter().map(|(_, weight, loss)| loss.clone() * *weight).collect();
        let terms = terms.map(|(name, _, loss)| (name, loss.detach())).into();
        Loss { total: Tensor::cat(weighted, 0).sum(), terms, latents: Some(samples.detach()) }
    }

    fn after_update(mut self, progress: Progress) -> Self {
        Term::after_update(&mut self.distance, progress);
        self
    }
}

/// The trained model as a planner's world: it sees pictures and imagines latents.
struct Imagined<'a>(&'a Jepa, &'a Statistics);

impl Imagined<'_> {
    fn encode(&self, envs: &Many, draw: impl Fn(&Many, &mut [u8])) -> Tensor<3> {
        let mut pixels = vec![0; envs.len() * PICTURE.iter().product::<usize>()];
        draw(envs, &mut pixels);
        self.0.encoder.forward(self.1.pixels(&pixels, PICTURE, &Device::flex()))
    }
}

impl Perceive for Imagined<'_> {
    fn present(&self, envs: &Many) -> Tensor<3> {
        self.encode(envs, Many::observe)
    }

    fn goals(&self, envs: &Many) -> Tensor<3> {
        self.encode(envs, Many::observe_goal)
    }
}

impl World for Imagined<'_> {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.0.unroll(latents, self.1.actions(actions))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let numbers = std::env::args().skip(1).map(|number| number.parse()).collect::<Result<Vec<u64>, _>>()?;
    let [updates, tasks] = [0, 1].map(|index| numbers.get(index).copied().unwrap_or([2000, 100][index]));

    // Stream: fresh episodes of two scripted policies, 24 windows a batch.
    let env = gedanken_two_rooms::entry().make(&json!({ "walls": "fixed" }))?;
    let policies = BTreeMap::from([("heading".to_owned(), 0.4), ("door".to_owned(), 0.6)]);
    let window = WindowConfig { layouts: 2, episodes: 12, ..WindowConfig::default() };
    let stream = Arc::new(Stream::new(env.as_ref(), &policies, 90, window, 1)?);
    let statistics = measure(stream.as_ref(), 8, false)?;

    // Train.
    let mut batches = Prefetch::new(stream, 0, 1, 4);
    let mut learner = Learner::new(seeded(1, Jepa::new), &TrainConfig { steps: updates, ..TrainConfig::default() });
    for step in 0..updates {
        let host = batches.next()?;
        let batch = || host_batch(&host, &statistics, step, &Device::flex());
        let update = learner.update(batch, step, &mut Clock::default());
        if step.is_multiple_of(updates.div_ceil(10)) {
            let (name, value) = &update.scalars[1]; // after the sum of all terms, the first of them
            println!("update {step}: {name} {:.4}", value.clone().into_scalar::<f32>());
        }
    }

    // Plan: the same tasks for the model and for a policy that goes straight at the goal.
    let jepa = learner.model();
    let cem = Cem { sampling: Sampling { iterations: 2, ..Sampling::default() }, smoothness: 0.8 };
    let plan = PlanConfig { horizon: 12, over: Over::Last, max_norm: Some(1.8), ..PlanConfig::default() };
    let planner = &Planner::new(Box::new(cem), plan)?;
    let (world, objective) = (&Imagined(&jepa, &statistics), &LearnedDistance(&jepa.distance));
    let thinker = Thinker { world, objective, guardrails: &[], planner, frameskip: 1, arrived: Some(3.0) };
    let rate = |actor: &mut dyn Actor| -> Result<f64, Box<dyn Error>> {
        let episodes = Tasks::of(env.as_ref(), &EvalConfig::default(), tasks as usize).run(actor)?;
        Ok(Row::of("", "", &episodes, Rule::Final, env.spec().require_task()?.radius, 0.0).success)
    };
    let (model, straight) = (rate(&mut Planning::new(thinker))?, rate(&mut Scripted::new(["straight"]))?);
    println!("{tasks} tasks: success {:.1} %, straight at the goal {:.1} %", 100.0 * model, 100.0 * straight);
    Ok(())
}

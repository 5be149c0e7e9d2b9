//! Costs of an experiment's parts on a device, and a folder from which another program can do the same work.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_data::Source;
use gedanken_env::{Env, derive_seed, rng};
use gedanken_eval::LearnedWorld;
use gedanken_model::{Blueprint, WorldModel};
use gedanken_nn::{Learn, Progress, TrainBatch};
use gedanken_planner::{Bounds, LatentDistance, Planner, Problem, chunks};
use gedanken_regularizer::Sigreg;
use gedanken_regularizer::directions;
use gedanken_run::write_atomic;
use gedanken_train::{Clock, Learner, host_batch};
use rand::RngExt;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;

use crate::device::Chosen;
use crate::provenance::Machine;
use crate::{Experiment, Parts};

/// The costs of an experiment's parts.
#[derive(Clone, Debug, Serialize)]
pub struct Bench {
    /// The program's version.
    pub version: String,
    /// The experiment's name.
    pub experiment: String,
    /// Where it was timed.
    #[serde(flatten)]
    pub machine: Machine,
    /// Part by part.
    pub costs: Vec<Cost>,
    /// Every term of the loss of the batch that is timed, after three updates of the weights.
    pub loss: BTreeMap<String, f64>,
    /// Mean of the last latents of the futures that are timed, under the same weights.
    pub rollout_mean: f64,
}

/// The cost of one part.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The part.
    pub name: &'static str,
    /// Median time of one go.
    pub milliseconds: f64,
    /// One go does so many
    pub count: usize,
    /// of these.
    pub unit: &'static str,
}

/// An experiment, ready to be timed.
pub(crate) struct Subject<'a> {
    pub experiment: &'a Experiment,
    pub env: &'a dyn Env,
    pub source: &'a dyn Source,
    pub blueprint: &'a Blueprint,
    /// The parts it may be made of.
    pub parts: &'a Parts,
    pub chosen: &'a Chosen,
}

/// The parts, in the order in which they are timed.
pub(crate) const PARTS: [&str; 8] =
    ["step", "picture", "batch", "encoder", "encoder_step", "rollout", "plan", "training_step"];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Updates before anything is timed.
const FIRST_UPDATES: usize = 3;

/// Futures that are imagined at once, and their steps.
#[derive(Clone, Copy, Debug, Serialize)]
struct Rollout {
    rows: usize,
    steps: usize,
}

/// The parts to time, and for how long.
pub(crate) struct Timing<'a> {
    /// Seconds for each part, about.
    pub seconds: f64,
    /// The parts, of [`PARTS`]; all where none is named.
    pub parts: &'a [String],
}

/// Times parts, one after the other.
struct Stopwatch<'a> {
    timing: Timing<'a>,
    device: &'a Device,
    say: &'a mut dyn FnMut(&str),
    costs: Vec<Cost>,
}

impl Stopwatch<'_> {
    /// The median over at least five goes, behind two that do not count.
    fn time(
        &mut self,
        name: &'static str,
        (count, unit): (usize, &'static str),
        mut work: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.timing.parts.is_empty() && !self.timing.parts.iter().any(|part| part == name) {
            return Ok(());
        }
        (self.say)(name);
        let mut times = Vec::new();
        let began = Instant::now();
        while times.len() < 7 || began.elapsed().as_secs_f64() < self.timing.seconds {
            let start = Instant::now();
            work()?;
            // A GPU works behind the program's back.
            self.device.sync()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.drain(..2);
        times.sort_by(f64::total_cmp);
        self.costs.push(Cost { name, milliseconds: times[times.len() / 2], count, unit });
        Ok(())
    }
}

impl Subject<'_> {
    /// Times parts; `say` hears of each. Where there is a folder to export to, the weights,
    /// a batch and what follows from both are written there before anything is timed.
    pub fn bench(
        &self,
        timing: Timing<'_>,
        export: Option<&Path>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Bench, Failure> {
        let Self { experiment, blueprint, chosen, .. } = *self;
        let device = &chosen.device;
        let host = self.source.batch(0)?;
        let batch = host_batch(&host, &blueprint.statistics, 0, device);
        let plan = self.parts.model.plan(&blueprint.model)?;
        let model = WorldModel::new(&plan, blueprint.spaces.clone(), experiment.seed, device).freeze(&plan.frozen());
        // At the full learning rate, since a layer that starts at zero would hide the one before it.
        let after_warmup = (experiment.train.warmup * experiment.train.steps as f64) as u64;
        let mut learner = Learner::new(model, &experiment.train);
        for _ in 0..FIRST_UPDATES {
            learner.update(|| batch.clone(), after_warmup, &mut Clock::default());
        }
        let model = learner.model();
        let planner = experiment.planner.init(&self.parts.strategies)?;
        let plan = planner.settings();
        let rollout = Rollout { rows: planner.strategy().samples(0).max(64), steps: plan.horizon.min(32) };

        let made = model.loss(batch.clone(), Progress { step: 0, steps: experiment.train.steps });
        let mut loss = BTreeMap::from([("total".to_owned(), number(made.total))]);
        loss.extend(made.terms.into_iter().map(|(name, value)| (name.to_owned(), number(value))));
        let latents = model.encode(batch.pixels.clone(), model.felt(batch.labels.clone()));
        let first = cycled(latents, rollout.rows);
        let futures = {
            let actions = batch.actions.clone().flatten::<2>(0, 1);
            let numbers = actions.dims()[1];
            cycled(actions, rollout.rows * rollout.steps).reshape([rollout.rows, rollout.steps, numbers])
        };
        let rollout_mean = number(model.destination(first.clone(), futures.clone()).mean());
        if let Some(folder) = export {
            self.export(folder, &model, &batch, rollout, &loss)?;
        }

        let mut watch = Stopwatch { timing, device, say, costs: Vec::new() };
        self.world(&mut watch)?;
        let mut index = 0;
        watch.time("batch", (host.windows(), "windows"), || {
            index += 1;
            self.source.batch(index)?;
            Ok(())
        })?;
        let frames = (host.windows() * host.frames(), "frames");
        let (pixels, felt) = (batch.pixels.clone(), model.felt(batch.labels.clone()));
        watch.time("encoder", frames, || {
            model.encode(pixels.clone(), felt.clone());
            Ok(())
        })?;
        let (learning, upstream) = (model.clone().train(), model.encode(pixels.clone(), felt.clone()));
        watch.time("encoder_step", frames, || {
            (learning.encode(pixels.clone(), felt.clone()) * upstream.clone()).sum().backward();
            Ok(())
        })?;
        drop((learning, upstream));
        // As in a plan.
        let (together, least) = chunks(device, rollout.rows, plan.max_rows);
        let shares: Vec<_> = first.clone().split(together, 0).into_iter().zip(futures.split(together, 0)).collect();
        watch.time("rollout", (rollout.rows * rollout.steps, "imagined steps"), || {
            let imagine =
                |(first, futures): &(Tensor<3>, Tensor<3>)| drop(model.destination(first.clone(), futures.clone()));
            shares.par_iter().with_min_len(least).for_each(imagine);
            Ok(())
        })?;
        self.plan(&planner, &model, first.narrow(0, 0, 1), &mut watch)?;
        watch.time("training_step", frames, || {
            learner.update(|| batch.clone(), after_warmup, &mut Clock::default());
            Ok(())
        })?;
        Ok(Bench {
            version: blueprint.version.clone(),
            experiment: experiment.name.clone(),
            machine: Machine::here(&chosen.name),
            costs: watch.costs,
            loss,
            rollout_mean,
        })
    }

    /// The environment, on one core.
    fn world(&self, watch: &mut Stopwatch<'_>) -> Result<(), Failure> {
        const STEPS: usize = 1000;
        const PICTURES: usize = 100;
        let mut env = self.env.boxed_clone();
        env.reset(derive_seed(self.experiment.seed, &[0]));
        let mut random = rng(self.experiment.seed, &[1]);
        let space = env.spec().action.clone();
        let mut action = || {
            let bounds = space.low.iter().zip(&space.high);
            let mut action: Vec<f32> = bounds.map(|(&low, &high)| random.random_range(low..=high)).collect();
            space.clip(&mut action);
            action
        };
        let actions: Vec<Vec<f32>> = (0..STEPS).map(|_| action()).collect();
        watch.time("step", (STEPS, "control steps"), || {
            actions.iter().for_each(|action| env.step(action));
            Ok(())
        })?;
        let mut pixels = vec![0; env.spec().observation.len()];
        watch.time("picture", (PICTURES, "pictures"), || {
            (0..PICTURES).for_each(|_| env.observe(&mut pixels));
            Ok(())
        })
    }

    /// One task's plan over the distance of latents, whatever the experiment's objective.
    fn plan(
        &self,
        planner: &Planner,
        model: &WorldModel,
        start: Tensor<3>,
        watch: &mut Stopwatch<'_>,
    ) -> Result<(), Failure> {
        let Self { experiment, blueprint, chosen, .. } = *self;
        let space = &self.env.spec().action;
        let bounds = Bounds::new(space.low.clone(), space.high.clone(), space.max_norm)?;
        let bounds = bounds.frameskip(experiment.data.window.frameskip)?;
        let world = LearnedWorld { model, statistics: &blueprint.statistics, device: &chosen.device };
        let problem = Problem {
            world: &world,
            objective: &LatentDistance::default(),
            guardrails: &[],
            bounds: &bounds,
            goals: start.clone() * 0.5,
            start,
            steps_left: usize::MAX,
            seeds: &[experiment.seed],
            step: 0,
            warm: None,
        };
        let evaluations = planner.plan(&problem)?.evaluations[0] as usize;
        watch.time("plan", (evaluations, "imagined steps"), || {
            planner.plan(&problem)?;
            Ok(())
        })
    }

    /// Writes `model.safetensors` and `model.json`, as in a checkpoint; `batch.safetensors`, the batch as the model takes it; and
    /// `bench.json`, the loss of it and the sizes that are timed.
    fn export(
        &self,
        folder: &Path,
        model: &WorldModel,
        batch: &TrainBatch,
        rollout: Rollout,
        loss: &BTreeMap<String, f64>,
    ) -> Result<(), Failure> {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        gedanken_model::save(folder, model, self.blueprint)?;
        let at: Vec<f32> = batch.at.iter().map(|&step| step as f32).collect();
        let mut tensors = vec![
            ("pixels", batch.pixels.dims().to_vec(), host(batch.pixels.clone())),
            ("actions", batch.actions.dims().to_vec(), host(batch.actions.clone())),
            ("labels", batch.labels.dims().to_vec(), host(batch.labels.clone())),
            ("at", vec![at.len()], at),
        ];
        if let Some(sigreg) = model.term::<Sigreg>() {
            let (dim, count) = (model.latent_shape().dim, sigreg.projections);
            tensors.push((
                "directions",
                vec![dim, count],
                host(directions(dim, count, batch.seed, &batch.labels.device())),
            ));
        }
        let bytes = |(name, shape, values): (_, _, Vec<f32>)| {
            (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
        };
        let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors.into_iter().map(bytes).collect();
        let views =
            tensors.iter().map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        write_atomic(&folder.join("batch.safetensors"), &safetensors::serialize(views, None)?)?;
        let train = &self.experiment.train;
        let sizes = serde_json::json!({
            "layouts": batch.layouts, "episodes": batch.episodes, "time": batch.time, "extra": batch.extra,
            "learning_rate": train.lr, "weight_decay": train.weight_decay, "clip": train.clip,
            "loss": loss, "rollout": rollout,
        });
        write_atomic(&folder.join("bench.json"), serde_json::to_string_pretty(&sizes)?.as_bytes())?;
        Ok(())
    }
}

/// So many rows, the given ones over and over.
fn cycled<const D: usize>(rows: Tensor<D>, count: usize) -> Tensor<D> {
    let index: Vec<i32> = (0..count).map(|row| (row % rows.dims()[0]) as i32).collect();
    let device = rows.device();
    rows.select(0, Tensor::from_data(TensorData::new(index, [count]), &device))
}

fn number(x: Tensor<1>) -> f64 {
    f64::from(x.into_scalar::<f32>())
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

impl Bench {
    fn milliseconds(&self, name: &str) -> Option<f64> {
        self.costs.iter().find(|cost| cost.name == name).map(|cost| cost.milliseconds)
    }
}

impl fmt::Display for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { device, threads, .. } = &self.machine;
        writeln!(f, "{} on {device}, {threads} threads; medians", self.experiment)?;
        writeln!(f, "{:<14} {:>12} {:>10}", "", "milliseconds", "of")?;
        for Cost { name, milliseconds, count, unit } in &self.costs {
            let rate = *count as f64 / (milliseconds / 1e3).max(1e-12);
            writeln!(f, "{name:<14} {milliseconds:>12.3} {count:>10} {unit}, {rate:.0} a second")?;
        }
        let data = self.milliseconds("batch").zip(self.milliseconds("training_step"));
        if let Some((batch, step)) = data {
            writeln!(f, "a batch takes a worker {:.1} % of a training step", 100.0 * batch / step)?;
        }
        Ok(())
    }
}

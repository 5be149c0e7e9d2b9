//! The same numbers on a GPU's interface as on the CPU: on a software Vulkan device, which any machine can have
//! (Debian: `mesa-vulkan-drivers`). Without one the test says so and passes.

use std::path::Path;
use std::process::Command;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use gedanken::encoder::{Dinov2Config, ImpalaConfig, PatchConfig, VitConfig};
use gedanken::env::rng;
use gedanken::eval::LearnedDistance;
use gedanken::model::heads::{DistanceConfig, InverseDynamicsConfig, ProbeConfig};
use gedanken::model::{
    Blueprint, LossConfig, ModelConfig, Parts, PredictionConfig, Statistics, WorldModel, load, save,
};
use gedanken::nn::{Learn, Linear, Precision, Progress, Spaces, TrainBatch};
use gedanken::planner::{
    ActionLimit, Bounds, Cem, Guardrail, Icem, Objective, PlanConfig, Planner, Problem, Returned, Sampling, Strategy,
    World,
};
use gedanken::predictor::{self, ConvConfig, GruConfig, TransformerConfig};
use gedanken::regularizer::Sigreg;
use gedanken::train::{TrainConfig, optimizer};
use gedanken_parts::Table;
use rand::RngExt;

/// Set in the process that does the work, where nothing has touched a device before its settings were read.
const INSIDE: &str = "GEDANKEN_TEST_INSIDE";

const SPACES: Spaces = Spaces { pixels: [1, 16, 16], action: 2, labels: 2, proprioception: Vec::new() };
const TIME: usize = 4;
const PROGRESS: Progress = Progress { step: 0, steps: 4 };

/// Numbers in -1 to 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = rng(seed, &[]);
    (0..count).map(|_| rng.random_range(-1.0..=1.0)).collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product(), seed), shape), device)
}

fn batch(device: &Device) -> TrainBatch {
    let (layouts, episodes, extra) = (2, 2, 1);
    let (windows, frames) = (layouts * episodes, layouts * episodes * (TIME + extra));
    TrainBatch {
        latents: None,
        pixels: tensor([frames, 1, 16, 16], 1, device),
        actions: tensor([windows, TIME - 1, 2], 2, device),
        labels: tensor([frames, 2], 3, device),
        at: (0..windows).flat_map(|_| [0, 1, 2, 3, 9]).collect(),
        layouts,
        episodes,
        time: TIME,
        extra,
        seed: 7,
    }
}

/// A model's loss, its terms and its gradients, by name.
struct Measured {
    terms: Vec<(String, f32)>,
    gradients: Vec<(String, Vec<f32>)>,
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().expect("numbers")
}

fn measure(model: &WorldModel, device: &Device) -> Measured {
    struct Collect<'a> {
        path: Vec<String>,
        gradients: &'a GradientsParams,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.found.push((self.path.join("."), host(gradient)));
            }
        }
    }
    let model = model.clone().train();
    let loss = model.loss(batch(device), PROGRESS);
    let mut terms = vec![("total".to_owned(), host(loss.total.clone().inner())[0])];
    let plain = |term: Tensor<1>| if term.is_autodiff() { term.inner() } else { term };
    terms.extend(loss.terms.into_iter().map(|(name, term)| (name.to_owned(), host(plain(term))[0])));
    let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
    let mut collect = Collect { path: Vec::new(), gradients: &gradients, found: Vec::new() };
    model.visit(&mut collect);
    Measured { terms, gradients: collect.found }
}

fn greatest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The greatest difference, as a share of the greatest number.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|x| x.is_finite()), "{a:?} and {b:?}");
    let differences: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    greatest(&differences) / greatest(a)
}

/// Gradients below this are rounding: the last bias of the distance, which only sees differences, has no other.
const NOTHING: f32 = 5e-6;

/// A batch norm takes away what these add: their gradients are rounding too.
const BEFORE_A_BATCH_NORM: [&str; 4] =
    ["encoder.norm.beta", "encoder.projector.hidden.bias", "predictor.norm.beta", "predictor.projector.hidden.bias"];

/// A model on the CPU after a few updates, so that nothing is zero any more.
fn trained(config: &ModelConfig) -> WorldModel {
    let device = Device::flex();
    let plan = Parts::default().plan(config).expect("known parts");
    let mut model = WorldModel::new(&plan, SPACES, 5, &device).train();
    let mut steps = optimizer(&TrainConfig::default());
    for _ in 0..4 {
        let gradients = GradientsParams::from_grads(model.loss(batch(&device), PROGRESS).total.backward(), &model);
        model = steps.step(5e-3, model, gradients).after_update(PROGRESS);
    }
    model.valid()
}

struct Imagined<'a>(&'a WorldModel);

impl World for Imagined<'_> {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.0.unroll(latents, actions)
    }
}

/// An objective that knows nothing of every third row.
struct Holes<'a>(&'a dyn Objective);

impl Objective for Holes<'_> {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let energy = self.0.energy(futures, goals);
        let ([rows, steps], device) = (energy.dims(), energy.device());
        let hole: Vec<bool> = (0..rows * steps).map(|number| number / steps % 3 == 1).collect();
        energy.mask_fill(Tensor::from_data(TensorData::new(hole, [rows, steps]), &device), f32::NAN)
    }
}

/// The energies of some imagined futures, those of plans, also where an objective has holes, and those of plans that slide down
/// the gradient.
fn energies(model: &WorldModel, device: &Device) -> [Vec<f32>; 4] {
    let latents = model.encode(tensor([4, 1, 16, 16], 7, device), None);
    let (start, goals) = (latents.clone().narrow(0, 0, 2), latents.narrow(0, 2, 2));
    let objective = LearnedDistance(model.distance().expect("a distance"));
    let futures = model.unroll(start.clone(), tensor([2, 3, 2], 8, device));
    let imagined = host(objective.energy(futures, goals.clone()));

    let settings = PlanConfig { horizon: 3, replan_every: 1, ..PlanConfig::default() };
    let sampling = Sampling { iterations: 2, samples: 8, elites: Some(2), ..Sampling::default() };
    let bounds = Bounds::new(vec![-1.0; 2], vec![1.0; 2], None).expect("bounds");
    let world = Imagined(model);
    let limit: [Box<dyn Guardrail>; 1] = [Box::new(ActionLimit { norm: 0.8, dims: 2 })];
    let plan =
        |strategy: Box<dyn Strategy>, polish: usize, objective: &dyn Objective, limits: &[Box<dyn Guardrail>]| {
            let problem = Problem {
                world: &world,
                objective,
                guardrails: limits,
                bounds: &bounds,
                start: start.clone(),
                goals: goals.clone(),
                steps_left: 3,
                seeds: &[1, 2],
                step: 0,
                warm: None,
            };
            let planned = Planner::new(strategy, PlanConfig { polish, ..settings.clone() });
            planned.and_then(|planner| planner.plan(&problem)).expect("a plan").energy
        };
    let cem = || Box::new(Cem { sampling: sampling.clone(), ..Cem::default() });
    // Best: a mean may fall into a hole.
    let best = Sampling { returns: Returned::Best, ..sampling.clone() };
    [
        imagined,
        plan(cem(), 0, &objective, &[]),
        plan(Box::new(Icem { sampling: best, ..Icem::default() }), 0, &Holes(&objective), &limit),
        plan(cem(), 3, &objective, &[]),
    ]
}

fn agrees(name: &str, config: &ModelConfig, gpu: &Device) {
    let cpu = Device::flex();
    let folder = tempfile::tempdir().expect("a folder");
    let blueprint = Blueprint {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: config.clone(),
        spaces: SPACES,
        statistics: Statistics {
            pixel_mean: vec![0.0],
            pixel_std: vec![1.0],
            stretch: false,
            label_mean: vec![0.0; 2],
            label_std: vec![1.0; 2],
            action_mean: vec![0.0; 2],
            action_std: vec![1.0; 2],
        },
        learned_from: Vec::new(),
    };
    // Through a checkpoint, as a run on the one would go to the other.
    save(folder.path(), &trained(config), &blueprint).expect("a checkpoint");
    let [own, other] =
        [&cpu, gpu].map(|device| (load(folder.path(), &Parts::default(), device).expect("a model").0, device));

    let [a, b] = [&own, &other].map(|(model, device)| measure(model, device));
    for ((term, a), (_, b)) in a.terms.iter().zip(&b.terms) {
        let difference = difference(&[*a], &[*b]);
        assert!(difference < 1e-3, "{name}: {term} is {a} on the CPU and {b} on the GPU");
    }
    assert!(a.gradients.len() > 10 && a.gradients.len() == b.gradients.len());
    let (mut worst, mut silent) = (0.0f32, 0);
    for ((parameter, a), (_, b)) in a.gradients.iter().zip(&b.gradients) {
        if (greatest(a) < NOTHING && greatest(b) < NOTHING) || BEFORE_A_BATCH_NORM.contains(&parameter.as_str()) {
            silent += 1;
            continue;
        }
        let difference = difference(a, b);
        assert!(difference < 5e-3, "{name}: the gradient of {parameter} differs by {difference}");
        worst = worst.max(difference);
    }
    // A few rectifiers of so small a network may be dead.
    assert!(4 * silent < a.gradients.len(), "{name}: {silent} of {} parameters have no gradient", a.gradients.len());
    let [a, b] = [&own, &other].map(|(model, device)| energies(model, device));
    for (what, (a, b)) in ["imagined", "planned", "planned around holes", "polished"].iter().zip(a.iter().zip(&b)) {
        assert!(difference(a, b) < 1e-2, "{name}: {what} energies {a:?} on the CPU and {b:?} on the GPU");
    }
    println!("{name}: gradients differ by {worst:.1e} at most");
}

/// Pictures that the device unpacks and normalises itself: an odd number of bytes, two channels, with and without stretching.
fn pictures_agree(gpu: &Device) {
    let bytes: Vec<u8> = (0..3 * 2 * 15).map(|i: u32| (i * 89 % 256) as u8).collect();
    for stretch in [false, true] {
        let statistics = Statistics {
            pixel_mean: vec![0.1, 0.4],
            pixel_std: vec![0.05, 0.3],
            stretch,
            label_mean: Vec::new(),
            label_std: Vec::new(),
            action_mean: Vec::new(),
            action_std: Vec::new(),
        };
        let [own, other] = [&Device::flex(), gpu].map(|device| host(statistics.pixels(&bytes, [2, 3, 5], device)));
        assert!(difference(&own, &other) < 1e-6, "{own:?} on the CPU and {other:?} on the GPU");
    }
}

fn config(encoder: Table, predictor: Table, shared_norm: bool) -> ModelConfig {
    let distance = DistanceConfig { hidden: vec![8], dim: 8, steps: 2, ..DistanceConfig::default() };
    ModelConfig {
        encoder,
        predictor,
        prediction: PredictionConfig { unroll: TIME - 1, shared_norm, ..PredictionConfig::default() },
        loss: LossConfig::default()
            .with("inverse_dynamics", None, &InverseDynamicsConfig { hidden: Some(8) })
            .with("distance", None, &distance)
            .with("probe", None, &ProbeConfig { hidden: 8, ..ProbeConfig::default() }),
        ..ModelConfig::default()
    }
}

/// Runs the test of this name again, in a process of its own and with more in its environment; what it printed.
fn again(name: &str, environment: &[(&str, &Path)]) -> String {
    let mut again = Command::new(std::env::current_exe().expect("this test has a binary"));
    again.args(["--exact", name, "--nocapture"]).envs(environment.iter().copied());
    // Kernels are tuned on the device itself, which takes minutes on a slow one: only as much as must be.
    let output = again.env(INSIDE, "1").env("CUBECL_AUTOTUNE_LEVEL", "minimal").output().expect("it starts");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn the_first_run_on_a_gpu_is_announced_and_what_it_learns_is_kept_in_the_users_cache() {
    let name = "the_first_run_on_a_gpu_is_announced_and_what_it_learns_is_kept_in_the_users_cache";
    if std::env::var_os(INSIDE).is_some() {
        match gedanken::device::choose("wgpu:software") {
            Ok(chosen) => {
                let [a, b] = [1, 2].map(|seed| tensor::<2>([64, 64], seed, &chosen.device));
                assert!(host(a.matmul(b)).iter().all(|x| x.is_finite()));
                println!("note: {}", chosen.note.unwrap_or_default());
            }
            Err(why) => println!("not tested: {why}"),
        }
        return;
    }
    let cache = tempfile::tempdir().expect("a folder");
    let run = || again(name, &[("XDG_CACHE_HOME", cache.path()), ("HOME", cache.path())]);
    let first = run();
    if first.contains("not tested: ") {
        return println!("{first}");
    }
    let (_, note) = first.split_once("note: the first run on a GPU: ").expect(&first);
    let (path, _) = note.split_once("slow; ").and_then(|(_, rest)| rest.split_once(" remembers")).expect(&first);
    assert!(Path::new(path).starts_with(cache.path()), "{path}");
    assert!(Path::new(path).exists(), "nothing is kept in {path}");
    assert!(run().contains("note: \n"), "the second run says nothing");
}

#[test]
fn a_software_vulkan_device_agrees_with_the_cpu() {
    if std::env::var_os(INSIDE).is_none() {
        return println!("{}", again("a_software_vulkan_device_agrees_with_the_cpu", &[]));
    }
    let gpu = match gedanken::device::choose("wgpu:software") {
        Ok(chosen) => chosen.device,
        Err(why) => return println!("not tested: {why}"),
    };
    pictures_agree(&gpu);
    for (name, config) in &models() {
        agrees(name, config, &gpu);
    }
}

#[test]
fn half_precision_on_a_software_vulkan_device_is_near_single() {
    if std::env::var_os(INSIDE).is_none() {
        return println!("{}", again("half_precision_on_a_software_vulkan_device_is_near_single", &[]));
    }
    let gpu = match gedanken::device::choose("wgpu:software") {
        Ok(chosen) if Precision::F16.works_on(&chosen.device) => chosen.device,
        Ok(chosen) => return println!("not tested: {} has no half precision", chosen.name),
        Err(why) => return println!("not tested: {why}"),
    };
    assert!(!Precision::F16.works_on(&Device::flex()), "a CPU has single precision alone");
    long_sums_stay_finite(&gpu);
    for (name, config) in &models() {
        half_is_near(name, config, &gpu);
    }
}

/// 12,288 rows of sixes, whose gradients are one: 73,728 is more than half precision can say.
fn long_sums_stay_finite(gpu: &Device) {
    const ROWS: usize = 12_288;
    let device = gpu.clone().autodiff();
    let layer = Linear::new(4, 3, &device);
    Precision::F16.choose();
    let gradients = layer.forward(Tensor::<2>::full([ROWS, 4], 6.0, &device)).sum().backward();
    Precision::F32.choose();
    let gradient = layer.weight.val().grad(&gradients).expect("a gradient");
    let found = gradient.into_data().try_to_vec::<f32>().expect("numbers");
    assert!(found.iter().all(|x| (x / (6 * ROWS) as f32 - 1.0).abs() < 1e-2), "gradients of {found:?}");
}

/// Small models in which every part occurs.
fn models() -> [(&'static str, ModelConfig); 5] {
    let patch = PatchConfig { patch: 4, width: 8, groups: 2, dim: 4, ..PatchConfig::default() };
    let conv = ConvConfig { width: 8, groups: 2, depth: 1 };
    let maps = config(Table::of("patch", &patch), Table::of("conv", &conv), false);
    let impala = ImpalaConfig { channels: vec![4], dim: 8 };
    let vectors = config(Table::of("impala", &impala), Table::of("gru", &GruConfig::default()), true);
    let vit = VitConfig { patch: 8, dim: 8, depth: 1, heads: 2, mlp: 8, projector: 8 };
    let transformer = TransformerConfig {
        depth: 1,
        heads: 2,
        head_dim: 4,
        mlp: 8,
        action_hidden: 8,
        projector: 8,
        ..TransformerConfig::default()
    };
    let mut lewm = config(Table::of("vit", &vit), Table::of("transformer", &transformer), false);
    lewm.prediction.teacher = true;
    lewm.loss = lewm.loss.with("sigreg", Some(1.0), &Sigreg { projections: 16 });
    let dinov2 = Dinov2Config { patch: 8, dim: 8, depth: 1, heads: 2, mlp: 8, ..Dinov2Config::default() };
    let tokens = predictor::VitConfig {
        depth: 1,
        heads: 2,
        head_dim: 4,
        mlp: 8,
        action_dim: 4,
        ..predictor::VitConfig::default()
    };
    let mut dino_wm = config(Table::of("dinov2", &dinov2), Table::of("vit", &tokens), false);
    dino_wm.prediction.teacher = true;
    let mut doubting = maps.clone();
    doubting.latent_variable = Table::of("gaussian", &predictor::GaussianConfig { size: 3, hidden: 8 });
    let none = serde_json::json!({});
    doubting.loss = doubting.loss.with("information", None, &none).with("energy_score", None, &none);
    [
        ("patch and conv", maps),
        ("impala and gru", vectors),
        ("vit and transformer", lewm),
        ("dinov2 and vit", dino_wm),
        ("a latent variable", doubting),
    ]
}

/// With half-precision products the loss is near the CPU's, and no gradient turns or vanishes.
fn half_is_near(name: &str, config: &ModelConfig, gpu: &Device) {
    let model = trained(config);
    let single = measure(&model, &Device::flex());
    Precision::F16.choose();
    let half = measure(&model.fork(gpu), gpu);
    Precision::F32.choose();
    for ((term, single), (_, half)) in single.terms.iter().zip(&half.terms) {
        let difference = difference(&[*single], &[*half]);
        assert!(difference < 1e-2, "{name}: {term} is {single} in single and {half} in half precision");
    }
    let mut rounded = 0;
    for ((parameter, single), (_, half)) in single.gradients.iter().zip(&half.gradients) {
        if greatest(single) < NOTHING || BEFORE_A_BATCH_NORM.contains(&parameter.as_str()) {
            continue;
        }
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let length = |a: &[f32]| product(a, a).sqrt();
        let cosine = product(single, half) / (length(single) * length(half));
        assert!(cosine > 0.98, "{name}: the gradient of {parameter} turns in half precision, to a cosine of {cosine}");
        let longer = length(half) / length(single);
        assert!((longer - 1.0).abs() < 0.1, "{name}: the gradient of {parameter} is {longer} times as long");
        rounded += usize::from((cosine - 1.0).abs() > 1e-9);
    }
    assert!(
        rounded > single.gradients.len() / 2,
        "{name}: only {rounded} gradients differ: half precision does nothing"
    );
}

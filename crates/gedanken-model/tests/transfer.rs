//! Weights of another model, frozen parts, and another loss on the same weights.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use gedanken_encoder::{PatchConfig, VitConfig};
use gedanken_model::heads::{DistanceConfig, EnsembleConfig, InverseDynamicsConfig, ProbeConfig};
use gedanken_model::targets::{Target, TargetConfig, target, targets};
use gedanken_model::*;
use gedanken_nn::{Learn, Named, Part, Progress, Ramp, Schedule, Shape, Slow, Spaces, TrainBatch, named_parameters};
use gedanken_parts::Table;
use gedanken_predictor::{ConvConfig, ResidualMlpConfig};
use gedanken_regularizer::{Sigreg, Variance};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SPACES: Spaces = Spaces { pixels: [2, 8, 8], action: 2, labels: 3, proprioception: Vec::new() };

fn wave<const D: usize>(shape: [usize; D], frequency: f32) -> Tensor<D> {
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i as f32 * frequency).sin()).collect();
    Tensor::<1>::from_data(numbers.as_slice(), &Device::flex()).reshape(shape)
}

fn batch() -> TrainBatch {
    TrainBatch {
        latents: None,
        pixels: wave([20, 2, 8, 8], 0.37),
        actions: wave([4, 4, 2], 0.7),
        labels: wave([20, 3], 1.3),
        at: (0..4).flat_map(|_| 0..5).collect(),
        layouts: 2,
        episodes: 2,
        time: 5,
        extra: 0,
        seed: 7,
    }
}

fn config(width: usize, loss: impl Fn(LossConfig) -> LossConfig) -> ModelConfig {
    let patch = PatchConfig { patch: 4, width: 4, groups: 2, depth: 1, dim: 3, ..PatchConfig::default() };
    let small = LossConfig::default()
        .with("inverse_dynamics", None, &InverseDynamicsConfig { hidden: Some(4) })
        .with("probe", None, &ProbeConfig { channels: vec![2], hidden: 4, teaches: false })
        .with("distance", None, &DistanceConfig { hidden: vec![5], dim: 3, steps: 2, ..DistanceConfig::default() });
    ModelConfig {
        encoder: Table::of("patch", &patch),
        predictor: Table::of("conv", &ConvConfig { width, groups: 2, depth: 1 }),
        prediction: PredictionConfig { unroll: 4, ..PredictionConfig::default() },
        loss: loss(small),
        ..ModelConfig::default()
    }
}

fn plan(config: &ModelConfig) -> Plan {
    Parts::default().plan(config).expect("known parts")
}

fn model(config: &ModelConfig, seed: u64) -> WorldModel {
    WorldModel::new(&plan(config), SPACES, seed, &Device::flex())
}

fn of(model: &WorldModel, part: &str) -> Vec<Named> {
    named_parameters(model).into_iter().filter(|named| part_of(&named.name) == part).collect()
}

fn terms(model: &WorldModel, progress: Progress) -> Vec<(&'static str, f32)> {
    let loss = model.loss(batch(), progress);
    loss.terms.into_iter().map(|(name, value)| (name, value.into_scalar::<f32>())).collect()
}

const PROGRESS: Progress = Progress { step: 0, steps: 10 };

#[test]
fn a_model_takes_what_has_its_name_and_its_shape() {
    let (mine, other) = (config(4, |loss| loss), config(8, |loss| loss));
    let (fresh, other) = (model(&mine, 1), model(&other, 2));
    let (taken, transfer) = fresh.clone().take(&other, None);
    for part in ["encoder", "inverse_dynamics", "probe", "distance"] {
        assert_eq!(of(&taken, part), of(&other, part), "{part}");
        assert_ne!(of(&taken, part), of(&fresh, part), "{part}");
    }
    assert!(!transfer.unfitting.is_empty(), "a predictor of another width");
    for (name, here, there) in &transfer.unfitting {
        assert!(part_of(name) == "predictor" && here != there, "{name}: {here:?} and {there:?}");
    }
    assert_eq!(transfer.left, Vec::<String>::new());
    assert_eq!(transfer.taken.len() + transfer.unfitting.len(), named_parameters(&fresh).len());
}

#[test]
fn of_some_parts_alone_the_rest_stays_and_is_told() {
    let (fresh, other) = (model(&config(4, |loss| loss), 1), model(&config(4, |loss| loss), 2));
    let (taken, transfer) = fresh.clone().take(&other, Some(&["encoder".to_owned(), "probe".to_owned()]));
    assert!(transfer.taken.iter().all(|name| ["encoder", "probe"].contains(&part_of(name))));
    assert!(transfer.left.iter().all(|name| !["encoder", "probe"].contains(&part_of(name))));
    assert_eq!(transfer.taken.len() + transfer.left.len(), named_parameters(&other).len());
    for part in ["encoder", "probe"] {
        assert_eq!(of(&taken, part), of(&other, part), "{part}");
    }
    for part in ["predictor", "inverse_dynamics", "distance"] {
        assert_eq!(of(&taken, part), of(&fresh, part), "{part}");
    }
}

/// A target of its own: a copy of the encoder.
#[derive(Module, Debug)]
struct Copied {
    slow: Slow<Perception>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
struct CopiedConfig {}

impl TargetConfig for CopiedConfig {
    fn init(&self, perception: &dyn Fn() -> Perception) -> Part<dyn Target> {
        (Box::new(Copied { slow: Slow::like(perception()) }) as Box<dyn Target>).into()
    }
}

impl Target for Copied {
    fn latents(&self, online: Tensor<4>, seen: Seen, _: &TrainBatch) -> Tensor<4> {
        self.slow.get().encode(seen).reshape(online.dims())
    }

    fn begin(&mut self, perception: &Perception) {
        self.slow.follow(perception, 1.0);
    }
}

#[test]
fn a_target_that_the_other_model_has_not_starts_from_the_encoder_that_it_has() {
    let parts = Parts { targets: targets().with(target::<CopiedConfig>("copied")), ..Parts::default() };
    let plain = config(4, |loss| loss);
    let copied = ModelConfig { target: Table::of("copied", &CopiedConfig {}), ..plain.clone() };
    let fresh = WorldModel::new(&parts.plan(&copied).expect("known parts"), SPACES, 1, &Device::flex());
    let values = |model: &WorldModel, part: &str| -> Vec<Vec<f32>> {
        of(model, part).into_iter().map(|named| named.values).collect()
    };
    assert_eq!(values(&fresh, "target"), values(&fresh, "encoder"));
    let (taken, _) = fresh.clone().take(&model(&plain, 2), None);
    assert_ne!(values(&taken, "encoder"), values(&fresh, "encoder"));
    assert_eq!(values(&taken, "target"), values(&taken, "encoder"));
    // One that has gone its own way is taken as it is.
    let (again, transfer) = fresh.take(&taken, Some(&["target".to_owned()]));
    assert_eq!(values(&again, "target"), values(&taken, "target"));
    assert!(transfer.taken.iter().all(|name| part_of(name) == "target"));
}

#[test]
fn a_frozen_part_takes_no_gradient_and_the_others_do() {
    let free = model(&config(4, |loss| loss), 1).train();
    let frozen = model(&config(4, |loss| loss), 1).freeze(&["encoder".to_owned(), "probe".to_owned()]).train();
    let count =
        |model: &WorldModel| GradientsParams::from_grads(model.loss(batch(), PROGRESS).total.backward(), model).len();
    let parts = of(&free, "encoder").len() + of(&free, "probe").len();
    assert!(parts > 6);
    assert_eq!(count(&frozen), count(&free) - parts);
}

#[test]
fn a_frozen_batch_norm_keeps_its_running_statistics() {
    let vit = VitConfig { patch: 4, dim: 6, depth: 1, heads: 2, mlp: 5, projector: 5 };
    let mlp = Table::of("mlp", &ResidualMlpConfig { hidden: 5, action_dim: 3 });
    let config = ModelConfig { encoder: Table::of("vit", &vit), predictor: mlp, ..config(4, |loss| loss) };
    let statistics =
        |model: &WorldModel| of(&model.valid(), "encoder").into_iter().filter(Named::is_statistic).collect::<Vec<_>>();
    for (frozen, start) in [(false, model(&config, 1)), (true, model(&config, 1).freeze(&["encoder".to_owned()]))] {
        let before = statistics(&start);
        assert_eq!(before.len(), 2, "a running mean and a running variance");
        let trained = start.train();
        drop(trained.loss(batch(), PROGRESS));
        assert_eq!(statistics(&trained) == before, frozen);
    }
}

#[test]
fn terms_without_weights_come_and_go_and_heads_stay() {
    let device = Device::flex();
    let start = model(&config(4, |loss| loss), 1);
    let weights = named_parameters(&start);
    let change = |loss: LossConfig| {
        loss.with("sigreg", Some(0.2), &Sigreg { projections: 8 }).with("variance", Some(0.0), &Variance::default())
    };
    let changed = start.clone().with_loss(&plan(&config(4, change)), &device).expect("the heads are the same");
    assert_eq!(named_parameters(&changed), weights);
    let names: Vec<&str> = terms(&changed, PROGRESS).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"sigreg") && !names.contains(&"variance"), "{names:?}");
    let value = |model: &WorldModel, term: &str| {
        terms(model, PROGRESS).into_iter().find(|(name, _)| *name == term).expect("the term").1
    };
    for term in ["prediction", "inverse_dynamics", "distance", "probe"] {
        assert_eq!(value(&changed, term), value(&start, term), "{term}");
    }

    let more = config(4, |loss| loss.with("ensemble", None, &EnsembleConfig { members: 2 }));
    assert_eq!(start.clone().with_loss(&plan(&more), &device).err(), Some("ensemble"));
    let fewer = config(4, |loss| loss.with("probe", Some(0.0), &ProbeConfig::default()));
    assert_eq!(start.with_loss(&plan(&fewer), &device).err(), Some("probe"));
}

#[test]
fn a_weight_follows_its_schedule() {
    let ramp = Schedule::Ramp(Ramp { from: 2.0, to: 0.0, steps: Some(4), shape: Shape::Linear });
    let scheduled = config(4, |mut loss| {
        loss.0.get_mut("variance").expect("a term").weight = Some(ramp.clone());
        loss
    });
    let model = model(&scheduled, 1);
    let total = |step| model.loss(batch(), Progress { step, steps: 10 }).total.into_scalar::<f32>();
    let (_, variance) = terms(&model, PROGRESS).into_iter().find(|(name, _)| *name == "variance").expect("the term");
    assert!(variance > 0.0);
    for (step, weight) in [(0, 2.0), (1, 1.5), (2, 1.0), (3, 0.5), (4, 0.0), (9, 0.0)] {
        let (found, expected) = (total(step) - total(9), weight * variance);
        assert!((found - expected).abs() < 1e-4 * total(0), "step {step}: {found}, not {expected}");
    }
    assert!(terms(&model, Progress { step: 4, steps: 10 }).iter().all(|(name, _)| *name != "variance"));
}

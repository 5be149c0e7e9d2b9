//! A world that throws a coin: what the past does not tell is the latent variable's to tell.

mod common;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use common::kept;
use gedanken_model::{LossConfig, ModelConfig, Parts, WorldModel};
use gedanken_nn::{Learn, Progress, Spaces, TrainBatch};
use gedanken_parts::Table;
use serde_json::json;

const NOW: Progress = Progress { step: 0, steps: 1 };

/// Any number from 0 to 1.
fn unit(i: u64) -> f32 {
    ((i as f64 * 12.9898 + 0.5).sin() * 43758.5453).fract().abs() as f32
}

/// Windows of points on a plane: the action moves them in x, and a coin in y, by 1 up or down; in the right half it always falls up.
fn batch(windows: usize, time: usize, seed: u64) -> TrainBatch {
    let (mut latents, mut actions) = (Vec::new(), Vec::new());
    for window in 0..windows as u64 {
        let number = |i: u64| unit(100_003 * seed + 101 * window + i);
        let mut at = [2.0 * number(0) - 1.0, 2.0 * number(1) - 1.0];
        latents.extend(at);
        for step in 1..time as u64 {
            let action = 0.4 * number(2 * step) - 0.2;
            let up = at[0] > 0.0 || number(2 * step + 1) > 0.5;
            at = [at[0] + action, at[1] + if up { 1.0 } else { -1.0 }];
            actions.extend([action, 0.0]);
            latents.extend(at);
        }
    }
    kept(latents, [1, 2], &actions, [windows, time], seed)
}

/// A model of that world, after so many updates.
fn trained(kind: &str, loss: &[&str], updates: u64) -> WorldModel {
    let table = |kind: &str, keys: serde_json::Value| Table {
        kind: kind.to_owned(),
        keys: keys.as_object().cloned().unwrap_or_default(),
    };
    let mut config = ModelConfig {
        encoder: table("patch", json!({ "latent": "vector", "dim": 2 })),
        predictor: table("mlp", json!({ "hidden": 64 })),
        latent_variable: table(kind, if kind == "branches" { json!({ "hidden": 32 }) } else { json!({}) }),
        loss: LossConfig::none(),
        ..ModelConfig::default()
    };
    config.prediction.unroll = 2;
    for term in loss {
        config.loss = config.loss.with(term, None, &json!({}));
    }
    let plan = Parts::default().plan(&config).unwrap();
    let spaces = Spaces { pixels: [1, 20, 20], action: 2, labels: 0, proprioception: vec![] };
    assert_eq!(plan.problem(&spaces, Some(3)), None);
    let mut model = WorldModel::new(&plan, spaces, 1, &Device::flex()).train();
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    for update in 0..updates {
        let gradients = GradientsParams::from_grads(model.loss(batch(64, 3, update), NOW).total.backward(), &model);
        model = optimizer.step(3e-3, model, gradients);
    }
    model.valid()
}

/// Places in y after one step from the origin of the left half and of the right half, in 64 futures each.
fn futures(model: &WorldModel) -> [Vec<f32>; 2] {
    [-0.5_f32, 0.5].map(|x| {
        let first = Tensor::<3>::from_data([[[x, 0.0]]], &Device::flex()).repeat_dim(0, 64);
        let chance: Vec<f32> = (0..64 * model.chance()).map(|i| 2.0 * (unit(i as u64) - 0.5) * 1.7).collect();
        let chance = Tensor::from_data(TensorData::new(chance, [64, 1, model.chance()]), &Device::flex());
        let next = model.unroll_by(first, Tensor::zeros([64, 1, 2], &Device::flex()), chance);
        next.narrow(3, 1, 1).into_data().try_to_vec().unwrap()
    })
}

#[test]
fn without_one_a_coin_is_imagined_to_stand_on_its_edge() {
    let model = trained("none", &["prediction"], 400);
    let [left, right] = futures(&model);
    assert!(left[0].abs() < 0.3, "{}", left[0]);
    assert!((right[0] - 1.0).abs() < 0.3, "{}", right[0]);
}

#[test]
fn branches_and_a_gaussian_imagine_both_sides_of_it_and_one_where_it_cannot_fall_otherwise() {
    for (kind, loss) in [
        ("branches", &["prediction", "information"][..]),
        ("branches", &["energy_score"]),
        ("gaussian", &["prediction", "information"]),
    ] {
        let [left, right] = futures(&trained(kind, loss, 800));
        let near = |y: f32, side: f32| (y - side).abs() < 0.35;
        let share = |all: &[f32], side: f32| all.iter().filter(|y| near(**y, side)).count() as f32 / all.len() as f32;
        let odds = [share(&left, 1.0), share(&left, -1.0), share(&right, 1.0)];
        // A mean of both would be near neither.
        assert!(odds[0] > 0.2 && odds[1] > 0.2 && odds[0] + odds[1] > 0.9, "{kind} {loss:?}: {odds:?} {left:?}");
        assert!(odds[2] > 0.9, "{kind} {loss:?}: {odds:?} {right:?}");
    }
}

#[test]
fn what_does_not_go_with_it_is_refused() {
    let problem = |kind: &str, terms: &[&str], predictor: &str, teacher: bool| {
        let mut config = ModelConfig { loss: LossConfig::none(), ..ModelConfig::default() };
        config.latent_variable.kind = kind.to_owned();
        config.predictor = Table { kind: predictor.to_owned(), ..Table::default() };
        config.prediction.teacher = teacher;
        config.encoder.keys.insert("latent".to_owned(), json!(if predictor == "conv" { "map" } else { "vector" }));
        for term in terms {
            config.loss = config.loss.with(term, None, &json!({}));
        }
        let spaces = Spaces { pixels: [2, 20, 20], action: 2, labels: 0, proprioception: vec![] };
        Parts::default().plan(&config).unwrap().problem(&spaces, Some(10)).map(|(key, _)| key)
    };
    assert_eq!(problem("branches", &["prediction", "information"], "conv", false), None);
    assert_eq!(problem("branches", &["prediction"], "conv", false).as_deref(), Some("latent_variable"));
    assert_eq!(problem("none", &["energy_score"], "conv", false).as_deref(), Some("loss.energy_score"));
    let with_history = problem("gaussian", &["prediction", "information"], "transformer", true);
    assert_eq!(with_history.as_deref(), Some("prediction.teacher"));
}

#[test]
fn every_predictor_can_have_one() {
    let device = Device::flex();
    for predictor in Parts::default().predictors.names() {
        for kind in ["branches", "gaussian"] {
            let mut config = ModelConfig { loss: LossConfig::none(), ..ModelConfig::default() };
            for term in ["prediction", "information"] {
                config.loss = config.loss.with(term, None, &json!({}));
            }
            config.latent_variable = Table { kind: kind.to_owned(), ..Table::default() };
            config.predictor = Table { kind: predictor.to_owned(), ..Table::default() };
            config.prediction.unroll = 3;
            let spaces = Spaces { pixels: [1, 20, 20], action: 2, labels: 0, proprioception: vec![] };
            let problem = |config: &ModelConfig| Parts::default().plan(config).unwrap().problem(&spaces, Some(4));
            if problem(&config).is_some() {
                config.encoder.keys.insert("latent".to_owned(), json!("vector"));
            }
            assert_eq!(problem(&config), None, "{predictor}");
            let plan = Parts::default().plan(&config).unwrap();
            let mut model = WorldModel::new(&plan, spaces.clone(), 1, &device).train();
            let shape = model.latent_shape();
            let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
            // Some predictors begin by imagining that nothing changes.
            for update in 0..4 {
                let latents = (0..3 * 4 * shape.numbers() as u64).map(|i| 2.0 * unit(i + 31 * update) - 1.0).collect();
                let batch = kept(latents, [shape.tokens(), shape.dim], &[0.5; 3 * 3 * 2], [3, 4], update);
                let gradients = GradientsParams::from_grads(model.loss(batch, NOW).total.backward(), &model);
                model = optimizer.step(1e-2, model, gradients);
            }
            let model = model.valid();
            let first = Tensor::<3>::ones([2, shape.tokens(), shape.dim], &device);
            let future = |chance: f32| {
                let chance = Tensor::full([2, 5, model.chance()], chance, &device);
                model.unroll_by(first.clone(), Tensor::zeros([2, 5, 2], &device), chance)
            };
            assert_eq!(future(0.0).dims(), [2, 5, shape.tokens(), shape.dim]);
            let apart = (future(-3.0) - future(3.0)).abs().max().into_scalar::<f32>();
            assert!(apart.is_finite() && apart > 0.0, "{predictor}, {kind}: {apart}");
        }
    }
}

//! The slow target encoder: it starts as the encoder, follows by its momentum, and takes no gradient.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use gedanken_model::{ModelConfig, Parts, PredictionConfig, WorldModel};
use gedanken_nn::{Learn, Named, Progress, Spaces, TrainBatch, named_parameters};
use gedanken_parts::Table;
use serde_json::json;

const STEPS: u64 = 4;

fn config(target: serde_json::Value) -> ModelConfig {
    let table = |value: serde_json::Value| serde_json::from_value::<Table>(value).unwrap();
    ModelConfig {
        // Batch norms in it: their running statistics follow too.
        encoder: table(
            json!({ "kind": "vit", "patch": 3, "dim": 6, "depth": 1, "heads": 2, "mlp": 5, "projector": 5 }),
        ),
        predictor: table(json!({ "kind": "mlp", "hidden": 8, "action_dim": 4 })),
        prediction: PredictionConfig { unroll: 3, ..PredictionConfig::default() },
        target: table(target),
        loss: serde_json::from_value(json!({ "prediction": {}, "variance": {} })).unwrap(),
        ..ModelConfig::default()
    }
}

fn batch() -> TrainBatch {
    fn wave<const D: usize>(shape: [usize; D], frequency: f32) -> Tensor<D> {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i as f32 * frequency).sin()).collect();
        Tensor::<1>::from_data(numbers.as_slice(), &Device::flex()).reshape(shape)
    }
    TrainBatch {
        latents: None,
        pixels: wave([16, 1, 6, 6], 0.37),
        actions: wave([4, 3, 2], 0.7),
        labels: wave([16, 1], 1.3),
        at: [0, 1, 2, 3].repeat(4),
        layouts: 2,
        episodes: 2,
        time: 4,
        extra: 0,
        seed: 7,
    }
}

fn new(target: serde_json::Value) -> WorldModel {
    let plan = Parts::default().plan(&config(target)).unwrap();
    let spaces = Spaces { pixels: [1, 6, 6], action: 2, labels: 1, proprioception: Vec::new() };
    WorldModel::new(&plan, spaces, 3, &Device::flex()).train()
}

/// Parameters of the target, under the names that the encoder's have.
fn split(model: &WorldModel) -> (Vec<Named>, Vec<Named>) {
    let all = named_parameters(&model.valid());
    let online = all.iter().filter(|p| p.name.starts_with("encoder.")).cloned().collect();
    let slow = all.into_iter().filter_map(|p| {
        let name = p.name.strip_prefix("target.slow.copy.")?.to_owned();
        Some(Named { name, ..p })
    });
    (online, slow.collect())
}

#[test]
fn it_starts_as_the_encoder_and_follows_by_the_momentum_of_each_update() {
    let mut model = new(json!({ "kind": "ema", "momentum": { "from": 0.5, "to": 0.9 } }));
    let mut optimizer: ModuleOptimizer = AdamWConfig::new().with_epsilon(1e-8).init();
    let (online, mut expected) = split(&model);
    assert_eq!(online, expected);
    assert!(online.iter().any(|p| p.is_statistic()));
    for step in 0..STEPS {
        let loss = model.loss(batch(), Progress { step, steps: STEPS });
        let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
        model = optimizer.step(1e-2, model, gradients).after_update(Progress { step: step + 1, steps: STEPS });
        let momentum = 0.5 + 0.4 * (step + 1) as f32 / STEPS as f32;
        let (online, slow) = split(&model);
        for ((slow, expected), online) in slow.iter().zip(&mut expected).zip(&online) {
            // burn shows a running statistic one update late on the autodiff device.
            if slow.is_statistic() {
                continue;
            }
            for (expected, online) in expected.values.iter_mut().zip(&online.values) {
                *expected = momentum * *expected + (1.0 - momentum) * online;
            }
            for (found, expected) in slow.values.iter().zip(&expected.values) {
                assert!((found - expected).abs() < 1e-5, "{}: {found}, not {expected}", slow.name);
            }
        }
        assert_ne!(online, slow);
    }
}

#[test]
fn targets_take_no_gradient_and_the_model_is_otherwise_the_same() {
    let (ema, online) = (new(json!({ "kind": "ema" })), new(json!({ "kind": "online" })));
    let progress = Progress { step: 0, steps: STEPS };
    let [with, without] = [&ema, &online].map(|model| model.loss(batch(), progress).total.into_scalar::<f32>());
    assert_eq!(with, without, "before the first update both encoders are the same");
    let gradients = |model: &WorldModel| {
        let loss = model.loss(batch(), progress);
        GradientsParams::from_grads(loss.total.backward(), model).len()
    };
    assert_eq!(gradients(&ema), gradients(&online), "the target's own parameters have none");
}

//! The actor: does what led to where it should go.

mod common;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use common::kept;
use gedanken_model::heads::ActorConfig;
use gedanken_model::{Actor, LossConfig, ModelConfig, Parts, WorldModel};
use gedanken_nn::{LatentShape, Progress, Spaces, TrainBatch, named_parameters, seeded};
use gedanken_regularizer::{Term, View, sequences};

/// Windows of points on a line of two numbers that move by their actions, which differ from window to window.
fn batch(windows: usize, time: usize, seed: u64) -> TrainBatch {
    // Any numbers from -1 to 1.
    let wave = |i: usize| (((i + 977 * seed as usize) as f64 * 12.9898).sin() * 43758.5453).fract() as f32;
    let actions: Vec<f32> = (0..windows * (time - 1) * 2).map(|i| wave(i / (2 * (time - 1)) * 2 + i % 2)).collect();
    let mut latents = Vec::new();
    for (window, actions) in actions.chunks(2 * (time - 1)).enumerate() {
        let mut at = [wave(7 * window), wave(5 * window + 3)];
        latents.extend(at);
        for action in actions.chunks(2) {
            at = [at[0] + action[0], at[1] + action[1]];
            latents.extend(at);
        }
    }
    kept(latents, [1, 2], &actions, [windows, time], seed)
}

#[test]
fn it_learns_the_action_that_led_to_a_goal_some_steps_ahead() {
    let device = Device::flex();
    let config = ActorConfig { hidden: 64, layers: 2 };
    let mut actor = seeded(3, |cpu| Actor::new(LatentShape::vector(2), 2, &config, cpu)).train();
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    let progress = Progress { step: 0, steps: 1 };
    for step in 0..1500 {
        let batch = batch(64, 4, step);
        let latents = batch.latents.clone().unwrap_or_else(|| Tensor::zeros([0, 1, 2], &device));
        let windows = sequences(&batch, latents.clone());
        let view = View::new(batch, latents, windows.clone(), progress, || windows.clone(), || windows.clone());
        let gradients = GradientsParams::from_grads(actor.loss(&view).loss.backward(), &actor);
        actor = optimizer.step(3e-3, actor, gradients);
    }
    // A point that should be at (0.9, -0.6) in three steps goes a third of the way.
    let point = |x: [f32; 2]| Tensor::<3>::from_data([[x]], &device);
    let action = actor.valid().act(point([0.3, 0.3]), point([0.9, -0.6]), 3);
    let action: Vec<f32> = action.into_data().try_to_vec().unwrap();
    assert!((action[0] - 0.2).abs() < 0.15 && (action[1] + 0.3).abs() < 0.15, "{action:?}");
}

#[test]
fn its_proposals_follow_each_other_through_imagination_whatever_the_history() {
    let device = Device::flex();
    for predictor in ["mlp", "transformer"] {
        let mut config = ModelConfig {
            loss: LossConfig::none().with("prediction", None, &serde_json::json!({})).with(
                "actor",
                None,
                &ActorConfig { hidden: 16, layers: 1 },
            ),
            ..ModelConfig::default()
        };
        config.encoder =
            serde_json::from_value(serde_json::json!({ "kind": "patch", "latent": "vector", "dim": 8 })).unwrap();
        config.predictor = serde_json::from_value(serde_json::json!({ "kind": predictor })).unwrap();
        let spaces = Spaces { pixels: [1, 20, 20], action: 2, labels: 0, proprioception: vec![] };
        let plan = Parts::default().plan(&config).unwrap();
        let model = WorldModel::new(&plan, spaces, 1, &device);
        assert!(named_parameters(&model).iter().any(|named| named.name.starts_with("terms.actor")));
        let [now, goal] = [3.0, 5.0].map(|seed: f32| {
            Tensor::<1>::from_data([0.1f32, 0.7, 1.3, 1.9, 2.5, 3.1, 3.7, 4.3], &device)
                .mul_scalar(seed)
                .sin()
                .reshape([1, 1, 8])
        });
        let proposed = model.propose(now.clone(), goal.clone(), 4).unwrap();
        assert_eq!(proposed.dims(), [1, 4, 2]);
        let future = model.unroll(now.clone(), proposed.clone());
        for step in 0..4 {
            let here = if step == 0 { now.clone() } else { future.clone().narrow(1, step - 1, 1).squeeze_dim(1) };
            let alone = model.actor().unwrap().act(here, goal.clone(), 4 - step);
            let both = proposed.clone().narrow(1, step, 1).squeeze_dim::<2>(1) - alone;
            assert!(both.abs().max().into_scalar::<f32>() < 1e-6, "{predictor}, step {step}");
        }
    }
}

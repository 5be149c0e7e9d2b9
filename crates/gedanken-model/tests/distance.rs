//! The goal distance on small worlds whose distances are known.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use gedanken_encoder::{PatchConfig, PatchLatent};
use gedanken_model::heads::{DistanceConfig, LayoutFrames};
use gedanken_model::*;
use gedanken_nn::{Progress, Spaces};
use gedanken_parts::Table;
use gedanken_predictor::ResidualMlpConfig;
use gedanken_regularizer::Term;

/// The head of a small model, for latents of `numbers` numbers.
fn head(numbers: usize) -> GoalDistance {
    let patch = PatchConfig { patch: 1, width: 4, groups: 1, depth: 1, dim: numbers, latent: PatchLatent::Vector };
    let distance = DistanceConfig {
        hidden: vec![32],
        dim: 8,
        scale: 4.0,
        steps: 2,
        target_rate: 0.05,
        ..DistanceConfig::default()
    };
    let config = ModelConfig {
        encoder: Table::of("patch", &patch),
        predictor: Table::of("mlp", &ResidualMlpConfig::default()),
        loss: LossConfig::default().with("distance", None, &distance),
        ..ModelConfig::default()
    };
    let spaces = Spaces { pixels: [1, 1, 1], action: 1, labels: 1, proprioception: Vec::new() };
    let plan = Parts::default().plan(&config).expect("known parts");
    let model = WorldModel::new(&plan, spaces, 0, &Device::flex());
    model.distance().expect("the loss has one").clone().train()
}

/// One-hot latents `[frames, 1, cells]` of places on a line.
fn one_hot(places: &[usize], cells: usize) -> Tensor<3> {
    let numbers: Vec<f32> =
        places.iter().flat_map(|&at| (0..cells).map(move |i| f32::from(u8::from(i == at)))).collect();
    Tensor::<1>::from_data(numbers.as_slice(), &Device::flex()).reshape([places.len(), 1, cells])
}

fn train(mut head: GoalDistance, updates: u64, mut frames: impl FnMut() -> LayoutFrames) -> GoalDistance {
    let mut optimizer: ModuleOptimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.0).init();
    for step in 1..=updates {
        let mut frames = frames();
        frames.latents = frames.latents.autodiff();
        let (loss, _) = head.regress(frames);
        let gradients = GradientsParams::from_grads(loss.backward(), &head);
        head = optimizer.step(3e-3, head, gradients);
        head.after_update(Progress { step, steps: updates });
    }
    head.valid()
}

/// The learned distances between all cells, row by row.
fn learned(head: &GoalDistance, cells: usize) -> Vec<Vec<f64>> {
    let places: Vec<usize> = (0..cells).collect();
    let embedded = head.embed(one_hot(&places, cells)).into_data();
    let numbers: Vec<f64> = embedded.iter::<f64>().collect();
    let rows: Vec<&[f64]> = numbers.chunks_exact(numbers.len() / cells).collect();
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    rows.iter().map(|a| rows.iter().map(|b| distance(a, b)).collect()).collect()
}

/// Ranks from 0; equal numbers share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let count = |holds: &dyn Fn(f64) -> bool| numbers.iter().filter(|&&v| holds(v)).count() as f64;
    numbers.iter().map(|&x| count(&|v| v < x) + 0.5 * (count(&|v| v == x) - 1.0)).collect()
}

/// Spearman's rank correlation.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let centred = |numbers: &[f64]| -> Vec<f64> {
        let ranks = ranks(numbers);
        let mean = ranks.iter().sum::<f64>() / ranks.len() as f64;
        ranks.into_iter().map(|rank| rank - mean).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn random_walks_on_a_line_teach_the_distances_along_it() {
    const CELLS: usize = 8;
    const LENGTH: usize = 60;
    let (layouts, episodes, time, extra) = (2, 4, 8, 4);
    let mut state = 7_u32;
    let mut below = move |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % n
    };
    let head = train(head(CELLS), 600, || {
        let (mut places, mut at) = (Vec::new(), Vec::new());
        for _ in 0..layouts * episodes {
            let mut walk = vec![below(CELLS)];
            for _ in 1..LENGTH {
                // Left, nowhere or right.
                let place = walk[walk.len() - 1] + below(3);
                walk.push(place.clamp(1, CELLS) - 1);
            }
            let start = below(LENGTH - time);
            let times: Vec<usize> = (start..start + time).chain((0..extra).map(|_| below(LENGTH))).collect();
            places.extend(times.iter().map(|&t| walk[t]));
            at.extend(times.iter().map(|&t| t as u32));
        }
        LayoutFrames { latents: one_hot(&places, CELLS), layouts, episodes, time, extra, at }
    });
    let learned = learned(&head, CELLS);
    let pairs: Vec<(usize, usize)> = (0..CELLS).flat_map(|a| (a + 1..CELLS).map(move |b| (a, b))).collect();
    let ours: Vec<f64> = pairs.iter().map(|&(a, b)| learned[a][b]).collect();
    let truth: Vec<f64> = pairs.iter().map(|&(a, b)| (b - a) as f64).collect();
    assert!(spearman(&ours, &truth) > 0.95, "{learned:.1?}");
}

#[test]
fn the_distance_counts_control_steps_when_frames_stand_apart() {
    // Frames of a window, three control steps apart: a step of the bootstrap is as long as the times say.
    let places: Vec<usize> = (0..8).collect();
    let head = train(head(8), 900, || LayoutFrames {
        latents: one_hot(&places, 8),
        layouts: 1,
        episodes: 1,
        time: 8,
        extra: 0,
        at: (0..8).map(|frame| 3 * frame).collect(),
    });
    let learned = learned(&head, 8);
    for (from, to) in (0..8).flat_map(|from| (from + 1..8).map(move |to| (from, to))) {
        let (distance, steps) = (learned[from][to], 3.0 * (to - from) as f64);
        let near = 0.75 * steps..1.1 * steps + 0.6;
        assert!(near.contains(&distance), "{from} to {to}: {distance}, not {steps}: {learned:.1?}");
    }
}

#[test]
fn frames_of_an_episode_are_never_farther_than_the_time_between_them() {
    // Every frame is another place; those after the window are known only by their time.
    let at = [0, 1, 2, 3, 4, 5, 12, 20, 30, 40];
    let places: Vec<usize> = (0..at.len()).collect();
    let head = train(head(at.len()), 600, || LayoutFrames {
        latents: one_hot(&places, at.len()),
        layouts: 1,
        episodes: 1,
        time: 6,
        extra: 4,
        at: at.to_vec(),
    });
    let learned = learned(&head, at.len());
    for from in 0..6 {
        for to in 0..at.len() {
            let (distance, time) = (learned[from][to], f64::from(at[to].abs_diff(at[from])));
            assert!(distance < 1.05 * time + 0.3, "{distance} from {from} to {to}, {time} steps apart: {learned:.1?}");
        }
    }
}

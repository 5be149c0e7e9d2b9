//! One plan by CEM on EB-JEPA's GRU: 200 sequences, 5 rounds, 16 steps, latents of 512 numbers. `benches/peers/plan.sh` runs it
//! beside PyTorch. It prints the energy of one fixed plan, which both must agree on, and the milliseconds of a plan.

use std::time::Instant;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_planner::{Bounds, Cem, LatentDistance, Objective, Over, PlanConfig, Planner, Problem, Sampling, World};
use gedanken_predictor::{Gru, GruConfig};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DIM: usize = 512;
const ACTION: usize = 2;
const HORIZON: usize = 16;

/// Numbers that any language makes alike: `scale * sin(1.7 (i + 1))`.
fn wave<const D: usize>(shape: [usize; D], scale: f64, device: &Device) -> Tensor<D> {
    let numbers = (0..shape.iter().product()).map(|i: usize| (scale * (1.7 * (i + 1) as f64).sin()) as f32);
    Tensor::from_data(TensorData::new(numbers.collect::<Vec<_>>(), shape), device)
}

struct Imagined(Gru);

impl World for Imagined {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let mut latent = latents;
        let steps = (0..actions.dims()[1]).map(|step| {
            latent = self.0.forward(latent.clone(), actions.clone().narrow(1, step, 1).squeeze_dim(1));
            latent.clone().unsqueeze_dim(1)
        });
        Tensor::cat(steps.collect(), 1)
    }
}

fn main() {
    let device = Device::flex();
    let mut gru = GruConfig {}.init(DIM, ACTION, &device);
    gru.input.weight = Param::from_tensor(wave([ACTION, 3 * DIM], 0.05, &device));
    gru.input.bias = Some(Param::from_tensor(wave([3 * DIM], 0.02, &device)));
    gru.hidden.weight = Param::from_tensor(wave([DIM, 3 * DIM], 0.05, &device));
    gru.hidden.bias = Some(Param::from_tensor(wave([3 * DIM], 0.01, &device)));
    let world = Imagined(gru);
    let (start, goals) = (wave([1, 1, DIM], 1.0, &device), wave([1, 1, DIM], -0.5, &device));

    let actions = wave([1, HORIZON, ACTION], 1.0, &device);
    let energy = LatentDistance::default().energy(world.rollout(start.clone(), actions), goals.clone()).sum();
    let energy = energy.into_scalar::<f32>();

    let sampling = Sampling {
        iterations: 5,
        samples: 200,
        elites: Some(20),
        keep: 0,
        min_std: gedanken_planner::Width::Units(0.0),
        ..Sampling::default()
    };
    let plan = PlanConfig {
        horizon: HORIZON,
        over: Over::Sum,
        max_norm: Some(2.45),
        replan_every: 1,
        ..PlanConfig::default()
    };
    let planner = Planner::new(Box::new(Cem { sampling, smoothness: 0.0 }), plan).expect("a planner");
    let bounds = Bounds::unbounded(ACTION).expect("bounds");
    let mut times: Vec<f64> = (0..7)
        .map(|step| {
            let problem = Problem {
                world: &world,
                objective: &LatentDistance::default(),
                guardrails: &[],
                bounds: &bounds,
                start: start.clone(),
                goals: goals.clone(),
                steps_left: HORIZON,
                seeds: &[1],
                step,
                warm: None,
            };
            let began = Instant::now();
            let plans = planner.plan(&problem).expect("a plan");
            assert!(plans.energy[0].is_finite());
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{energy:.5} {:.2}", times[times.len() / 2]);
}

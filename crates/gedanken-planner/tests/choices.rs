//! Worlds whose actions are one of a few choices.

mod toy;

use burn::prelude::*;
use gedanken_planner::{Bounds, LatentDistance, Plans, Problem, World, strategies};
use serde_json::json;
use toy::{planner, points};

/// A step of 1 to the right, left, up or down: the greatest of every four numbers is taken.
struct Compass;

impl World for Compass {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let [rows, horizon, numbers] = actions.dims();
        let taken: Vec<f32> = actions.into_data().try_to_vec().unwrap();
        let taken = taken.chunks_exact(4).map(|of| (0..4).fold(0, |best, i| if of[i] > of[best] { i } else { best }));
        let moves: Vec<f32> = taken.flat_map(|i| [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]][i]).collect();
        let moves = Tensor::<1>::from_data(moves.as_slice(), &latents.device());
        let moves = moves.reshape([rows, horizon, numbers / 4, 2]).sum_dim(2).squeeze_dim::<3>(2);
        (latents + moves.cumsum(1)).unsqueeze_dim(2)
    }
}

/// A plan to (4, 3) or (4, 4), seven or eight steps away, in blocks of `frameskip` choices.
fn plan(kind: &str, frameskip: usize, seed: u64) -> Plans {
    let goal = if frameskip == 1 { [4.0, 3.0] } else { [4.0, 4.0] };
    let horizon = if frameskip == 1 { 7 } else { 4 };
    let keys = json!({ "kind": kind, "horizon": horizon, "iterations": 12, "samples": 128, "over": "last" });
    let bounds = Bounds::new(vec![0.0; 4], vec![1.0; 4], None).unwrap().frameskip(frameskip).unwrap();
    let problem = Problem {
        world: &Compass,
        objective: &LatentDistance::default(),
        guardrails: &[],
        bounds: &bounds,
        start: points(&[0.0, 0.0]),
        goals: points(&goal),
        steps_left: 100,
        seeds: &[seed],
        step: 0,
        warm: None,
    };
    planner(keys).init(&strategies()).unwrap().plan(&problem).unwrap()
}

#[test]
fn a_search_over_choices_arrives_exactly_and_chooses_one_at_every_step() {
    for (frameskip, seed) in [(1, 7), (1, 8), (2, 7), (2, 8)] {
        let plans = plan("categorical", frameskip, seed);
        assert_eq!(plans.energy[0], 0.0, "frameskip {frameskip}, seed {seed}");
        for choice in plans.actions.chunks_exact(4) {
            let (ones, zeros) = choice.iter().partition::<Vec<f32>, _>(|&&x| x == 1.0);
            assert!(ones.len() == 1 && zeros.iter().all(|&x| x == 0.0), "{choice:?}");
        }
        assert_eq!(plan("categorical", frameskip, seed).actions, plans.actions);
    }
}

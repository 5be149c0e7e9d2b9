//! Worlds that think several futures possible.

mod toy;

use burn::prelude::*;
use gedanken_planner::{PlannerConfig, World};
use serde_json::json;
use toy::{Ask, planner, set};

/// A plane where the way along x is windy: every step is thrown off in y by its length in x, times a normal number.
struct Windy;

impl World for Windy {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        (latents + actions.cumsum(1)).unsqueeze_dim(2)
    }

    fn chance(&self) -> usize {
        1
    }

    fn rollout_by(&self, latents: Tensor<3>, actions: Tensor<3>, chance: Tensor<3>) -> Tensor<4> {
        let thrown = actions.clone().narrow(2, 0, 1) * chance;
        let moved = actions.clone() + Tensor::cat(vec![thrown.zeros_like(), thrown], 2);
        self.rollout(latents, moved)
    }
}

fn one_step(keys: serde_json::Value) -> PlannerConfig {
    let search =
        json!({ "kind": "cem", "horizon": 1, "replan_every": 1, "iterations": 30, "samples": 200, "over": "last" });
    set(&planner(search), keys)
}

fn asked(config: &PlannerConfig) -> Vec<f32> {
    Ask { world: &Windy, goals: &[0.8, 0.0], ..Ask::default() }.with(config).expect("a plan").actions
}

#[test]
fn the_expectation_and_the_worst_share_of_scenarios_are_what_is_planned_by() {
    // E (a - 0.8)^2 + a^2 e^2 is least at 0.8 / (1 + e^2): e^2 is 0 of the likeliest future, 1 of all, and about 4.4 of the worst tenth.
    let x = |keys| asked(&one_step(keys))[0];
    assert!((x(json!({})) - 0.8).abs() < 0.01, "the likeliest alone");
    let all = x(json!({ "scenarios": 512 }));
    assert!((0.36..0.45).contains(&all), "{all}");
    let worst = x(json!({ "scenarios": 512, "risk": 0.1 }));
    assert!((0.1..0.2).contains(&worst), "{worst}");
}

#[test]
fn scenarios_follow_from_the_seed_and_count_as_futures() {
    let config = one_step(json!({ "scenarios": 8 }));
    assert_eq!(asked(&config), asked(&config));
    // Pieces of 64 rows hold 8 sequences each.
    let pieces = asked(&set(&config, json!({ "max_rows": 64 })));
    assert!((pieces[0] - asked(&config)[0]).abs() < 1e-4, "{pieces:?}");
    let plans = Ask { world: &Windy, goals: &[0.8, 0.0], ..Ask::default() }.with(&config).expect("a plan");
    let alone = Ask { world: &Windy, goals: &[0.8, 0.0], ..Ask::default() }.with(&one_step(json!({}))).expect("a plan");
    assert_eq!(plans.evaluations[0], 8 * alone.evaluations[0]);
    // A world with one future has no scenarios.
    let plain = Ask::default();
    assert_eq!(plain.with(&config), plain.with(&one_step(json!({}))));
}

#[test]
fn a_share_of_no_scenarios_is_refused() {
    for (key, value) in [("scenarios", json!(0)), ("risk", json!(0.0)), ("risk", json!(1.5))] {
        let error = one_step(json!({ key: value })).init(&gedanken_planner::strategies()).err().expect("an error");
        assert!(error.to_string().contains(key), "{error}");
    }
}

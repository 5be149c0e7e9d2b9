//! Boxes of actions of any size and place: widths are shares of them.

mod toy;

use burn::prelude::*;
use gedanken_planner::{Bounds, LatentDistance, Problem, World, strategies};
use serde_json::{Value, json};
use toy::{Ask, Plane, planner, points, set};

/// A place on a table of 512 x 512: an action is where to go, and a third of the way there is made.
struct Table;

impl World for Table {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let mut at = latents;
        let mut all = Vec::new();
        for step in 0..actions.dims()[1] {
            at = at.clone() * 0.7 + actions.clone().narrow(1, step, 1) * 0.3;
            all.push(at.clone());
        }
        Tensor::cat(all, 1).unsqueeze_dim(2)
    }
}

#[test]
fn every_planner_fits_any_box_of_actions() {
    let table = Bounds::new(vec![0.0; 2], vec![512.0; 2], None).unwrap();
    let throttles = Bounds::new(vec![0.0, -0.5], vec![1.0, 0.25], None).unwrap();
    let large = Bounds::new(vec![-1e3; 2], vec![1e3; 2], None).unwrap();
    let cases: [(&dyn World, _, [f32; 2], [f32; 2]); 3] = [
        (&Table, &table, [60.0, 450.0], [400.0, 330.0]),
        (&Plane, &throttles, [0.0, 0.0], [6.0, -3.0]),
        (&Plane, &large, [0.0, 0.0], [3e3, -4e3]),
    ];
    for (world, bounds, start, goal) in cases {
        let far = (start[0] - goal[0]).hypot(start[1] - goal[1]);
        for kind in ["random", "cem", "icem", "mppi", "gradient", "adam"] {
            // Every length at its default, but a floor of noise where MPPI lives on it.
            let mut keys = json!({ "horizon": 8, "iterations": 20, "samples": 200, "over": "last" });
            if kind == "mppi" {
                keys["min_std"] = json!({ "share": 0.2 });
            }
            let config = set(&planner(json!({ "kind": kind })), keys);
            let asked = config.init(&strategies()).unwrap();
            assert_eq!(asked.too_narrow(bounds), None);
            let problem = Problem {
                world,
                objective: &LatentDistance::default(),
                guardrails: &[],
                bounds,
                start: points(&start),
                goals: points(&goal),
                steps_left: 100,
                seeds: &[7],
                step: 0,
                warm: None,
            };
            let plans = asked.plan(&problem).unwrap();
            let left = (2.0 * plans.energy[0]).sqrt();
            assert!(left < 0.25 * far, "{kind}: {left} of {far} are left in {bounds:?}");
        }
    }
}

#[test]
fn a_box_of_size_one_is_planned_in_as_with_widths_in_its_units() {
    let plan = |kind: &str, keys: Value| {
        let config = set(&planner(json!({ "kind": kind, "horizon": 5, "polish": 2 })), keys);
        Ask::default().with(&config).unwrap()
    };
    let units = json!({ "init_std": 1.0, "min_std": 0.05, "learning_rate": 0.2, "noise": 0.05, "polish_rate": 0.2 });
    for kind in ["random", "cem", "icem", "mppi", "gradient", "adam"] {
        assert_eq!(plan(kind, json!({})), plan(kind, units.clone()), "{kind}");
    }
}

#[test]
fn a_short_warm_start_is_filled_up_with_the_middle_of_the_box() {
    let table = Bounds::new(vec![0.0, 100.0], vec![512.0, 200.0], None).unwrap();
    let planner = planner(json!({ "kind": "cem", "horizon": 3, "replan_every": 1 })).init(&strategies()).unwrap();
    let problem = Problem {
        world: &Table,
        objective: &LatentDistance::default(),
        guardrails: &[],
        bounds: &table,
        start: points(&[0.0, 0.0]),
        goals: points(&[10.0, 10.0]),
        steps_left: 100,
        seeds: &[7],
        step: 0,
        warm: None,
    };
    let rest = planner.plan(&problem).unwrap().remainder(0, 2, 3);
    assert_eq!(rest[2..], [256.0, 150.0, 256.0, 150.0]);
}

#[test]
fn a_width_that_cannot_reach_the_ends_of_the_box_is_told() {
    let table = Bounds::new(vec![0.0; 2], vec![512.0; 2], None).unwrap();
    let warning = |keys: Value| planner(keys).init(&strategies()).unwrap().too_narrow(&table);
    let said = warning(json!({ "kind": "cem", "init_std": 1.0 })).expect("a warning");
    assert!(said.starts_with("planner.init_std: 1: number 0 of an action goes up to 256 from 256"), "{said}");
    assert!(warning(json!({ "kind": "adam", "init_std": 1.0, "learning_rate": 0.5 })).is_some());
    for keys in [
        json!({ "kind": "cem", "init_std": 40.0 }),
        json!({ "kind": "cem", "init_std": 4.0, "iterations": 30 }),
        json!({ "kind": "actor" }),
    ] {
        assert_eq!(warning(keys.clone()), None, "{keys}");
    }
}

//! The same plans on the host and as a device would find them.

use super::*;
use crate::{Guardrail, LatentDistance, Objective, PlannerConfig, Trajectory, World, strategies};
use serde_json::{Value, json};

/// A point on the plane that actions move.
struct Plane;

impl World for Plane {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        (latents + actions.cumsum(1)).unsqueeze_dim(2)
    }
}

/// Not to the right of this; and NaN far to the left.
struct Wall(f32);

fn x(futures: Tensor<4>) -> Tensor<2> {
    futures.narrow(3, 0, 1).flatten::<3>(2, 3).squeeze_dim(2)
}

impl Guardrail for Wall {
    fn violation(&self, way: &Trajectory) -> Tensor<2> {
        x(way.latents.clone()) - self.0
    }
}

impl Objective for Wall {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let lost = x(futures.clone()).lower_elem(-0.8);
        LatentDistance::default().energy(futures, goals).mask_fill(lost, f32::NAN)
    }
}

/// The same plans twice, of three tasks: by the host, and as a device would find them.
fn both(keys: Value, bounds: &Bounds, wall: bool) -> [Result<Plans, PlanError>; 2] {
    let points =
        |numbers: [f32; 6]| Tensor::<3>::from_data(TensorData::new(numbers.to_vec(), [3, 1, 2]), &Device::flex());
    let guardrail: [Box<dyn Guardrail>; 1] = [Box::new(Wall(1.5))];
    let PlannerConfig { plan, strategy } = serde_json::from_value(keys).unwrap();
    let strategy = strategies().make(&strategy).unwrap();
    let problem = Problem {
        world: &Plane,
        objective: &Wall(1.5),
        guardrails: if wall { &guardrail } else { &[] },
        bounds,
        start: points([0.0; 6]),
        goals: points([3.0, 4.0, -1.0, 1.0, 0.5, 0.0]),
        steps_left: 5,
        seeds: &[1, 2, 3],
        step: 0,
        warm: None,
    };
    [true, false].map(|on_host| plan_on(&plan, &*strategy, &problem, on_host))
}

fn same(keys: Value, bounds: &Bounds, wall: bool) {
    let case = format!("{keys}, wall {wall}");
    let [host, device] = both(keys, bounds, wall).map(Result::unwrap);
    assert_eq!((host.evaluations, host.trace.len()), (device.evaluations, device.trace.len()), "{case}");
    let close = |a: &[f32], b: &[f32]| {
        assert_eq!(a.len(), b.len(), "{case}");
        let differ = |(a, b): (&f32, &f32)| (a - b).abs() > 2e-4 * (1.0 + a.abs());
        assert!(!a.iter().zip(b).any(differ), "{case}: {a:?} and {b:?}");
    };
    close(&host.actions, &device.actions);
    close(&host.energy, &device.energy);
    close(&host.violation, &device.violation);
    for (host, device) in host.trace.iter().zip(&device.trace) {
        close(&host.mean, &device.mean);
        close(&host.best, &device.best);
        close(&host.spread, &device.spread);
        close(&host.deviation, &device.deviation);
        close(&host.gradient, &device.gradient);
    }
    for (host, device) in host.others.iter().zip(&device.others) {
        close(&host.concat(), &device.concat());
    }
}

#[test]
fn every_planner_finds_on_a_device_what_it_finds_on_the_host() {
    let ball = Bounds::new(vec![-1.0, f32::NEG_INFINITY], vec![0.9, f32::INFINITY], Some(1.0)).unwrap();
    let plane = Bounds::unbounded(2).unwrap();
    for (bounds, wall) in [(&ball, true), (&plane, false)] {
        for kind in ["cem", "icem", "mppi"] {
            for returns in ["mean", "best", "elite"] {
                for (keep, momentum, budget) in [(1, 0.0, 1_000_000), (0, 0.3, 300), (3, 0.0, 1)] {
                    let mut keys = json!({
                        "kind": kind, "returns": returns, "keep": keep, "momentum": momentum,
                        "max_evaluations": budget, "horizon": 5, "samples": 24, "iterations": 4, "max_rows": 50,
                    });
                    if kind == "mppi" {
                        // What is forbidden may have a far lower energy.
                        keys["temperature"] = json!(if wall { 1e-3 } else { 0.1 });
                    }
                    same(keys, bounds, wall);
                }
            }
        }
        let few = json!({ "kind": "random", "horizon": 5, "samples": 24, "iterations": 4, "max_rows": 50 });
        same(few, bounds, wall);
        for kind in ["gradient", "adam"] {
            // Where the energy is NaN on the way, so is the gradient.
            let keys = json!({ "kind": kind, "horizon": 5, "samples": 6, "iterations": 5, "max_rows": 7 });
            same(keys, bounds, wall);
        }
        let polished =
            json!({ "kind": "cem", "horizon": 5, "samples": 24, "polish": 5, "max_evaluations": 5 * 24 * 9 });
        same(polished, bounds, wall);
    }
}

#[test]
fn a_round_without_a_finite_energy_is_the_same_error() {
    let left = Bounds::new(vec![-2.0; 2], vec![-1.0; 2], None).unwrap();
    let [host, device] = both(json!({ "kind": "cem" }), &left, false).map(Result::unwrap_err);
    assert!(matches!(host, PlanError::NotFinite { task: 0, iteration: 0, samples: 64 }), "{host}");
    assert_eq!(host.to_string(), device.to_string());
}

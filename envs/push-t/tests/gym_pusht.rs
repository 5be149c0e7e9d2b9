//! States, coverage and pictures against gym-pusht 0.1.5 (reference/make.py).

use gedanken_env::Env;
use gedanken_push_t::{Action, Goal, Options, PushT, Success};
use serde_json::Value;

fn traces() -> serde_json::Map<String, Value> {
    let text = include_str!("../reference/traces.json");
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn gym_pusht(size: usize) -> PushT {
    PushT::new(Options {
        size,
        action: Action::Absolute,
        goal: Goal::Fixed,
        success: Success::Coverage,
        legacy_placement: true,
        ..Options::default()
    })
    .unwrap()
}

/// The environment at the start of a trace.
fn start(trace: &Value, size: usize) -> PushT {
    let mut env = gym_pusht(size);
    env.reset(0);
    let mut state = numbers(&trace["start"]);
    state.extend([0.0, 0.0]);
    env.set_state(&state).unwrap();
    env
}

fn act(env: &mut PushT, action: &Value) {
    let action: Vec<f32> = numbers(action).iter().map(|&a| a as f32).collect();
    env.step(&action);
}

#[test]
fn states_and_coverage_are_those_of_gym_pusht() {
    for (name, trace) in traces() {
        let mut env = start(&trace, 96);
        for (action, step) in trace["actions"].as_array().unwrap().iter().zip(trace["steps"].as_array().unwrap()) {
            act(&mut env, action);
            let mut state = vec![0.0; env.spec().state.len()];
            env.state(&mut state);
            state[4] = state[4].rem_euclid(std::f64::consts::TAU);
            for (found, expected) in state.iter().zip(numbers(&step["state"])) {
                assert!((found - expected).abs() < 1e-6, "{name}: found {found}, gym-pusht {expected}");
            }
            let expected = step["coverage"].as_f64().unwrap();
            let covered = 1.0 - env.distance();
            assert!((covered - expected).abs() < 1e-6, "{name}: coverage {covered}, {expected}");
        }
    }
}

#[test]
fn pictures_are_those_of_gym_pusht() {
    for (name, trace) in traces() {
        for size in [96, 224] {
            let mut env = start(&trace, size);
            trace["actions"].as_array().unwrap().iter().for_each(|action| act(&mut env, action));
            let mut found = vec![0; 3 * size * size];
            env.observe(&mut found);
            let path = format!("{}/reference/frames/{name}_{size}.png", env!("CARGO_MANIFEST_DIR"));
            let expected = image::open(path).unwrap().to_rgb8();
            let plane = size * size;
            let (mut sum, mut off) = (0u64, 0);
            for (at, pixel) in expected.pixels().enumerate() {
                let differences = [0, 1, 2].map(|c| found[c * plane + at].abs_diff(pixel.0[c]));
                sum += differences.iter().map(|&d| u64::from(d)).sum::<u64>();
                off += usize::from(differences.iter().any(|&d| d > 8));
            }
            let mean = sum as f64 / (3 * plane) as f64;
            assert!(mean <= 0.05, "{name} at {size} px: mean absolute difference {mean} of 255");
            assert!(off as f64 <= 0.0005 * plane as f64, "{name} at {size} px: {off} pixels are off by more than 8");
        }
    }
}

//! The promises of every environment, and the options of this one.

use std::collections::HashSet;

use gedanken_env::{Env, Many, conformance};
use gedanken_maze::{Mazes, Options, entry};
use serde_json::json;

fn make(options: serde_json::Value) -> Result<Box<dyn Env>, String> {
    entry().make(&options).map_err(|error| error.to_string())
}

fn mazes(options: serde_json::Value) -> Mazes {
    Mazes::new(serde_json::from_value(options).unwrap()).unwrap()
}

fn state(env: &dyn Env) -> Vec<f64> {
    let mut state = vec![0.0; env.spec().state.len()];
    env.state(&mut state);
    state
}

fn picture(env: &dyn Env) -> Vec<u8> {
    let mut pixels = vec![0; env.spec().observation.len()];
    env.observe(&mut pixels);
    pixels
}

#[test]
fn the_registered_environment_keeps_the_promises_of_every_environment() {
    for options in [
        json!({}),
        json!({"layouts": "held-out", "distance_min": 5, "distance_max": 8}),
        json!({"cells": 8, "size": 97, "train_layouts": 0, "layouts": "train", "distance_min": 9}),
    ] {
        conformance::check(make(options.clone()).unwrap().as_mut()).unwrap_or_else(|what| panic!("{options}: {what}"));
    }
}

#[test]
fn the_defaults_fit_the_schema_and_build_the_default_environment() {
    assert_eq!(serde_json::from_value::<Options>(entry().defaults()).unwrap(), Options::default());
    assert_eq!(conformance::check_options(&entry()), Ok(()));
}

#[test]
fn impossible_options_are_errors() {
    for options in [
        json!({"cell": 3}),
        json!({"layouts": "some"}),
        json!({"cells": 3}),
        json!({"cells": 9}),
        json!({"size": 8}),
        json!({"success_radius": 0.0}),
        json!({"train_layouts": 1001}),
        json!({"distance_min": 0}),
        json!({"distance_min": 8}),
        json!({"distance_min": 5, "distance_max": 4}),
        json!({"layouts": "train", "train_layouts": 1, "layout_seed": 1, "distance_min": 7}),
        json!(3),
    ] {
        assert!(make(options.clone()).is_err(), "{options}");
    }
}

#[test]
fn held_out_layouts_are_never_among_the_training_layouts() {
    for (train_layouts, most) in [(5, 5), (40, 40), (0, 2000)] {
        let drawn = |layouts: &str| {
            let mut env = mazes(json!({"train_layouts": train_layouts, "layouts": layouts, "distance_min": 1}));
            let draw = |seed| {
                env.reset(seed);
                assert_eq!(env.is_training_layout(), layouts == "train", "{layouts} of {train_layouts}");
                env.maze()
            };
            (0..2000).map(draw).collect::<HashSet<_>>()
        };
        let (train, held_out) = (drawn("train"), drawn("held-out"));
        assert!(train.len() <= most && train.len() >= most.min(500), "{} of {train_layouts}", train.len());
        assert!(train.is_disjoint(&held_out) && held_out.len() > 100, "{} of {train_layouts}", held_out.len());
    }
}

#[test]
fn training_layouts_follow_from_their_seed_alone() {
    let drawn = |options: serde_json::Value| {
        let mut env = mazes(options);
        let draw = |seed| {
            env.reset(seed);
            env.maze()
        };
        (0..200).map(draw).collect::<HashSet<_>>()
    };
    let train = drawn(json!({"layouts": "train"}));
    assert_eq!(train, drawn(json!({"layouts": "train", "size": 32, "success_radius": 0.2, "distance_max": 7})));
    assert_ne!(train, drawn(json!({"layouts": "train", "layout_seed": 1})));
}

#[test]
fn a_layout_stays_when_an_episode_restarts() {
    let mut env = make(json!({})).unwrap();
    for seed in 0..500 {
        env.reset(seed);
        let before = state(env.as_ref());
        env.restart(seed + 1);
        let after = state(env.as_ref());
        assert_eq!(before[8..], after[8..]);
        assert_ne!(before, after);
    }
}

/// Cells from start to goal by breadth first search over the rows of the state.
fn cells_apart(state: &[f64]) -> i32 {
    let cells = state.len() as i64 - 8;
    let cell = |x: f64, y: f64| (x.floor() as i64, y.floor() as i64);
    let free = |(x, y): (i64, i64)| {
        (0..cells).contains(&x) && (0..cells).contains(&y) && state[8 + y as usize] as u64 >> x & 1 == 1
    };
    let (start, goal) = (cell(state[0], state[1]), cell(state[4], state[5]));
    let (mut seen, mut wave, mut steps) = (HashSet::from([start]), vec![start], 0);
    while !wave.contains(&goal) {
        let beside = wave.iter().flat_map(|&(x, y)| [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]);
        wave = beside.filter(|&cell| free(cell) && seen.insert(cell)).collect();
        assert!(!wave.is_empty(), "no way to the goal");
        steps += 1;
    }
    steps
}

#[test]
fn starts_and_goals_are_as_far_apart_as_asked_and_at_rest() {
    for (cells, low, high, resets) in [(4, 3, 64, 500), (4, 5, 8, 500), (4, 7, 7, 50), (8, 5, 8, 30), (8, 13, 16, 30)] {
        let options = json!({"cells": cells, "layouts": "held-out", "distance_min": low, "distance_max": high});
        let mut env = make(options).unwrap();
        let mut seen = HashSet::new();
        for seed in 0..resets {
            env.reset(seed);
            let state = state(env.as_ref());
            let apart = cells_apart(&state);
            assert!((low..=high).contains(&apart), "{apart} cells of {low} to {high}");
            assert!([2, 3, 6, 7].iter().all(|&at| state[at] == 0.0));
            assert!([0, 1, 4, 5].iter().all(|&at| (state[at].fract() - 0.5).abs() <= 0.1));
            seen.insert(apart);
        }
        assert!(seen.len() > 1 || low == high, "always {seen:?}");
    }
}

#[test]
fn factors_do_what_they_say() {
    let mut env = Mazes::new(Options::default()).unwrap();
    // A row of four cells.
    let here = [0.5, 0.5, 0.0, 0.0, 3.5, 0.5, 0.0, 0.0, 15.0, 0.0, 0.0, 0.0];
    let moved = |env: &mut Mazes, name: &str, value: f64, steps: usize| {
        env.set_factor(name, value).unwrap();
        env.set_state(&here).unwrap();
        (0..steps).for_each(|_| env.step(&[1.0, 1.0]));
        state(env)
    };
    let plain = moved(&mut env, "motor", 1.0, 1)[2];
    assert!((moved(&mut env, "motor", 0.5, 1)[2] - 0.5 * plain).abs() < 1e-9);
    env.set_factor("motor", 1.0).unwrap();
    assert!(moved(&mut env, "damping", 20.0, 5)[2] < moved(&mut env, "damping", 1.0, 5)[2]);
    assert_eq!(moved(&mut env, "ball_radius", 0.2, 30)[..2].to_vec(), vec![3.8, 0.8]);
    assert_eq!(moved(&mut env, "ball_radius", 0.1, 30)[..2].to_vec(), vec![3.9, 0.9]);
    env.set_state(&here).unwrap();
    let colored = |env: &Mazes, [red, green, blue]: [u8; 3]| {
        let pixels = picture(env);
        (0..4096).filter(|&at| [pixels[at], pixels[4096 + at], pixels[8192 + at]] == [red, green, blue]).count()
    };
    assert_eq!(colored(&env, [0xc4, 0x92, 0x5a]) + colored(&env, [0x00, 0x29, 0x5a]), 4096 - 12);
    for (name, number) in [("floor_color", 0x01_02_03), ("wall_color", 0x64_05_06), ("ball_color", 0x07_08_c8)] {
        env.set_factor(name, f64::from(number)).unwrap();
    }
    assert_eq!([colored(&env, [100, 5, 6]), colored(&env, [7, 8, 200])], [4096 - 4 * 64, 4]);
    env.set_factor("ball_size", 0.4).unwrap();
    assert!(colored(&env, [7, 8, 200]) > 20);
}

#[test]
fn many_do_what_each_does() {
    let envs = |n: u64| {
        (0..n).map(|seed| {
            let mut env = make(json!({})).unwrap();
            env.reset(seed);
            env
        })
    };
    let size = 3 * 64 * 64;
    let mut many = Many::new(envs(60).collect());
    let actions: Vec<f32> = (0..120).map(|i| (i as f32 * 0.7).sin()).collect();
    (0..50).for_each(|_| many.step(&actions));
    let (mut pixels, mut goals) = (vec![0; 60 * size], vec![0; 60 * size]);
    let mut labels = vec![0.0; 60 * 20];
    many.observe(&mut pixels);
    many.observe_goal(&mut goals);
    many.labels(&mut labels);
    for (i, mut env) in envs(60).enumerate() {
        (0..50).for_each(|_| env.step(&actions[2 * i..][..2]));
        let (mut frame, mut row) = (vec![0; size], vec![0.0; 20]);
        env.observe(&mut frame);
        assert!(frame == pixels[i * size..][..size]);
        env.observe_goal(&mut frame);
        assert!(frame == goals[i * size..][..size]);
        env.labels(&mut row);
        assert_eq!(row, labels[20 * i..][..20]);
        assert_eq!(many.distances()[i], env.distance());
    }
}

#[test]
fn the_place_in_the_picture_is_where_the_ball_is_drawn() {
    let mut env = Mazes::new(Options { size: 96, ..Options::default() }).unwrap();
    for seed in 0..20 {
        env.reset(seed);
        let mut labels = [0.0; 20];
        env.labels(&mut labels);
        let [x, y] = env.in_picture([labels[0], labels[1]]).map(|at| at as usize);
        let pixels = picture(&env);
        assert_eq!([0, 1, 2].map(|channel| pixels[channel * 96 * 96 + y * 96 + x]), [0x5a, 0xe6, 0xe6]);
    }
}

#[test]
fn in_a_sharp_picture_the_agent_is_where_its_label_says() {
    let mut env = make(json!({})).unwrap();
    conformance::sharp::agent(env.as_mut(), &|there| there[2] > 200).unwrap();
}

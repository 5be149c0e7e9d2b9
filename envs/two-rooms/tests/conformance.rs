//! The promises of every environment, and the options of this one.

use gedanken_env::{Env, Many, conformance};
use gedanken_two_rooms::{Options, Rule, TwoRooms, entry};
use serde_json::json;

fn make(options: serde_json::Value) -> Result<Box<dyn Env>, String> {
    entry().make(&options).map_err(|error| error.to_string())
}

fn state(env: &dyn Env) -> Vec<f64> {
    let mut state = vec![0.0; env.spec().state.len()];
    env.state(&mut state);
    state
}

#[test]
fn the_registered_environment_keeps_the_promises_of_every_environment() {
    for options in [
        json!({}),
        json!({"rule": "bounce"}),
        json!({"task": "any", "walls": "fixed", "wall_x": 12}),
        json!({"rule": "bounce", "hold_out": [[25, 30]], "layouts": "held-out", "expert_step": 2.45}),
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
        json!({"wall": 3}),
        json!({"rule": "glide"}),
        json!({"wall_x": 4}),
        json!({"door_y": 60}),
        json!({"success_radius": 0.0}),
        json!({"expert_step": 3.0}),
        json!({"hold_out": [[30, 20]]}),
        json!({"layouts": "held-out"}),
        json!({"layouts": "train", "hold_out": [[20, 44]]}),
        json!(3),
    ] {
        assert!(make(options.clone()).is_err(), "{options}");
    }
}

#[test]
fn held_out_walls_are_never_drawn_in_training_and_always_in_the_other() {
    for (layouts, held_out) in [("train", false), ("held-out", true)] {
        let mut env = make(json!({"hold_out": [[25, 30], [40, 99]], "layouts": layouts})).unwrap();
        for seed in 0..500 {
            env.reset(seed);
            let wall = state(env.as_ref())[2];
            assert_eq!((25.0..=30.0).contains(&wall) || wall >= 40.0, held_out, "{layouts}: {wall}");
        }
    }
}

#[test]
fn a_layout_stays_when_an_episode_restarts() {
    let mut env = make(json!({})).unwrap();
    let mut layouts = std::collections::BTreeSet::new();
    for seed in 0..3000 {
        env.reset(seed);
        let before = state(env.as_ref());
        env.restart(seed + 1);
        let after = state(env.as_ref());
        assert_eq!(before[2..4], after[2..4]);
        assert_ne!(before, after);
        layouts.insert([before[2] as u32, before[3] as u32]);
    }
    let column = |i: usize| layouts.iter().map(|layout| layout[i]).collect::<std::collections::BTreeSet<_>>();
    assert!(column(0).into_iter().eq(20..=44) && column(1).into_iter().eq(10..=54));
}

#[test]
fn starts_and_goals_keep_their_distance_from_walls_and_are_in_different_rooms() {
    for task in ["other-room", "any"] {
        let mut env = make(json!({"task": task})).unwrap();
        let mut same_room = 0;
        for seed in 0..2000 {
            env.reset(seed);
            let [x, y, wall, _, gx, gy, _] = state(env.as_ref())[..] else { panic!() };
            for c in [x, y, gx, gy] {
                assert!((6.6..=57.4).contains(&c));
            }
            assert!((x - wall).abs() >= 3.6 - 1e-9 && (gx - wall).abs() >= 3.6 - 1e-9);
            same_room += usize::from((x < wall) == (gx < wall));
        }
        assert!(if task == "any" { (900..1300).contains(&same_room) } else { same_room == 0 }, "{task}: {same_room}");
    }
}

#[test]
fn factors_do_what_they_say() {
    let mut env = TwoRooms::new(Options::default()).unwrap();
    let here = [10.0, 30.0, 32.0, 30.0, 50.0, 30.0, 0.0];
    let mut moved = |name: &str, value: f64| {
        env.set_factor(name, value).unwrap();
        env.set_state(&here).unwrap();
        env.step(&[2.0, 0.0]);
        let mut pixels = vec![0; 2 * 65 * 65];
        env.observe(&mut pixels);
        (state(&env)[0] - 10.0, pixels)
    };
    assert_eq!(moved("action_gain", 0.5).0, 1.0);
    assert_eq!(moved("action_gain", 1.0).0, 2.0);
    let walls = |pixels: &[u8]| pixels[65 * 65..].iter().filter(|&&pixel| pixel > 0).count();
    assert_eq!(walls(&moved("door_half_width", 6.0).1), 418 - 12);
    assert_eq!(moved("wall_brightness", 99.0).1[65 * 65..].iter().max(), Some(&99));
    assert_eq!(moved("dot_brightness", 50.0).1[..65 * 65].iter().max(), Some(&50));
    let walls_of = |pixels: Vec<u8>| pixels[65 * 65..].to_vec();
    let plain = walls_of(moved("dot_brightness", 255.0).1);
    let distracted = walls_of(moved("distractors", 3.0).1);
    let more = plain.iter().zip(&distracted).filter(|(before, after)| after > before).count();
    assert!(
        (20..200).contains(&more) && plain.iter().zip(&distracted).all(|(before, after)| after >= before),
        "{more}"
    );
    env.set_state(&[10.0, 30.0, 32.0, 30.0, 50.0, 30.0, 9.0]).unwrap();
    let mut pixels = vec![0; 2 * 65 * 65];
    env.observe(&mut pixels);
    assert_ne!(walls_of(pixels), distracted, "they jump");
    env.set_factor("distractors", 0.0).unwrap();
    let mut moved = |name: &str, value: f64| {
        env.set_factor(name, value).unwrap();
        env.set_state(&here).unwrap();
        env.step(&[2.0, 0.0]);
        (state(&env)[0] - 10.0, ())
    };
    assert_ne!(moved("action_noise", 0.5).0, 2.0);
    env.set_factor("action_noise", 0.0).unwrap();
    env.set_factor("gust", 1.5).unwrap();
    let blown = (0..200).map(|noise| {
        env.set_state(&[10.0, 30.0, 32.0, 30.0, 50.0, 30.0, f64::from(noise)]).unwrap();
        env.step(&[0.0, 0.0]);
        state(&env)[1] - 30.0
    });
    let (up, down): (Vec<f64>, Vec<f64>) = blown.partition(|&by| by > 0.0);
    assert!((70..=130).contains(&up.len()) && up.iter().all(|&by| by == 1.5) && down.iter().all(|&by| by == -1.5));
}

#[test]
fn a_door_that_closes_around_the_dot_lets_it_out() {
    let mut env = TwoRooms::new(Options { rule: Rule::Bounce, ..Options::default() }).unwrap();
    env.set_state(&[32.0, 33.5, 32.0, 30.0, 50.0, 30.0, 0.0]).unwrap();
    env.set_factor("door_half_width", 2.0).unwrap();
    let here = state(&env);
    env.set_state(&here).unwrap();
}

#[test]
fn unclipped_actions_go_as_far_as_they_say() {
    let mut env = TwoRooms::new(Options { clip_actions: false, ..Options::default() }).unwrap();
    env.set_state(&[10.0, 30.0, 32.0, 30.0, 50.0, 30.0, 0.0]).unwrap();
    env.step(&[5.0, -4.0]);
    assert_eq!(state(&env)[..2], [15.0, 26.0]);
}

#[test]
fn many_do_what_each_does() {
    let envs = |n: u64| {
        (0..n).map(|seed| {
            let mut env = make(json!({"rule": "bounce"})).unwrap();
            env.reset(seed);
            env
        })
    };
    let mut many = Many::new(envs(100).collect());
    let actions: Vec<f32> = (0..200).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
    (0..50).for_each(|_| many.step(&actions));
    let (mut pixels, mut goals) = (vec![0; 100 * 8450], vec![0; 100 * 8450]);
    let (mut labels, mut goal_labels) = (vec![0.0; 400], vec![0.0; 400]);
    many.observe(&mut pixels);
    many.observe_goal(&mut goals);
    many.labels(&mut labels);
    many.goal_labels(&mut goal_labels);
    for (i, mut env) in envs(100).enumerate() {
        (0..50).for_each(|_| env.step(&actions[2 * i..][..2]));
        let (mut frame, mut row) = (vec![0; 8450], vec![0.0; 4]);
        env.observe(&mut frame);
        assert!(frame == pixels[i * 8450..][..8450]);
        env.observe_goal(&mut frame);
        assert!(frame == goals[i * 8450..][..8450]);
        env.labels(&mut row);
        assert_eq!(row, labels[4 * i..][..4]);
        env.goal_labels(&mut row);
        assert_eq!(row, goal_labels[4 * i..][..4]);
        assert_eq!(many.distances()[i], env.distance());
    }
    Many::new(vec![]).step(&[]);
}

#[test]
fn in_a_sharp_picture_the_agent_is_where_its_label_says() {
    let mut env = make(json!({})).unwrap();
    conformance::sharp::agent(env.as_mut(), &|there| there[0] > 200).unwrap();
}

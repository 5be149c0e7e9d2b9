//! The promises of every environment, and what is particular to this one.

use gedanken_env::{Env, conformance, rng};
use gedanken_push_t::{Action, Options, PushT, Success, entry};
use serde_json::json;

fn make(options: serde_json::Value) -> Result<Box<dyn Env>, String> {
    entry().make(&options).map_err(|error| error.to_string())
}

#[test]
fn the_registered_environment_keeps_the_promises_of_every_environment() {
    for options in [
        json!({"size": 64}),
        json!({"size": 32, "action": "absolute", "goal": "fixed", "success": "coverage", "legacy_placement": true}),
        json!({"size": 32, "shape": "plus", "success": "block"}),
        json!({"size": 32, "shape": "i", "contact_marks": false}),
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
        json!({"sise": 64}),
        json!({"size": 8}),
        json!({"size": 513}),
        json!({"shape": "u"}),
        json!({"success": "luck"}),
        json!(3),
    ] {
        assert!(make(options.clone()).is_err(), "{options}");
    }
}

#[test]
fn the_seven_numbers_of_the_field_are_placed_and_settled() {
    let mut env = PushT::new(Options::default()).unwrap();
    env.set_state(&[100.0, 120.0, 200.0, 210.0, 1.0, 30.0, -20.0]).unwrap();
    let mut state = vec![0.0; env.spec().state.len()];
    env.state(&mut state);
    let expected = [100.3, 119.8, 200.0, 210.0, 1.0, 30.0, -20.0];
    for (found, expected) in state.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{state:?}");
    }
    for bad in [[f64::NAN; 7], [1e7; 7]] {
        assert!(env.set_state(&bad).is_err());
    }
    assert!(env.set_state(&[0.0; 6]).is_err());
}

#[test]
fn an_agent_at_rest_stays_whatever_an_action_means() {
    for action in [Action::Relative, Action::Absolute] {
        let mut env = PushT::new(Options { action, size: 64, ..Options::default() }).unwrap();
        env.set_state(&[100.0, 120.0, 300.0, 310.0, 1.0, 0.0, 0.0]).unwrap();
        let (mut rest, before) = ([9.0; 2], env.pose());
        for _ in 0..5 {
            env.rest(&mut rest);
            env.step(&rest);
        }
        assert_eq!(env.pose(), before);
        assert_eq!(env.in_picture([255.5, 511.5]), [32.0, 64.0]);
    }
}

#[test]
fn a_state_whose_hidden_numbers_are_nonsense_is_refused() {
    let env = PushT::new(Options::default()).unwrap();
    let mut state = vec![0.0; env.spec().state.len()];
    env.state(&mut state);
    let index = |name: &str| env.spec().state.iter().position(|field| field.name == name).unwrap();
    for (name, value) in [
        ("center_x", state[12] + 1.0),
        ("box0_agent_age", 4.0),
        ("box1_wall2_key1", 9.0),
        ("leaf1_pairs", 31.0),
        // A wall twice, a wall with the agent, and the agent that alone knows a box.
        ("leaf1_pairs", 297.0),
        ("leaf0_pairs", 9.0),
        ("leaf0_pairs", 5.0),
        ("tree", 4.0),
        ("tree", 1e8),
    ] {
        let mut bad = state.clone();
        bad[index(name)] = value;
        assert!(env.clone().set_state(&bad).is_err(), "{name} = {value} was accepted");
    }
}

#[test]
fn rules_of_success_count_what_they_say() {
    let mut env = PushT::new(Options::default()).unwrap();
    env.set_state(&[100.0, 100.0, 250.0, 250.0, 0.0, 0.0, 0.0]).unwrap();
    let mut here = vec![0.0; env.spec().state.len()];
    env.state(&mut here);
    env.set_goal(&here).unwrap();
    // 12 px of the agent and 16 px of the block are 20 px together; the angle is that of symmetric shapes elsewhere.
    env.set_state(&[112.0, 100.0, 266.0, 250.0, 0.1, 0.0, 0.0]).unwrap();
    assert!((env.distance() - 20.0).abs() < 1e-9, "{}", env.distance());
    let others = env.other_rules();
    assert_eq!(others.iter().map(|rule| rule.name).collect::<Vec<_>>(), ["block", "coverage"]);
    assert!((others[0].distance - 16.0).abs() < 1e-9);
    // A turn of 30° counts as 30 px, and one of 330° the same.
    env.set_state(&[100.0, 100.0, 250.0, 250.0, 330f64.to_radians(), 0.0, 0.0]).unwrap();
    assert!((env.distance() - 30.0).abs() < 1e-9, "{}", env.distance());

    let geometry = gedanken_push_t::Shape::Square.geometry(40.0);
    let pose = |x: f64| gedanken_push_t::Pose { agent: [0.0; 2], block: [x, 0.0], angle: 0.0 };
    let quarter = std::f64::consts::FRAC_PI_2;
    assert!((gedanken_push_t::coverage(&geometry, &pose(20.0), &pose(0.0)) - 0.75).abs() < 1e-12);
    let turned = gedanken_push_t::Pose { angle: quarter, ..pose(0.0) };
    assert_eq!(Success::Coverage.distance(&geometry, quarter, &turned, &pose(0.0)), 0.0);
    assert!(Success::Block.distance(&geometry, quarter, &turned, &pose(0.0)) < 1e-9);
}

#[test]
fn the_expert_pushes_the_block_to_where_it_should_be() {
    let mut solved = 0;
    for seed in 0..8 {
        let mut env = PushT::new(Options { size: 16, ..Options::default() }).unwrap();
        env.reset(seed);
        let mut policy = env.policy("expert").unwrap();
        let mut rng = rng(seed, &[]);
        policy.begin(&mut env, &mut rng);
        let mut action = [0.0; 2];
        for _ in 0..300 {
            if env.distance() < env.spec().require_task().unwrap().radius {
                solved += 1;
                break;
            }
            policy.act(&env, &mut rng, &mut action);
            env.step(&action);
        }
    }
    assert!(solved >= 6, "{solved} of 8 tasks solved");
}

#[test]
fn the_pusher_begins_beside_the_block_and_moves_it_in_most_blocks_of_five_control_steps() {
    let (mut moved, mut windows, mut squares, mut numbers) = (0, 0, 0.0, 0);
    for seed in 0..12 {
        let mut env = PushT::new(Options { size: 16, ..Options::default() }).unwrap();
        env.reset(seed);
        let before = env.pose();
        let mut policy = env.policy("pusher").unwrap();
        let mut rng = rng(seed, &[]);
        policy.begin(&mut env, &mut rng);
        let mut last = env.pose();
        assert!(
            (0..2).all(|i| (last.block[i] - before.block[i]).abs() < 1e-9),
            "the block stays where the layout has it"
        );
        assert!((0..2).all(|i| (0.0..512.0).contains(&last.agent[i])), "the agent is on the table: {last:?}");
        let mut action = [0.0; 2];
        for step in 0..120 {
            policy.act(&env, &mut rng, &mut action);
            env.step(&action);
            squares += f64::from(action[0]).powi(2) + f64::from(action[1]).powi(2);
            numbers += 2;
            if step % 5 == 4 {
                let now = env.pose();
                windows += 1;
                moved += usize::from((0..2).map(|i| (now.block[i] - last.block[i]).powi(2)).sum::<f64>() > 1.0);
                last = now;
            }
        }
    }
    assert!(2 * moved > windows, "{moved} of {windows} blocks of actions move the block");
    let scale = (squares / f64::from(numbers)).sqrt();
    assert!((0.15..0.25).contains(&scale), "the actions' root mean square is {scale}");
}

#[test]
fn in_a_sharp_picture_the_agent_is_where_its_label_says() {
    let mut env = make(json!({"contact_marks": false})).unwrap();
    conformance::sharp::agent(env.as_mut(), &|there| there[2] > there[0]).unwrap();
}

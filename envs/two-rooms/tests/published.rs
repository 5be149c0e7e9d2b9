//! The numbers that an independent implementation of the published environment gives.

use gedanken_env::{Env, Policy, rng};
use gedanken_two_rooms::{Options, Rule, TRAJECTORY, TwoRooms};
use rand::RngExt;

/// Statistics of EB-JEPA's training trajectories.
#[derive(Default, Debug)]
struct Data {
    blocked: f64,
    crossing: f64,
    windows_crossing: f64,
    mean: [f64; 2],
    std: [f64; 2],
    farthest: f64,
    action_std: f64,
}

fn collect(policies: &[(&str, f64)], trajectories: usize) -> Data {
    let mut env = TwoRooms::new(Options::default()).unwrap();
    let mut rng = rng(3, &[]);
    let mut data = Data::default();
    let (mut points, mut actions) = (Vec::new(), Vec::new());
    for seed in 0..trajectories {
        env.reset(seed as u64);
        let mut left = rng.random::<f64>();
        let name = policies.iter().find(|(_, share)| {
            left -= share;
            left < 0.0
        });
        let mut policy = env.policy(name.unwrap_or(&policies[0]).0).unwrap();
        policy.begin(&mut env, &mut rng);
        let mut states = vec![[0.0; 7]; TRAJECTORY];
        env.state(&mut states[0]);
        for state in &mut states[1..] {
            let mut action = [0.0; 2];
            policy.act(&env, &mut rng, &mut action);
            env.step(&action);
            env.state(state);
            actions.extend(action.map(f64::from));
        }
        let crosses = |states: &[[f64; 7]]| states.windows(2).any(|w| (w[0][0] > w[0][2]) != (w[1][0] > w[0][2]));
        let still = states.windows(2).filter(|w| w[0][..2] == w[1][..2]).count();
        let start = rng.random_range(0..TRAJECTORY - 17);
        data.blocked += still as f64 / (TRAJECTORY - 1) as f64;
        data.crossing += f64::from(crosses(&states));
        data.windows_crossing += f64::from(crosses(&states[start..start + 17]));
        let far = |a: &[f64; 7], b: &[f64; 7]| (a[0] - b[0]).hypot(a[1] - b[1]);
        data.farthest += states.iter().flat_map(|a| states.iter().map(move |b| far(a, b))).fold(0.0, f64::max);
        points.extend(states.iter().map(|state| [state[0], state[1]]));
    }
    let moments = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
    };
    for axis in 0..2 {
        (data.mean[axis], data.std[axis]) = moments(&mut points.iter().map(|point| point[axis]));
    }
    data.action_std = moments(&mut actions.into_iter()).1;
    for sum in [&mut data.blocked, &mut data.crossing, &mut data.windows_crossing, &mut data.farthest] {
        *sum /= trajectories as f64;
    }
    data
}

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found:.4}, published {expected}");
}

#[test]
fn the_training_data_of_eb_jepa_has_its_statistics() {
    let data = collect(&[("door", 0.35), ("heading", 0.65)], 10_000);
    println!("{data:?}");
    near(data.blocked, 0.275, 0.015, "blocked steps");
    near(data.crossing, 0.288, 0.02, "trajectories that cross");
    near(data.windows_crossing, 0.067, 0.013, "windows of 17 that cross");
    near(data.mean[0], 32.0, 0.8, "mean x");
    near(data.mean[1], 32.1, 0.8, "mean y");
    near(data.std[0], 16.2, 0.5, "std of x");
    near(data.std[1], 16.9, 0.5, "std of y");
    near(data.farthest, 30.0, 1.0, "farthest pair");
    near(data.action_std, 0.749, 0.005, "std of an action's numbers");
}

#[test]
fn without_forced_crossings_one_trajectory_in_ten_crosses() {
    let data = collect(&[("heading", 1.0)], 10_000);
    println!("{data:?}");
    near(data.blocked, 0.31, 0.015, "blocked steps");
    near(data.crossing, 0.095, 0.015, "trajectories that cross");
    near(data.windows_crossing, 0.019, 0.007, "windows of 17 that cross");
    near(data.farthest, 27.0, 1.0, "farthest pair");
}

/// The share of 600 tasks that end within 4.5 px of the goal after 200 steps, and the mean number of steps until they
/// do.
fn success(rule: Rule, policy: &str, expert_step: f64, clip_actions: bool) -> (f64, f64) {
    let mut env = TwoRooms::new(Options { rule, expert_step, clip_actions, ..Options::default() }).unwrap();
    let mut policy: Box<dyn Policy> = env.policy(policy).unwrap();
    let mut rng = rng(5, &[]);
    let (mut done, mut steps) = (0, 0);
    for seed in 0..600 {
        env.reset(seed);
        policy.begin(&mut env, &mut rng);
        let mut first = 200;
        for step in 0..200 {
            let mut action = [0.0; 2];
            policy.act(&env, &mut rng, &mut action);
            env.step(&action);
            if env.distance() < env.spec().require_task().unwrap().radius {
                first = first.min(step + 1);
            }
        }
        steps += first;
        done += usize::from(env.distance() < env.spec().require_task().unwrap().radius);
    }
    (done as f64 / 600.0, steps as f64 / 600.0)
}

#[test]
fn the_floors_and_the_ceiling_are_the_published_ones() {
    for (rule, blind) in [(Rule::Bounce, 0.40), (Rule::Stop, 0.17)] {
        let straight = success(rule, "straight", 1.8, true).0;
        println!("{rule:?}: straight {straight:.3}");
        near(straight, blind, 3.0 * (blind * (1.0 - blind) / 600.0).sqrt() * 1.42, "straight to the goal");
        for clip in [true, false] {
            let random = success(rule, "uniform", 1.8, clip).0;
            println!("{rule:?}: uniform {random:.4} clip {clip}");
            assert!(random < 0.02, "uniform: {random}");
        }
        for (step, steps) in [(1.0, 48.0), (1.8, 27.0), (2.45, 20.0)] {
            let (expert, mean) = success(rule, "expert", step, true);
            println!("{rule:?}: expert with steps of {step} {expert:.3} in {mean:.1}");
            assert_eq!(expert, 1.0, "expert with steps of {step}");
            // The published expert takes somewhat longer: this one counts until 4.5 px and cuts the corners of the door.
            assert!(mean < steps && mean > 0.8 * steps, "{mean} steps of the expert, published {steps}");
        }
    }
}

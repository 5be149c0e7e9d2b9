//! The published data, and the floors and the ceiling of the tasks.

use gedanken_env::{Env, Policy, rng};
use gedanken_maze::{Layouts, Mazes, Options};

const STEPS: usize = 100;

#[test]
fn the_training_data_begins_and_acts_as_published() {
    let mut env = Mazes::new(Options { layouts: Layouts::Train, ..Options::default() }).unwrap();
    let mut rng = rng(3, &[]);
    let mut policy: Box<dyn Policy> = env.policy("random").unwrap();
    let (mut first, mut norms, mut squares, mut speeds) = (0.0, 0.0, 0.0, 0.0);
    let (episodes, mut farthest) = (2000, 0.0f64);
    for seed in 0..episodes {
        env.reset(seed);
        policy.begin(&mut env, &mut rng);
        let mut state = [0.0; 12];
        env.state(&mut state);
        first += state[2].hypot(state[3]) / episodes as f64;
        let start = [state[0], state[1]];
        assert!(start.iter().all(|at| (at.fract() - 0.5).abs() <= 0.1));
        let mut reach = 0.0f64;
        for _ in 0..STEPS {
            let mut action = [0.0; 2];
            policy.act(&env, &mut rng, &mut action);
            let [x, y] = action.map(f64::from);
            norms += x.hypot(y);
            squares += x * x;
            env.step(&action);
            env.state(&mut state);
            speeds += state[2].hypot(state[3]);
            reach = reach.max((state[0] - start[0]).hypot(state[1] - start[1]));
        }
        farthest += reach / episodes as f64;
    }
    let steps = (episodes as usize * STEPS) as f64;
    let std = (squares / steps).sqrt();
    println!(
        "speed {:.2} at first, {:.2} on average; farthest {farthest:.2}; action std {std:.4}",
        first,
        speeds / steps
    );
    assert!((first - 2.5).abs() < 0.1, "{first}");
    assert!((norms / steps - 0.5).abs() < 5e-3);
    // The published standard deviation of an action's numbers is about 0.409; that of this law is the square root of 1/6.
    assert!((std - 0.409).abs() < 3e-3, "{std}");
}

/// The share of 300 tasks in which the ball is within the radius at some step of 200, and the mean number of steps until then.
fn success(policy: &str, cells: usize) -> (f64, f64) {
    let mut env = Mazes::new(Options {
        cells,
        layouts: Layouts::HeldOut,
        distance_min: 5,
        distance_max: 8,
        ..Options::default()
    })
    .unwrap();
    let mut policy: Box<dyn Policy> = env.policy(policy).unwrap();
    let mut rng = rng(5, &[]);
    let (tasks, mut done, mut steps) = (if cells == 4 { 300 } else { 60 }, 0, 0);
    for seed in 0..tasks {
        env.reset(seed);
        policy.begin(&mut env, &mut rng);
        for step in 1..=200 {
            let mut action = [0.0; 2];
            policy.act(&env, &mut rng, &mut action);
            env.step(&action);
            if env.distance() < env.spec().require_task().unwrap().radius {
                (done, steps) = (done + 1, steps + step);
                break;
            }
        }
    }
    (f64::from(done) / tasks as f64, f64::from(steps) / f64::from(done).max(1.0))
}

#[test]
fn the_expert_always_arrives_and_the_blind_seldom() {
    for cells in [4, 8] {
        let [expert, straight, uniform] = ["expert", "straight", "uniform"].map(|policy| success(policy, cells));
        println!("{cells} x {cells}: expert {expert:?}, straight {straight:?}, uniform {uniform:?}");
        assert_eq!(expert.0, 1.0);
        assert!(straight.0 < 0.5, "{straight:?}");
        assert!(uniform.0 < 0.5, "{uniform:?}");
    }
}

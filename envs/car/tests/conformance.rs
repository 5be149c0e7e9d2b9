//! The promises of every environment, and what this one says of itself.

use gedanken_car::{Options, Parking, entry};
use gedanken_env::{Env, conformance, rng};
use serde_json::json;

fn make(options: serde_json::Value) -> Result<Box<dyn Env>, String> {
    entry().make(&options).map_err(|error| error.to_string())
}

fn parking() -> Parking {
    Parking::new(Options::default()).unwrap()
}

fn state(env: &dyn Env) -> [f64; 12] {
    let mut state = [0.0; 12];
    env.state(&mut state);
    state
}

#[test]
fn the_registered_environment_keeps_the_promises_of_every_environment() {
    for options in [json!({}), json!({"size": 32, "success_radius": 0.3}), json!({"size": 97})] {
        conformance::check(make(options.clone()).unwrap().as_mut()).unwrap_or_else(|what| panic!("{options}: {what}"));
    }
}

#[test]
fn the_defaults_fit_the_schema_and_impossible_options_are_errors() {
    assert_eq!(serde_json::from_value::<Options>(entry().defaults()).unwrap(), Options::default());
    assert_eq!(conformance::check_options(&entry()), Ok(()));
    for options in
        [json!({"sise": 3}), json!({"size": 8}), json!({"size": 513}), json!({"success_radius": 0.0}), json!(3)]
    {
        assert!(make(options.clone()).is_err(), "{options}");
    }
}

#[test]
fn states_that_cannot_be_are_refused_with_a_reason() {
    let mut env = parking();
    let good = state(&env);
    for (at, number, reason) in [
        (0, 0.2, "touch no post"),
        (0, f64::NAN, "12 finite numbers"),
        (2, 4.0, "headings"),
        (3, 11.0, "speeds"),
        (5, 9.0, "within the lot"),
        (8, -1.0, "posts in the lot"),
    ] {
        let mut state = good;
        state[at] = number;
        let error = env.set_state(&state).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(state(&env), good);
}

#[test]
fn posts_stay_when_an_episode_restarts_and_stand_in_the_way() {
    let mut env = parking();
    let mut in_the_way = 0;
    for seed in 0..300 {
        env.reset(seed);
        let before = state(&env);
        env.restart(seed + 1);
        let [x, y, _, speed, goal_x, goal_y, _, goal_speed, posts @ ..] = state(&env);
        assert_eq!(before[8..], posts);
        assert_ne!(before[..2], [x, y]);
        assert_eq!([speed, goal_speed], [0.0, 0.0]);
        let way = (goal_x - x).hypot(goal_y - y);
        // A car that slides from start to goal, sampled.
        let meets = (0..=200).map(|step| f64::from(step) / 200.0).any(|share| {
            let at = [x + share * (goal_x - x), y + share * (goal_y - y)];
            posts.chunks_exact(2).any(|post| (post[0] - at[0]).hypot(post[1] - at[1]) < 0.91)
        });
        in_the_way += usize::from(meets && (3.0..=6.0).contains(&way));
    }
    assert_eq!(in_the_way, 300);
}

#[test]
fn the_expert_parks_and_the_blind_one_seldom() {
    let parked = |name: &str| {
        (0..40)
            .filter(|&seed| {
                let mut env = parking();
                env.reset(seed);
                let (mut policy, mut rng) = (env.policy(name).unwrap(), rng(seed, &[9]));
                policy.begin(&mut env, &mut rng);
                let mut action = [0.0; 2];
                for _ in 0..150 {
                    policy.act(&env, &mut rng, &mut action);
                    env.step(&action);
                }
                env.distance() < 0.5
            })
            .count()
    };
    let [expert, blind, uniform] = ["expert", "blind", "uniform"].map(parked);
    assert!(expert >= 35 && blind <= 20 && uniform <= 2, "{expert}, {blind}, {uniform} of 40");
}

#[test]
fn factors_do_what_they_say() {
    let mut env = parking();
    let start = [4.0, 4.0, 0.0, 0.0, 4.0, 4.0, 0.0, 0.0, 1.7, 1.7, 6.3, 1.7];
    let mut after = |power: f64, steering: f64| {
        env.set_factor("power", power).unwrap();
        env.set_factor("steering", steering).unwrap();
        env.set_state(&start).unwrap();
        env.step(&[1.0, 1.0]);
        let [_, _, heading, speed, ..] = state(&env);
        [heading, speed]
    };
    let [heading, speed] = after(1.0, 1.0);
    // 0.1 s of 2 m/s², and 0.1 s at that speed on a curve of 0.8/m.
    assert!((speed - 0.2).abs() < 1e-12 && (heading - 0.016).abs() < 1e-12, "{heading} {speed}");
    assert!((after(1.5, 1.0)[1] - 0.3).abs() < 1e-12);
    assert!((after(1.0, 0.5)[0] - 0.008).abs() < 1e-12);
    let colored = |env: &Parking, color: [u8; 3]| {
        let mut pixels = vec![0; 3 * 64 * 64];
        env.observe(&mut pixels);
        (0..4096).filter(|at| [0, 1, 2].map(|channel| pixels[channel * 4096 + at]) == color).count()
    };
    let mut env = parking();
    for (name, number, least) in [
        ("ground_color", 0x01_02_03, 3700),
        ("post_color", 0x04_05_06, 60),
        ("tail_color", 0x07_08_09, 20),
        ("nose_color", 0x0a_0b_0c, 20),
    ] {
        env.set_factor(name, f64::from(number)).unwrap();
        let [_, red, green, blue] = (number as u32).to_be_bytes();
        let colored = colored(&env, [red, green, blue]);
        assert!(colored >= least, "{name}: {colored}");
    }
    assert!(env.set_factor("power", 3.0).is_err() && env.set_factor("weight", 1.0).is_err());
}

#[test]
fn in_a_sharp_picture_the_car_is_where_its_label_says() {
    let mut env = make(json!({})).unwrap();
    conformance::sharp::agent(env.as_mut(), &|there| there[2] > 100 || there[1] > 100).unwrap();
}

//! The promises of [`Env`], checked: one line in the tests of every environment.

pub mod sharp;

use rand::RngExt;

use crate::{Entry, Env, EnvError, rng};

/// Plays with the environment and names the first promise it breaks; promises of a capability count where the spec declares
/// it. It leaves the environment in some state, with the factors at their defaults.
///
/// # Errors
/// The name of the check, and what happened.
pub fn check(env: &mut dyn Env) -> Result<(), String> {
    let checks: [(&str, Check); 13] = [
        ("the same seed gives the same trajectory and pictures", determinism),
        ("different seeds differ", seeds),
        ("the state alone decides what follows", round_trip),
        ("a bad state is refused and changes nothing", bad_states),
        ("numbers are finite and buffers have the lengths of the spec", spaces),
        ("an action out of bounds does what the clipped one does", clipping),
        ("any action is survived", wild_actions),
        ("distances are zero at the goal and never negative", distances),
        ("the goal made of a state is reached in that state", goals),
        ("a sharp picture shows what the observation shows", sharp::pictures),
        ("a capability that is not declared is refused", missing),
        ("factors take the values of their range, and no other", factors),
        ("every policy runs an episode", policies),
    ];
    for (name, check) in checks {
        check(env).map_err(|what| format!("{}: {name}: {what}", env.spec().name))?;
    }
    Ok(())
}

/// Checks that every option has a description and that no other key is taken: what `--help`, the schema and error messages live on. Defaults
/// that build nothing are an error too.
///
/// # Errors
/// The first thing that is missing.
pub fn check_options(entry: &Entry<dyn Env>) -> Result<(), String> {
    let (schema, defaults) = (entry.schema(), entry.defaults());
    ensure(schema["additionalProperties"] == false, "a key that is no option is taken: deny_unknown_fields")?;
    for (key, _) in defaults.as_object().into_iter().flatten() {
        ensure(schema["properties"][key]["description"].is_string(), format!("{key} has no description"))?;
    }
    entry.make(&defaults).map(drop).map_err(|error| format!("the defaults build nothing: {error}"))
}

type Check = fn(&mut dyn Env) -> Result<(), String>;

const STEPS: usize = 60;
const SEEDS: std::ops::Range<u64> = 0..8;

fn determinism(env: &mut dyn Env) -> Result<(), String> {
    for seed in SEEDS {
        let mut other = env.boxed_clone();
        env.reset(seed);
        other.reset(seed + 1);
        other.reset(seed);
        same(&play(env, seed), &play_over(other.as_mut(), seed, 77), "reset twice with one seed")?;
        env.restart(seed);
        other.restart(seed);
        same(&play(env, seed), &play(other.as_mut(), seed), "restarted twice with one seed")?;
    }
    Ok(())
}

fn seeds(env: &mut dyn Env) -> Result<(), String> {
    let mut begin = |seed, again: bool| {
        if again {
            env.restart(seed)
        } else {
            env.reset(seed)
        }
        state(env)
    };
    for again in [false, true] {
        let first = begin(0, again);
        ensure((1..8).any(|seed| begin(seed, again) != first), "eight seeds began in the same state")?;
    }
    Ok(())
}

fn round_trip(env: &mut dyn Env) -> Result<(), String> {
    for seed in SEEDS {
        env.reset(seed);
        play(env, seed);
        let mut clone = env.boxed_clone();
        let here = state(env);
        let future = play(env, seed + 100);
        same(&play(clone.as_mut(), seed + 100), &future, "a clone")?;
        for env in [env as &mut dyn Env, clone.as_mut()] {
            env.reset(seed + 1);
            env.set_state(&here).map_err(|error| error.to_string())?;
            ensure(state(env) == here, "the state read back is another than the one set")?;
            same(&play(env, seed + 100), &future, "the state set again")?;
        }
    }
    Ok(())
}

fn bad_states(env: &mut dyn Env) -> Result<(), String> {
    env.reset(0);
    let here = state(env);
    let mut bad = vec![vec![], here[1..].to_vec(), [here.as_slice(), &[0.0]].concat()];
    for at in 0..here.len() {
        bad.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| {
            let mut state = here.clone();
            state[at] = value;
            state
        }));
    }
    for bad in bad {
        ensure(matches!(env.set_state(&bad), Err(EnvError::State { .. })), format!("{bad:?} was accepted"))?;
        ensure(state(env) == here, format!("{bad:?} was refused, but it changed the state"))?;
    }
    Ok(())
}

fn spaces(env: &mut dyn Env) -> Result<(), String> {
    let spec = env.spec().clone();
    let (low, high) = (&spec.action.low, &spec.action.high);
    ensure(low.len() == high.len() && low.iter().zip(high).all(|(l, h)| l <= h), "the action space is not a box")?;
    ensure(!spec.observation.is_empty() && !spec.action.is_empty() && !spec.state.is_empty(), "a space is empty")?;
    ensure(spec.task.as_ref().is_none_or(|task| task.radius > 0.0), "the radius of success is not positive")?;
    for seed in SEEDS {
        env.reset(seed);
        ensure(spec.task.is_none() || env.distance().is_finite(), "the distance is not finite")?;
        ensure(play(env, seed).numbers.iter().all(|number| number.is_finite()), "a number is not finite")?;
        let (labels, goal) = labels(env);
        ensure(labels.iter().chain(&goal).all(|label| label.is_finite()), "a label is not finite")?;
    }
    Ok(())
}

fn clipping(env: &mut dyn Env) -> Result<(), String> {
    let space = env.spec().action.clone();
    for raw in wild(env) {
        let mut clipped = raw.clone();
        space.clip(&mut clipped);
        env.reset(1);
        let mut other = env.boxed_clone();
        env.step(&raw);
        other.step(&clipped);
        ensure(state(env) == state(other.as_ref()), format!("{raw:?} and {clipped:?} led to different states"))?;
    }
    Ok(())
}

fn wild_actions(env: &mut dyn Env) -> Result<(), String> {
    env.reset(2);
    for _ in 0..STEPS {
        for action in wild(env) {
            env.step(&action);
            let here = state(env);
            env.set_state(&here).map_err(|error| format!("{action:?} led to a state that is refused: {error}"))?;
        }
    }
    Ok(())
}

fn distances(env: &mut dyn Env) -> Result<(), String> {
    for seed in SEEDS {
        env.reset(seed);
        play(env, seed);
        let (labels, goal) = labels(env);
        if goal.is_empty() {
            return Ok(());
        }
        if let Some(plain) = env.plain_distance(&labels, &goal) {
            let distance = env.distance();
            ensure((plain - distance).abs() <= 1e-4 * (1.0 + distance), format!("plain {plain}, distance {distance}"))?;
            let itself = env.plain_distance(&goal, &goal);
            ensure(itself == Some(0.0), "the plain distance from the goal to itself is not zero")?;
        }
        if let Some(cost) = env.cost_to_go(&labels, &goal) {
            ensure(cost.is_finite() && cost >= 0.0, format!("a cost-to-go of {cost}"))?;
            ensure(env.cost_to_go(&goal, &goal) == Some(0.0), "the cost-to-go from the goal to itself is not zero")?;
        }
    }
    Ok(())
}

fn goals(env: &mut dyn Env) -> Result<(), String> {
    if env.spec().task.is_none() {
        return Ok(());
    }
    for seed in SEEDS {
        env.reset(seed);
        let start = state(env);
        play(env, seed);
        let there = state(env);
        env.set_goal(&there).map_err(|error| error.to_string())?;
        ensure(env.distance() == 0.0, format!("the distance is {} there", env.distance()))?;
        let (labels, goal) = labels(env);
        ensure(labels == goal, format!("labels {labels:?} there, {goal:?} at the goal"))?;
        let (mut seen, mut shown) = (vec![0; env.spec().observation.len()], vec![0; env.spec().observation.len()]);
        env.observe(&mut seen);
        env.observe_goal(&mut shown);
        let black = |pixels: &[u8]| pixels.iter().all(|&pixel| pixel == 0);
        ensure(black(&seen) || !black(&shown), "the picture of the goal is black")?;
        let mut bad = there.clone();
        bad[0] = f64::NAN;
        let here = state(env);
        ensure(env.set_goal(&bad).is_err() && env.set_goal(&there[1..]).is_err(), "a bad state was made the goal")?;
        ensure(state(env) == here, "a refused goal changed the state")?;
        env.set_state(&start).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn missing(env: &mut dyn Env) -> Result<(), String> {
    let here = state(env);
    ensure(env.spec().task.is_some() || env.set_goal(&here).is_err(), "a goal was set, but the spec has no task")?;
    ensure(env.policy("no such policy").is_err(), "a policy that does not exist was found")?;
    ensure(env.set_factor("no such factor", 0.0).is_err(), "a factor that does not exist was set")
}

fn factors(env: &mut dyn Env) -> Result<(), String> {
    let set = |env: &mut dyn Env, name: &str, value| {
        env.set_factor(name, value).map_err(|error| format!("refused {name} = {value}: {error}"))
    };
    for factor in env.spec().factors.clone() {
        let name = factor.name.as_str();
        for value in [factor.low, factor.high, factor.default] {
            set(env, name, value)?;
            env.reset(3);
            ensure(play(env, 3).numbers.iter().all(|number| number.is_finite()), format!("{name} = {value}"))?;
            let here = state(env);
            env.set_state(&here).map_err(|error| format!("{name} = {value}: {error}"))?;
        }
        for value in [factor.low - 1.0, factor.high + 1.0, f64::NAN, f64::INFINITY] {
            ensure(env.set_factor(name, value).is_err(), format!("{name} = {value} was accepted"))?;
        }
    }
    Ok(())
}

fn policies(env: &mut dyn Env) -> Result<(), String> {
    let found = !env.spec().policies.is_empty() || env.spec().recorded.is_some();
    ensure(found, "there is no policy to collect data with")?;
    for name in env.spec().policies.iter().map(|policy| policy.name.clone()).collect::<Vec<_>>() {
        let mut policy = env.policy(&name).map_err(|error| error.to_string())?;
        let mut rng = rng(0, &[]);
        let mut action = vec![0.0; env.spec().action.len()];
        for seed in SEEDS {
            env.reset(seed);
            policy.begin(env, &mut rng);
            for _ in 0..STEPS {
                policy.act(env, &mut rng, &mut action);
                ensure(action.iter().all(|a| a.is_finite()), format!("{name} wants {action:?}"))?;
                env.step(&action);
            }
        }
    }
    Ok(())
}

/// States, distances and pictures of an episode of actions drawn uniformly from the action box.
#[derive(PartialEq)]
struct Played {
    numbers: Vec<f64>,
    pixels: Vec<u8>,
}

fn play(env: &mut dyn Env, seed: u64) -> Played {
    play_over(env, seed, 0)
}

/// Pictures are drawn over `rubbish`, of which nothing may be left.
fn play_over(env: &mut dyn Env, seed: u64, rubbish: u8) -> Played {
    let mut rng = rng(seed, &[7]);
    let (low, high) = (env.spec().action.low.clone(), env.spec().action.high.clone());
    let size = env.spec().observation.len();
    let mut episode = Played { numbers: vec![], pixels: vec![] };
    for step in 0..STEPS {
        let action: Vec<f32> = low.iter().zip(&high).map(|(&l, &h)| l + (h - l) * rng.random::<f32>()).collect();
        env.step(&action);
        episode.numbers.extend(state(env));
        if env.spec().task.is_some() {
            episode.numbers.push(env.distance());
        }
        if step % 16 == 0 {
            let start = episode.pixels.len();
            episode.pixels.resize(start + 2 * size, rubbish);
            let (now, goal) = episode.pixels[start..].split_at_mut(size);
            env.observe(now);
            env.observe_goal(goal);
        }
    }
    episode
}

fn wild(env: &dyn Env) -> Vec<Vec<f32>> {
    let size = env.spec().action.len();
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::MAX, f32::MIN, 1e-40, -0.0];
    let mut actions: Vec<Vec<f32>> = values.iter().map(|&value| vec![value; size]).collect();
    actions.extend((0..2 * size).map(|i| {
        let mut action = vec![0.0; size];
        action[i / 2] = if i % 2 == 0 { 1e30 } else { -1e30 };
        action
    }));
    actions.push((0..size).map(|i| values[i % values.len()]).collect());
    actions
}

fn state(env: &dyn Env) -> Vec<f64> {
    let mut state = vec![0.0; env.spec().state.len()];
    env.state(&mut state);
    state
}

/// Labels now and at the goal; none of the goal where there is no task.
fn labels(env: &dyn Env) -> (Vec<f32>, Vec<f32>) {
    let mut labels = vec![f32::NAN; env.spec().label_len()];
    let mut goal = if env.spec().task.is_some() { labels.clone() } else { vec![] };
    env.labels(&mut labels);
    if !goal.is_empty() {
        env.goal_labels(&mut goal);
    }
    (labels, goal)
}

fn same(a: &Played, b: &Played, what: &str) -> Result<(), String> {
    ensure(a.numbers == b.numbers, format!("{what}: the states differ"))?;
    ensure(a.pixels == b.pixels, format!("{what}: the pictures differ"))
}

fn ensure(kept: bool, what: impl Into<String>) -> Result<(), String> {
    if kept { Ok(()) } else { Err(what.into()) }
}

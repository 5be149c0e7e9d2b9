//! Environments of Gymnasium itself. `GEDANKEN_PYTHON` names a Python that has it; without one nothing is tested, and that is said.

use std::process::Command;

use gedanken_env::{Env, EnvError, Many, conformance};
use gedanken_gymnasium::{Gymnasium, Options};
use serde_json::json;

/// A Python with Gymnasium.
fn python() -> Option<String> {
    let python = std::env::var("GEDANKEN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import gymnasium, pygame"]).output();
    match found.is_ok_and(|output| output.status.success()) {
        true => Some(python),
        false => {
            eprintln!("{python} has no gymnasium and pygame: not tested");
            None
        }
    }
}

fn options(keys: serde_json::Value) -> Option<Options> {
    let mut all = json!({ "python": python()?, "workers": 2, "goal_steps": 5, "max_steps": 80, "size": 24 });
    all.as_object_mut()?.extend(keys.as_object()?.clone());
    Some(serde_json::from_value(all).unwrap())
}

fn pendulum() -> Option<Options> {
    options(json!({
        "id": "Pendulum-v1",
        "state": ["state"],
        "labels": { "angle": "[cos(env.state[0]), sin(env.state[0])]", "speed": "env.state[1]" },
        "goal_labels": ["angle"],
        "radius": 0.2,
    }))
}

#[test]
fn it_keeps_the_promises_of_an_environment_whatever_its_kind_of_state() {
    // Its state by its attributes; its actions are choices.
    let keys = json!({ "id": "CartPole-v1", "state": ["state"], "labels": { "cart": "env.state[0]" }, "radius": 0.1 });
    let Some(cart) = options(keys) else { return };
    conformance::check(&mut Gymnasium::new(cart).unwrap()).unwrap();
    // Nothing is known of its state: its actions are taken again.
    let pendulum = Options { state: Vec::new(), ..pendulum().unwrap() };
    conformance::check(&mut Gymnasium::new(pendulum).unwrap()).unwrap();
}

#[test]
fn mujocos_state_is_all_that_decides_its_next_step() {
    let Some(mut options) = options(json!({ "labels": {}, "max_steps": 30 })) else { return };
    // Gymnasium's own, and dm_control's through stable-worldmodel. Pictures need a GL: MUJOCO_GL=osmesa or egl where there is no screen.
    for (id, imports, angle, positions) in [
        ("Reacher-v5", vec![], "env.data.qpos[0]", 4),
        ("swm/ReacherDMControl-v0", vec!["stable_worldmodel.envs"], "env.env.physics.data.qpos[0]", 2),
    ] {
        options.id = id.to_owned();
        options.imports = imports.into_iter().map(str::to_owned).collect();
        options.labels = serde_json::from_value(json!({ "angle": angle })).unwrap();
        let Ok(mut env) = Gymnasium::new(options.clone()) else {
            eprintln!("{} cannot make and draw {id}: not tested", options.python);
            continue;
        };
        assert_eq!(env.spec().state.len(), 2 * (2 + 3 * positions), "{id}");
        conformance::check(&mut env).unwrap();
    }
}

#[test]
fn a_step_is_gymnasiums() {
    let Some(options) = pendulum() else { return };
    let python = options.python.clone();
    let mut env = Gymnasium::new(options).unwrap();
    env.set_state(&[0.0, 0.5, -1.0, 0.0, 0.0, 0.0]).unwrap();
    let mut ours = Vec::new();
    for step in 0..20 {
        env.step(&[(step as f32 * 0.7).sin()]);
        let mut state = vec![0.0; 6];
        env.state(&mut state);
        ours.extend_from_slice(&state[1..3]);
    }
    let program = "
import gymnasium, numpy, math
env = gymnasium.make('Pendulum-v1').unwrapped
env.reset(seed=0)
env.state = numpy.array([0.5, -1.0])
for step in range(20):
    env.step(numpy.array([numpy.sin(numpy.float32(step * numpy.float32(0.7)))], dtype=numpy.float32))
    print(*map(float, env.state))
";
    let output = Command::new(python).args(["-c", program]).output().unwrap();
    let theirs: Vec<f64> =
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(|x| x.parse().unwrap()).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
}

#[test]
fn pictures_differ_where_states_do_and_copies_go_their_own_ways() {
    let Some(options) = pendulum() else { return };
    let env = Gymnasium::new(options).unwrap();
    let mut many = Many::new((0..5).map(|_| Box::new(env.clone()) as Box<dyn Env>).collect());
    many.envs_mut().iter_mut().enumerate().for_each(|(seed, env)| env.reset(seed as u64));
    let mut before = vec![0; 5 * 3 * 24 * 24];
    many.observe(&mut before);
    many.step(&[2.0, -2.0, 0.0, 1.0, -1.0]);
    let mut after = before.clone();
    many.observe(&mut after);
    let pictures: Vec<&[u8]> = after.chunks(3 * 24 * 24).collect();
    assert!(pictures[0] != pictures[1] && pictures[1] != pictures[2]);
    assert_ne!(before, after);
    assert!(many.whole().is_ok());
}

#[test]
fn what_python_complains_about_is_the_error() {
    let Some(known) = pendulum() else { return };
    let refused = |keys: serde_json::Value| {
        let mut all = serde_json::to_value(&known).unwrap();
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        match Gymnasium::new(serde_json::from_value(all).unwrap()) {
            Err(EnvError::Broken { message, .. }) => message,
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    assert!(refused(json!({ "id": "Pendulam-v1" })).contains("Pendulam"));
    let missing = refused(json!({ "imports": ["no_such_package.worlds"] }));
    assert!(
        missing.contains("No module named 'no_such_package'") && missing.contains("-m pip install no_such_package"),
        "{missing}"
    );
    assert!(refused(json!({ "labels": { "angle": "env.angel" } })).contains("labels.angle: env.angel: AttributeError"));
    let unseen = refused(json!({ "id": "CartPole-v1", "state": ["state"], "labels": { "angle": "obs[2]" } }));
    assert!(unseen.contains("labels.angle: obs[2]: LookupError: not known where the state is set"), "{unseen}");
    assert!(refused(json!({ "python": "/no/such/python" })).contains("python /no/such/python"));
    assert!(refused(json!({ "goal_labels": ["angel"] })).contains("expected some of angle, speed"));
}

#[test]
fn a_world_that_dies_or_hangs_stands_still_and_says_so() {
    let Some(known) = pendulum() else { return };
    for (expression, expected) in [
        ("[__import__('os')._exit(7) if abs(env.state[0]) > 50 else 0.0]", "exit status: 7"),
        ("[__import__('time').sleep(30) if abs(env.state[0]) > 50 else 0.0]", "no answer within 5 s"),
        ("[1 / 0 if abs(env.state[0]) > 50 else 0.0]", "division by zero"),
    ] {
        let mut options = known.clone();
        options.labels.insert("angle".to_owned(), expression.to_owned());
        options.timeout = 5.0;
        let mut env = Gymnasium::new(options).unwrap();
        let said = env.set_state(&[0.0, 100.0, 0.0, 0.0, 0.0, 0.0]).expect_err("it broke").to_string();
        assert!(said.contains("Pendulum-v1") && said.contains(expected), "{said}");
        env.step(&[1.0]);
        assert!(env.fault().is_some_and(|fault| fault.contains(expected)));
    }
}

#[test]
fn many_copies_share_a_few_worlds() {
    let Some(options) = pendulum() else { return };
    let env = Gymnasium::new(Options { workers: 1, ..options }).unwrap();
    let mut all: Vec<Gymnasium> = (0..24).map(|_| env.clone()).collect();
    let turn = |number: usize| vec![-1.0 + number as f32 / 12.0];
    for _ in 0..3 {
        all.iter_mut().enumerate().for_each(|(number, env)| env.step(&turn(number)));
    }
    let state = |env: &Gymnasium| {
        let mut state = vec![0.0; env.spec().state.len()];
        env.state(&mut state);
        state
    };
    for (number, shared) in all.iter().enumerate() {
        let mut alone = env.clone();
        (0..3).for_each(|_| alone.step(&turn(number)));
        assert_eq!(state(shared), state(&alone), "copy {number}");
    }
    assert_eq!(env.fault(), None);
}

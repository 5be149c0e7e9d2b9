//! An environment of Gymnasium has every command. `GEDANKEN_PYTHON` names a Python that has it; without one nothing is tested, and
//! that is said.

mod common;

use common::{Place, TINY, python};

/// `tiny.toml` on a pendulum, where there is a Python with Gymnasium.
fn pendulum(labels: &str) -> Option<String> {
    let python = python()?;
    let env = format!(
        "name = \"gymnasium\"\nid = \"Pendulum-v1\"\nsize = 26\npython = \"{python}\"\nworkers = 2\nmax_steps = 40\nradius = 0.5\n\
         labels = {{ angle = \"{labels}\" }}"
    );
    let text = TINY.replace("name = \"two-rooms\"", &env).replace("heading = 0.5\ndoor = 0.5", "wander = 1.0");
    Some(text.replace("tasks = 3", "tasks = 3\ntasks_from = \"recorded\"\ngoal_offset = 4\nobjective = \"latent\""))
}

#[test]
fn a_pendulum_is_collected_learned_and_planned_with() {
    let Some(text) = pendulum("[cos(env.state[0]), sin(env.state[0])]") else { return };
    let place = Place::new();
    place.write("pendulum.toml", text);
    place.run(&["collect", "pendulum.toml", "--out", "data"]).good();
    let from_disk = ["--set", "data.source=disk", "--set", "data.path=data", "--set", "data.validation=0.5"];
    let train = ["train", "pendulum.toml", "--set", "env.timeout=59"];
    let run = place.run(&[&train[..], &from_disk].concat()).good();
    assert!(run.out.contains("gymnasium: 3 recorded tasks"), "{}", run.out);
    assert!(!run.err.contains("data was made with env."), "a patience is no other world: {}", run.err);
    place.run(&["plan", run.last(), "--film", "task.gif"]).good();
    place.run(&["probe", run.last()]).good();
}

#[test]
fn a_process_that_dies_ends_a_collection_with_its_last_words() {
    let Some(text) = pendulum("[__import__('os')._exit(3) if env.state[0] > 0.1 else 0.0, 0.0]") else { return };
    let place = Place::new();
    place.write("pendulum.toml", text);
    let said = place.run(&["collect", "pendulum.toml", "--out", "data"]);
    assert_eq!(said.bad_manners("Pendulum-v1: the Python process ended, exit status: 3"), None);
    assert!(!place.path("data").exists());
}

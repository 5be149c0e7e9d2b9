//! The experiments that come with the project: all of them resolve, and push-T's goes its whole way when it is made small.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Place, python};
use serde_json::Value;

fn experiments() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

/// True for a Python that has stable-worldmodel and dm_control, and a GL to draw with.
fn draws_mujoco(python: &str) -> bool {
    let draw = "import gymnasium, stable_worldmodel.envs; env = gymnasium.make('swm/ReacherDMControl-v0', render_mode='rgb_array'); env.reset(seed=0); env.render()";
    Command::new(python).args(["-c", draw]).output().is_ok_and(|output| output.status.success())
}

#[test]
fn every_experiment_resolves() {
    let place = Place::new();
    let folders = [experiments(), experiments().join("zoo")].map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let files: Vec<PathBuf> = folders.into_iter().flatten().map(|file| file.expect("a file").path()).collect();
    let files: Vec<_> = files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")).collect();
    assert!(files.len() >= 20, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(file).expect("a file");
        // What replays a dataset is nothing without one: recorded.rs resolves it.
        if text.contains("name = \"recordings\"\npath") {
            continue;
        }
        let outside = text.contains("name = \"gymnasium\"");
        let python = if outside { python() } else { Some("python3".to_owned()) };
        let Some(python) = python else { continue };
        if text.contains("id = \"swm/") && !draws_mujoco(&python) {
            eprintln!("{python} cannot draw stable-worldmodel's reacher: {} is not tested", file.display());
            continue;
        }
        let (file, python) = (file.display().to_string(), format!("env.python={python}"));
        let set = if outside { &["--set", &python][..] } else { &[] };
        let resolved = place.run(&[&["config", &file], set].concat()).good().out;
        place.write("resolved.toml", &resolved);
        assert_eq!(place.run(&["config", "resolved.toml"]).good().out, resolved, "{file}");
    }
}

#[test]
fn push_t_is_collected_learned_planned_and_probed() {
    let place = Place::new();
    let file = experiments().join("push_t_cpu.toml").display().to_string();
    let collect = ["--set", "collect.layouts=12", "--set", "collect.episode_steps=40", "--out", "pushes"];
    place.run(&[&["collect", &file], &collect[..]].concat()).good();
    let inspected = place.run(&["data", "inspect", "pushes"]).good().out;
    assert!(inspected.contains("policy noisy") && inspected.contains("label angle[1]"), "{inspected}");

    let small = [
        "data.path=pushes",
        "data.window.layouts=4",
        "encoder.channels=[4, 4, 4, 4]",
        "encoder.dim=8",
        "predictor.hidden=16",
        "train.steps=4",
        "train.eval_every=4",
        "train.stop_on_collapse=false",
        "planner.iterations=2",
        "planner.samples=8",
        "planner.elites=2",
        "planner.keep=1",
        "eval.tasks=4",
        "eval.tasks_in_training=1",
        "eval.films=1",
    ];
    let sets = small.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["train", &file, "--device", "cpu"].into_iter().chain(sets).collect();
    let run = place.run(&arguments).good().last().to_owned();
    let report: Value =
        serde_json::from_str(&place.read(&format!("{run}/eval/step-000004/report.json"))).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}"));
    assert_eq!(row("replay")["success"], 1.0);
    let others = row("noop")["others"].as_array().expect("other rules");
    assert_eq!(others.iter().map(|other| &other["name"]).collect::<Vec<_>>(), ["block", "coverage"]);
    row("simulator-plain");
    row("model-plain-cost");

    let said = place.run(&["probe", &run, "--frames", "60", "--test-frames", "30", "--device", "cpu"]).good().out;
    assert!(said.contains("block") && said.contains("linear MSE"), "{said}");

    // The same with the agent's place felt: another model, which nobody takes for one from pixels alone.
    let felt = r#"proprioception.labels=["agent"] eval.baselines=false eval.objective.latent=1 eval.objective.proprioception=0.5"#;
    let felt: Vec<&str> = felt.split(' ').flat_map(|setting| ["--set", setting]).collect();
    let run = place.run(&[&arguments[..], &felt[..]].concat()).good().last().to_owned();
    let model: Value =
        serde_json::from_str(&place.read(&format!("{run}/checkpoints/step-000004/model.json"))).expect("JSON");
    assert_eq!(model["spaces"]["proprioception"], serde_json::json!([0, 1]));
    place.run(&["plan", &run, "--film", "felt.gif", "--device", "cpu"]).good();
    let blind = ["eval", &run, "--device", "cpu", "--set", "proprioception.labels=[]"];
    assert_eq!(place.run(&blind).bad_manners("`proprioception` needs a model with proprioception.labels"), None);
    let blind = place.run(&[&blind[..], &["--set", "eval.objective.proprioception=0"]].concat());
    assert_eq!(blind.bad_manners("0 numbers of proprioception; the model was made for"), None);
}

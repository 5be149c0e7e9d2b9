//! The field's protocol through the command line: blocks of actions, normalised actions, recorded tasks, probes, shifted factors.

mod common;

use common::{Place, Said};
use serde_json::Value;

/// The protocol, on `tiny.toml`.
const FIELD: [&str; 10] = [
    "--set",
    "actions=z-score",
    "--set",
    "data.window.frameskip=2",
    "--set",
    "eval.tasks_from=recorded",
    "--set",
    "eval.goal_offset=6",
    "--set",
    "eval.rule=ever",
];

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_str(&place.read(file)).expect("JSON")
}

fn names(report: &Value) -> Vec<&str> {
    report["rows"].as_array().expect("rows").iter().map(|row| row["name"].as_str().unwrap_or_default()).collect()
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut rows = report["rows"].as_array().expect("rows").iter();
    rows.find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}"))
}

#[test]
fn a_model_of_blocks_is_trained_and_measured_on_recorded_tasks() {
    let place = Place::new();
    let run = place.train(&FIELD);
    let blueprint = json(&place, &format!("{run}/checkpoints/step-000012/model.json"));
    assert_eq!(blueprint["spaces"]["action"], 4);
    let std = blueprint["statistics"]["action_std"].as_array().expect("of every number of a control step");
    assert!(std.len() == 2 && std.iter().all(|std| std.as_f64().is_some_and(|std| std > 0.1 && std < 2.45)), "{std:?}");

    let report = json(&place, &format!("{run}/eval/step-000012/report.json"));
    assert_eq!(report["frameskip"], 2);
    let expected = ["model", "noop", "uniform", "straight", "replay", "expert", "simulator-plain", "simulator-true"];
    assert_eq!(names(&report), [&expected[..], &["model-true-cost"]].concat());
    assert_eq!(row(&report, "replay")["success"], 1.0);
    let ends = |row: &Value| -> Vec<Value> {
        row["episodes"].as_array().expect("episodes").iter().map(|episode| episode["end"].clone()).collect()
    };
    assert_eq!(ends(row(&report, "replay")), [0.0, 0.0, 0.0]);

    // Another world, the same tasks: what was done there leads elsewhere here.
    let shift = ["--set", "eval.env.factors.action_gain=0.5", "--json", "shifted.json"];
    let said = place.run(&[&["eval", &run], &shift[..]].concat()).good();
    assert!(
        said.out.contains("recorded tasks of 6 control steps") && said.out.contains("in blocks of 2"),
        "{}",
        said.out
    );
    let shifted = json(&place, "shifted.json");
    assert_eq!(row(&shifted, "noop")["episodes"], row(&report, "noop")["episodes"], "the same tasks");
    assert_ne!(ends(row(&shifted, "replay")), [0.0, 0.0, 0.0]);
    place.run(&["plan", &run, "--task", "5", "--film", "film.gif"]).good();

    let other = place.run(&["eval", &run, "--set", "data.window.frameskip=1"]);
    assert_eq!(other.bad_manners("actions of 2 numbers"), None);
    assert_eq!(place.run(&["eval", &run, "--set", "actions=raw"]).bad_manners("made for \"z-score\""), None);
}

#[test]
fn recorded_tasks_are_cut_from_the_validation_split_of_a_dataset_too() {
    let place = Place::new();
    place.run(&["collect", "tiny.toml", "--out", "rooms"]).good();
    let disk = ["--set", "data.source=disk", "--set", "data.path=rooms", "--set", "data.validation=0.25"];
    let run = place.train(&[&FIELD[..], &disk[..]].concat());
    let report = json(&place, &format!("{run}/eval/step-000012/report.json"));
    assert_eq!(row(&report, "replay")["success"], 1.0);
    let long = place.run(&["eval", &run, "--set", "eval.goal_offset=21"]);
    assert_eq!(long.bad_manners("eval.goal_offset"), None);
}

#[test]
fn probes_are_trained_on_a_run_s_latents() {
    let place = Place::new();
    let run = place.train(&["--set", "eval.tasks=1", "--set", "eval.baselines=false"]);
    let probe = || place.run(&["probe", &run, "--frames", "600", "--test-frames", "200", "--json", "probes.json"]);
    let said = probe().good();
    assert!(said.out.contains("trained on 600 frames") && said.out.contains("agent"), "{}", said.out);
    let report = json(&place, "probes.json");
    let label = &report["labels"][0];
    assert_eq!((label["label"].as_str(), report["tested_on"].as_u64()), (Some("agent"), Some(200)));
    assert!(label["linear"]["mse"].as_f64().is_some_and(|mse| mse < 2.0), "{label}");
    assert!(label["mlp"]["r"].as_f64().is_some_and(|r| (-1.0..=1.0).contains(&r)), "{label}");
    assert_eq!(probe().good().out, said.out, "the same call says the same");
}

#[test]
fn what_cannot_be_is_refused_with_its_key() {
    let place = Place::new();
    let train = |sets: &[&str]| -> Said {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        place.run(&[&["train", "tiny.toml"][..], &sets].concat())
    };
    for (sets, key) in [
        (&["data.window.frameskip=6"][..], "data.window.frameskip: 6"),
        (&["data.window.frameskip=0"], "data.window.frameskip"),
        (&["actions=whitened"], "actions"),
        (&["eval.tasks_from=recorded", "eval.goal_offset=21"], "eval.goal_offset: 21"),
        (&["eval.goal_offset=0"], "eval.goal_offset"),
        (&["eval.tasks_from=recorded", "eval.goal_offset=10"], "eval.budget: 6"),
        (&["eval.skip_solved=true"], "eval.skip_solved: true"),
        (&["eval.env.factors.gravity=2"], "eval.env.factors.gravity"),
    ] {
        assert_eq!(train(sets).bad_manners(key), None, "{sets:?}");
    }
}

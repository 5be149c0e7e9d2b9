//! A run and its data: split, content, place; and the warnings of data that is left out.

mod common;

use std::fs;
use std::path::Path;

use common::{Place, Said};
use serde_json::Value;

/// A short training on the dataset `rooms`, with recorded tasks of a quarter of its four layouts.
const DISK: [&str; 16] = [
    "--set",
    "data.source=disk",
    "--set",
    "data.path=rooms",
    "--set",
    "data.validation=0.25",
    "--set",
    "eval.tasks_from=recorded",
    "--set",
    "eval.goal_offset=6",
    "--set",
    "eval.baselines=false",
    "--set",
    "train.steps=3",
    "--set",
    "eval.films=0",
];

fn collect(place: &Place, seed: &str) {
    let _ = fs::remove_dir_all(place.path("rooms"));
    place.run(&["collect", "tiny.toml", "--out", "rooms", "--set", seed]).good();
}

/// A dataset and a run on it.
fn trained(place: &Place) -> String {
    collect(place, "seed=1");
    place.train(&DISK)
}

/// The report of an evaluation, and what the program said.
fn report(place: &Place, run: &str, more: &[&str]) -> (Value, Said) {
    let said = place.run(&[&["eval", run, "--json", "report.json"], more].concat()).good();
    (serde_json::from_str(&place.read("report.json")).expect("JSON"), said)
}

#[test]
fn a_checkpoint_keeps_its_split_and_no_other_is_taken() {
    let place = Place::new();
    let run = trained(&place);
    let config = place.read(&format!("{run}/config.toml"));
    let told = "expected 0.25, the share of this dataset that was kept from the model in training";
    for arguments in [
        &["eval", &run, "--set", "data.validation=1.0"][..],
        &["plan", &run, "--film", "film.gif", "--set", "data.validation=0.5"],
        &["probe", &run, "--set", "data.validation=0.5"],
        &["train", "--resume", &run, "--set", "train.steps=6", "--set", "data.validation=0.5"],
        &["train", "--resume", &run, "--other-data", "--set", "train.steps=6", "--set", "data.validation=0.5"],
    ] {
        assert_eq!(place.run(arguments).bad_manners(told), None, "{arguments:?}");
    }
    assert_eq!(place.read(&format!("{run}/config.toml")), config, "a refused change is none");
    place.run(&["eval", &run]).good();
    place.run(&["train", "--resume", &run, "--set", "train.steps=4"]).good();

    // Nor in a phase, nor by whoever goes on from its weights.
    let from = format!("from=\"{run}\"");
    let mut other = [&["train", "tiny.toml", "--set", &from], &DISK[..]].concat();
    place.run(&other).good();
    other.extend(["--set", "data.validation=0.5"]);
    assert_eq!(place.run(&other).bad_manners(told), None);
    place.write(
        "phases.toml",
        "extends = \"tiny.toml\"\n[[phase]]\nname = \"one\"\n[[phase]]\nname = \"two\"\ndata = { validation = 0.5 }\n",
    );
    let phases = [&["train", "phases.toml"], &DISK[..]].concat();
    assert_eq!(place.run(&phases).bad_manners("data.validation: 0.5; expected 0.25"), None);
}

#[test]
fn a_dataset_that_was_collected_anew_is_warned_of_and_no_run_goes_on_with_it_unasked() {
    let place = Place::new();
    let run = trained(&place);
    collect(&place, "seed=1");
    let (same, said) = report(&place, &run, &[]);
    assert!(same.get("remarks").is_none() && !said.err.contains("warning"), "the same dataset: {}", said.err);
    collect(&place, "seed=9");
    let told = "is not the dataset that the model was trained on";
    let (other, said) = report(&place, &run, &[]);
    assert!(said.err.contains(told) && said.out.contains(told), "{}{}", said.err, said.out);
    assert!(other["remarks"][0].as_str().is_some_and(|remark| remark.contains(told)), "{}", other["remarks"]);
    let probed = place.run(&["probe", &run, "--frames", "60", "--test-frames", "100"]).good().err;
    assert!(probed.contains(told), "{probed}");
    assert!(
        probed.contains("100 frames of the Validation split: it has 63, which are taken again and again"),
        "{probed}"
    );
    assert!(!report(&place, &run, &["--set", "eval.tasks_from=reset"]).1.err.contains(told), "no data is read");

    let resume = ["train", "--resume", &run, "--set", "train.steps=6"];
    let config = place.read(&format!("{run}/config.toml"));
    assert_eq!(place.run(&resume).bad_manners("--other-data goes on with it all the same"), None);
    assert_eq!(place.read(&format!("{run}/config.toml")), config);
    place.run(&[&resume[..], &["--other-data"]].concat()).good();
    assert!(!report(&place, &run, &[]).1.err.contains(told), "now it was");
    place.run(&["train", "--resume", &run, "--set", "train.steps=7"]).good();
}

#[test]
fn recorded_tasks_are_all_different_and_too_few_are_said() {
    let place = Place::new();
    let run = trained(&place);
    // Three episodes of 21 frames, of which 15 have a goal six steps later.
    let (all, said) = report(&place, &run, &["--set", "eval.tasks=100"]);
    assert_eq!(
        (all["rows"][0]["episodes"].as_array().map(Vec::len), all["protocol"]["tasks"].as_u64()),
        (Some(45), Some(45))
    );
    assert!(said.out.contains("note: 45 tasks and not 100: no other piece of 6 control steps"), "{}", said.out);
    let starts = |report: &Value| -> Vec<String> {
        let rows = report["rows"][0]["episodes"].as_array().expect("episodes");
        rows.iter().map(|row| row["start"].to_string()).collect()
    };
    let (few, _) = report(&place, &run, &["--set", "eval.tasks=20"]);
    assert_eq!(starts(&few), starts(&all)[..20], "the first are the same");
    let (frames, _) = report(&place, &run, &["--set", "eval.tasks=20", "--set", "eval.draw=frames"]);
    assert_eq!(frames["protocol"]["draw"], "frames");
    assert_ne!(starts(&frames), starts(&few));
    let none = place.run(&["plan", &run, "--task", "45", "--film", "film.gif"]);
    assert_eq!(none.bad_manners("there is no task 45"), None);
}

#[test]
fn a_run_is_evaluated_from_any_folder_and_a_tilde_is_the_home_folder() {
    let place = Place::new();
    let run = trained(&place);
    let stored = place.read(&format!("{run}/config.toml"));
    let rooms = place.path("rooms").display().to_string();
    assert!(stored.contains(&format!("path = \"{rooms}\"")), "{stored}");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let absolute = place.path(&run).display().to_string();
    let from_there = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.current_dir(elsewhere.path()).env("HOME", place.path(""));
        command.output().expect("the program starts")
    };
    let done = from_there(&["eval", &absolute]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let set = "data.path=~/rooms";
    assert!(from_there(&["eval", &absolute, "--set", set]).status.success());
    let missing = from_there(&["eval", &absolute, "--set", "data.path=rooms"]);
    let told = String::from_utf8_lossy(&missing.stderr).into_owned();
    let looked = fs::canonicalize(elsewhere.path()).expect("a folder").join("rooms/dataset.toml");
    assert!(told.contains(&looked.display().to_string()), "where it looked: {told}");
}

#[test]
fn where_text_is_wanted_a_set_is_text() {
    let place = Place::new();
    let printed = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        place.run(&["config", "tiny.toml"].into_iter().chain(sets).collect::<Vec<_>>()).good().out
    };
    let numbers = printed(&["name=123", "data.source=disk", "data.path=2024", "from=2023", "seed=7"]);
    for line in ["name = \"123\"", "path = \"2024\"", "from = \"2023\"", "seed = 7"] {
        assert!(numbers.lines().any(|found| found == line), "{line} in {numbers}");
    }
    for (set, line) in [
        ("name=true", "name = \"true\""),
        ("name=nan", "name = \"nan\""),
        ("name=1e3", "name = \"1e3\""),
        ("name=0x10", "name = \"0x10\""),
        ("name=99999999999999999999999", "name = \"99999999999999999999999\""),
        ("name=2026-01-01", "name = \"2026-01-01\""),
    ] {
        assert!(printed(&[set]).lines().any(|found| found == line), "{set}");
    }
    assert_eq!(place.run(&["config", "tiny.toml", "--set", "train.lr=fast"]).bad_manners("the text \"fast\""), None);
}

#[test]
fn a_header_of_actions_is_text_in_every_field_and_all_else_is_an_error_with_its_line() {
    let place = Place::new();
    let rollout = |text: &str| {
        place.write("actions.csv", text);
        place.run(&["rollout", "two-rooms", "--actions", "actions.csv", "--out", "states.csv"])
    };
    for text in ["dx,dy\n1,0\n", "\"dx\", \"dy\"\n1,0\n", "1,0\n", "\n dx,dy\n1,0\n"] {
        rollout(text).good();
        assert_eq!(place.read("states.csv").lines().count(), 3, "{text:?}");
    }
    for (text, at) in [
        ("nan,nan\n1,0\n", "actions.csv:1: found `nan,nan`"),
        ("1\t0\n1,0\n", "actions.csv:1"),
        ("inf,-inf\n1,0\n", "actions.csv:1"),
        ("dx,1\n1,0\n", "actions.csv:1"),
        ("t,dx,dy\n", "actions.csv:1"),
        (",\n1,0\n", "actions.csv:1"),
        ("1,0\ndx,dy\n", "actions.csv:2"),
    ] {
        assert_eq!(rollout(text).bad_manners(at), None, "{text:?}");
    }
}

#[test]
fn a_dataset_cut_off_under_a_training_is_told_in_a_sentence() {
    let place = Place::new();
    let run = trained(&place);
    let shard = place.path("rooms/shard-00000.safetensors");
    fs::File::options().write(true).open(&shard).and_then(|file| file.set_len(1000)).expect("a shorter file");
    let said = place.run(&["train", "--resume", &run, "--set", "train.steps=6"]);
    assert_eq!(said.bad_manners("1000 bytes; expected"), None);
    assert!(Path::new(&shard).exists());
}

#[test]
fn an_inspection_says_what_is_covered_what_changes_and_what_answers() {
    let place = Place::new();
    collect(&place, "seed=1");
    let said = place.run(&["data", "inspect", "rooms", "--frameskip", "3"]).good().out;
    for part in
        ["pixels that change", "after 3 control steps of other actions", "action[1]", "label agent[0]", "state x"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let json: Value =
        serde_json::from_str(&place.run(&["data", "inspect", "rooms", "--json"]).good().out).expect("JSON");
    let pixels = &json["pixels"];
    assert!(pixels["answer"].as_f64().is_some_and(|share| share > 0.0 && share < 0.5), "{pixels}");
    let action = &json["actions"][0];
    let quantiles: Vec<f64> = serde_json::from_value(action["quantiles"].clone()).expect("numbers");
    let [min, max] = ["min", "max"].map(|end| action["values"][end].as_f64().expect("a number"));
    assert!(min < quantiles[0] && quantiles[0] < quantiles[1] && quantiles[1] < quantiles[2] && quantiles[2] < max);
}

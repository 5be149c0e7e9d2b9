//! A training loses nothing: it goes on from any checkpoint, sets aside what lay after it, and keeps the best.
#![cfg(unix)]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Place, metrics, names, weights};
use serde_json::Value;

const QUICK: [&str; 8] =
    ["--set", "eval.tasks=1", "--set", "eval.baselines=false", "--set", "eval.films=0", "--set", "train.keep=9"];

fn entries(place: &Place, folder: &str) -> Vec<String> {
    names(&place.path(folder))
}

#[test]
fn a_run_goes_on_from_the_checkpoint_that_is_named_and_what_lay_after_it_is_set_aside() {
    let place = Place::new();
    let run = place.train(&QUICK);
    let (unbroken, expected) = (weights(&place.path(&run), 12), metrics(&place.path(&run)));
    let third = format!("{run}/checkpoints/step-000003");
    let said = place.run(&["train", "--resume", &third]).good();
    assert!(said.err.contains("set aside") && said.err.contains("update 3 of 12"), "{}", said.err);
    assert!(weights(&place.path(&run), 12) == unbroken, "it is the same run again, bit by bit");
    assert_eq!(metrics(&place.path(&run)), expected);
    let aside = entries(&place, &format!("{run}/aside"));
    let old = format!("{run}/aside/{}", aside.first().expect("what lay after it"));
    assert_eq!(entries(&place, &format!("{old}/checkpoints")), ["step-000006", "step-000009", "step-000012"]);
    assert!(weights(&place.path(&old), 12) == unbroken);
    place.run(&["eval", &old, "--set", "eval.tasks=1"]).good();
}

#[test]
fn a_damaged_newest_checkpoint_names_the_newest_whole_one_from_which_the_run_goes_on() {
    let place = Place::new();
    let run = place.train(&QUICK);
    let unbroken = weights(&place.path(&run), 12);
    let newest = format!("{run}/checkpoints/step-000012/model.safetensors");
    let bytes = std::fs::read(place.path(&newest)).expect("weights");
    place.write(&newest, &bytes[..bytes.len() / 2]);
    let said = place.run(&["train", "--resume", &run]);
    assert_eq!(said.bad_manners("the newest whole checkpoint is"), None);
    assert!(said.err.contains("step-000009"), "{}", said.err);
    place.run(&["train", "--resume", &format!("{run}/checkpoints/step-000009")]).good();
    assert!(weights(&place.path(&run), 12) == unbroken);
}

#[test]
fn a_run_that_turns_to_nan_keeps_the_last_good_checkpoint() {
    let place = Place::new();
    let run = place.train(&QUICK[..6]);
    let ruin = ["train.steps=20", "train.lr=1e30", "train.checkpoint_every=1", "train.keep=1"];
    let ruin: Vec<&str> = ruin.iter().flat_map(|set| ["--set", set]).collect();
    let said = place.run(&[&["train", "--resume", &run], &ruin[..]].concat());
    assert_eq!(said.bad_manners("checkpoints/step-0000"), None);
    assert!(!entries(&place, &format!("{run}/checkpoints")).is_empty());
    for kept in entries(&place, &format!("{run}/checkpoints")) {
        let file = std::fs::read(place.path(&format!("{run}/checkpoints/{kept}/model.safetensors"))).expect("weights");
        let file = safetensors::SafeTensors::deserialize(&file).expect("a weights file");
        for (name, view) in file.tensors() {
            let numbers = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            assert!(numbers.into_iter().all(f32::is_finite), "{kept}: {name}");
        }
    }
}

#[test]
fn the_best_checkpoint_is_kept_with_its_number_and_a_training_that_no_longer_improves_ends() {
    let place = Place::new();
    let best = ["--set", "train.keep_best=eval/success", "--set", "train.eval_every=3", "--set", "train.patience=2"];
    let said = place.run(&[&["train", "tiny.toml", "--set", "train.steps=60"], &QUICK[..6], &best].concat()).good();
    let run = said.last().to_owned();
    assert!(said.err.contains("the training ends here"), "{}", said.err);
    let kept: Value = serde_json::from_str(&place.read(&format!("{run}/checkpoints/best/best.json"))).expect("JSON");
    assert!(kept["value"].is_number() && kept["step"].as_u64().is_some_and(|step| step % 3 == 0), "{kept}");
    place.run(&["eval", &format!("{run}/checkpoints/best"), "--set", "eval.tasks=1"]).good();
}

#[test]
fn what_a_checkpoint_fixes_is_refused_and_the_config_before_a_change_is_kept() {
    let place = Place::new();
    let run = place.train(&QUICK);
    let resume = |set: &str| place.run(&["train", "--resume", &run, "--set", set]);
    assert_eq!(resume("pixels=eb-jepa").bad_manners("the model was made for \"measured\""), None);
    let before = place.read(&format!("{run}/config.toml"));
    resume("train.steps=14").good();
    assert_eq!(place.read(&format!("{run}/configs/until-000012.toml")), before);
}

#[test]
fn a_collection_clears_away_what_a_dead_one_left() {
    let place = Place::new();
    // No process has this number: Linux gives out less than 2^22.
    let left = place.path(".data.partial-4194305-0");
    std::fs::create_dir(&left).expect("what a killed collection leaves");
    place.run(&["collect", "tiny.toml", "--out", "data"]).good();
    assert!(!left.exists());
}

#[test]
fn results_are_never_replaced() {
    let place = Place::new();
    let run = place.train(&QUICK);
    let report = format!("{run}/eval/step-000012/report.json");
    let before = place.read(&report);
    place.run(&["train", "--resume", &run, "--set", "eval.seed=5"]).good();
    assert_eq!(place.read(&report), before);
    let both = [(); 2].map(|()| place.command(&["eval", &run]).stdout(Stdio::null()).spawn().expect("it starts"));
    both.into_iter().for_each(|mut child| assert!(child.wait().expect("an end").success()));
    let evaluations = entries(&place, &format!("{run}/eval"));
    let of_the_end = evaluations.iter().filter(|name| name.starts_with("step-000012")).count();
    assert_eq!(of_the_end, 4, "{evaluations:?}");
}

#[test]
fn whoever_ends_a_training_politely_finds_it_saved() {
    common::heed_hangups();
    for signal in ["-TERM", "-HUP"] {
        let place = Place::new();
        let long = ["train", "tiny.toml", "--set", "train.steps=100000", "--set", "train.eval_every=100000"];
        let mut child = place.command(&long).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let run = || entries(&place, "runs/tiny").first().map(|run| format!("runs/tiny/{run}"));
        let begun = || run().is_some_and(|run| place.path(&format!("{run}/checkpoints/step-000003")).exists());
        let deadline = Instant::now() + Duration::from_secs(120);
        while !begun() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        common::signal(&child, signal);
        let asked = Instant::now();
        let code = child.wait().expect("an end").code();
        assert_eq!(code, Some(0), "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{signal}: {:?}", asked.elapsed());
        let said = place.run(&["train", "--resume", &run().expect("a run"), "--set", "train.steps=1"]);
        assert_eq!(said.bad_manners("updates behind it"), None, "{signal}: it can go on");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_batch_that_no_memory_holds_is_refused_in_a_sentence() {
    let place = Place::new();
    let large = ["--set", "data.window.layouts=65000", "--set", "data.window.episodes=200"];
    let said = place.run(&[&["train", "tiny.toml"], &large[..]].concat());
    assert_eq!(said.bad_manners("data.window.layouts: 65000; a batch of 13000000 windows of 6 frames takes"), None);
    assert!(!place.path("runs").exists());
}

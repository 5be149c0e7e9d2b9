//! A run that is killed or stopped goes on as if nothing had been.
#![cfg(unix)]

mod common;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Place, Said, metrics, weights};
use gedanken::env::rng;
use rand::RngExt;

/// Enough updates to be killed in, and an evaluation, a checkpoint or a line of metrics at almost every one.
const LONG: [&str; 10] = [
    "--set",
    "train.steps=60",
    "--set",
    "train.checkpoint_every=4",
    "--set",
    "train.eval_every=15",
    "--set",
    "eval.tasks_in_training=1",
    "--set",
    "eval.tasks=1",
];

/// The run's folder, once it has a config.
fn run_of(place: &Place) -> Option<String> {
    let runs = std::fs::read_dir(place.path("runs/tiny")).ok()?;
    let run = runs.filter_map(Result::ok).map(|entry| entry.path()).find(|path| path.join("config.toml").is_file())?;
    Some(format!("runs/tiny/{}", run.file_name()?.to_str()?))
}

fn assert_same_run(run: &Path, unbroken: &Path) {
    let (own, expected) = (metrics(run), metrics(unbroken));
    let steps = |lines: &[serde_json::Value]| lines.iter().map(|line| line["step"].as_u64()).collect::<Vec<_>>();
    assert_eq!(steps(&own), steps(&expected));
    assert_eq!(own, expected);
    assert!(weights(run, 60) == weights(unbroken, 60), "the weights differ in some bit");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let place = Place::new();
    let quick = ["--set", "eval.tasks=1", "--set", "eval.baselines=false", "--set", "eval.films=0"];
    let [one, two] = [(); 2].map(|()| place.path(&place.train(&quick)));
    let other = place.path(&place.train(&[&quick[..], &["--set", "seed=2"]].concat()));
    assert!(weights(&one, 12) == weights(&two, 12), "the weights differ in some bit");
    assert_eq!(metrics(&one), metrics(&two));
    assert!(weights(&one, 12) != weights(&other, 12));
    let alone = place.path(&place.train(&[&quick[..], &["--set", "data.workers=0"]].concat()));
    let many = place.path(&place.train(&[&quick[..], &["--set", "data.workers=3"]].concat()));
    assert!(
        weights(&one, 12) == weights(&alone, 12) && weights(&one, 12) == weights(&many, 12),
        "whoever makes batches"
    );
}

/// LeWorldModel's parts, small: batch norms remember, dropout and SIGReg draw.
const LEWM: &str = r#"
extends = "tiny.toml"

[encoder]
kind = "vit"
patch = 13
dim = 8
depth = 1
heads = 2
mlp = 8
projector = 12

[predictor]
kind = "transformer"
history = 2
depth = 1
heads = 2
head_dim = 4
mlp = 8
action_hidden = 8
projector = 12

[prediction]
teacher = true

[loss.sigreg]
weight = 0.1
projections = 8
"#;

#[test]
fn batch_norms_and_what_is_random_in_a_loss_go_on_bit_by_bit() {
    let place = Place::new();
    place.write("lewm.toml", LEWM);
    let run = place.run(&["train", "lewm.toml"]).good().last().to_owned();
    let (unbroken, expected) = (weights(&place.path(&run), 12), metrics(&place.path(&run)));
    // As if it had been killed just before the last checkpoint.
    std::fs::remove_dir_all(place.path(&run).join("checkpoints/step-000012")).expect("a checkpoint");
    place.run(&["train", "--resume", &run]).good();
    assert!(weights(&place.path(&run), 12) == unbroken, "the weights differ in some bit");
    assert_eq!(metrics(&place.path(&run)), expected);
}

/// The environment variable `GEDANKEN_KILLS` asks for more moments than the five that are tried by default.
#[test]
fn a_run_that_is_killed_at_any_moment_ends_bit_equal_to_an_unbroken_one() {
    let kills: u64 = std::env::var("GEDANKEN_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(5);
    let place = Place::new();
    let began = Instant::now();
    let unbroken = place.path(&place.train(&LONG));
    let whole = began.elapsed();
    let mut killed = 0;
    for moment in 0..kills {
        let place = Place::new();
        let mut random = rng(7, &[moment]);
        // Kill it again and again, each time within what an unbroken run takes, until one gets through.
        let end = loop {
            let run = run_of(&place);
            let arguments: Vec<&str> = match &run {
                Some(run) => vec!["train", "--resume", run],
                None => [&["train", "tiny.toml"], &LONG[..]].concat(),
            };
            let patience = whole.mul_f64(random.random_range(0.05..0.9));
            match place.run_for(&arguments, patience) {
                Some(said) => break said.good(),
                None => killed += 1,
            }
        };
        assert_same_run(&place.path(end.last()), &unbroken);
        assert_eq!(end.last(), run_of(&place).expect("a run"), "one run, from the first kill on");
        let left: Vec<_> = std::fs::read_dir(place.path(end.last()).join("checkpoints"))
            .expect("checkpoints")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(left.len(), 2, "what was half written is gone: {left:?}");
    }
    assert!(killed >= kills, "killed {killed} times");
}

#[test]
fn ctrl_c_saves_and_stops_and_says_how_to_go_on() {
    let place = Place::new();
    let unbroken = place.path(&place.train(&LONG));
    let place = Place::new();
    let mut child = place.start(&[&["train", "tiny.toml"], &LONG[..]].concat());
    // In the middle of training: there is a line of metrics.
    let metrics_begun = || {
        let run = run_of(&place)?;
        std::fs::metadata(place.path(&run).join("metrics.jsonl")).ok().filter(|file| file.len() > 0)
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while metrics_begun().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    common::signal(&child, "-INT");
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("text");
    let said = Said { code: child.wait().expect("an end").code(), out, err }.good();
    let run = said.last().to_owned();
    assert!(said.err.contains(&format!("go on with: gedanken train --resume {run}")), "{}", said.err);

    let said = place.run(&["train", "--resume", &run]).good();
    assert_eq!(said.last(), run);
    assert_same_run(&place.path(&run), &unbroken);
}

#[test]
fn what_a_resumption_changes_is_written_into_the_run() {
    let place = Place::new();
    let quick = ["--set", "eval.tasks=1", "--set", "eval.baselines=false", "--set", "eval.films=0"];
    let run = place.train(&quick);
    let resume = |more: &[&str]| place.run(&[&["train", "--resume", &run], more].concat());
    resume(&["--set", "train.steps=14"]).good();
    assert!(place.read(&format!("{run}/config.toml")).contains("steps = 14"));
    let said = resume(&[]).good();
    assert!(said.err.contains("update 14 of 14"), "{}", said.err);
    assert_eq!(resume(&["--set", "seed=5"]).bad_manners("a resumed run cannot change"), None);
    let config = place.read(&format!("{run}/config.toml"));
    assert_eq!(resume(&["--set", "train.steps=3"]).bad_manners("the run has 14 updates behind it"), None);
    assert_eq!(resume(&["--set", "actions=z-score"]).bad_manners("the model was made for"), None);
    assert_eq!(resume(&["--set", "pixels=eb-jepa"]).bad_manners("pixels: \"eb-jepa\"; the model was made for"), None);
    for (set, names) in [
        ("loss.probe.hidden=32", "loss.probe.hidden: 32; the checkpoint has 16"),
        ("encoder.width=16", "encoder: "),
        ("prediction.shared_norm=true", "prediction.shared_norm: true"),
        ("name=other", "--set name=other"),
        ("runs=elsewhere", "--set runs="),
        ("from=other", "--set from="),
    ] {
        let said = resume(&["--set", set, "--set", "train.steps=16"]);
        assert_eq!(said.bad_manners(names), None, "{set}");
    }
    assert_eq!(place.read(&format!("{run}/config.toml")), config, "what is refused changes nothing");

    // What changes is kept as it was, with the update until which it held.
    let configs = place.path(&run).join("configs");
    assert_eq!(common::names(&configs), ["until-000012.toml"]);
    resume(&["--set", "train.steps=16", "--set", "train.clip=1"]).good();
    assert_eq!(common::names(&configs), ["until-000012.toml", "until-000014.toml"]);
    assert_eq!(place.read(&format!("{run}/configs/until-000014.toml")), config);
    assert!(place.read(&format!("{run}/configs/until-000012.toml")).contains("steps = 12"));
    place.run(&["config", &format!("{run}/configs/until-000012.toml")]).good();
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_listening_ends_no_training() {
    let place = Place::new();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").expect("a full device"));
    let training = ["train", "tiny.toml", "--set", "eval.tasks=1", "--set", "eval.baselines=false"];
    let status = place.command(&training).stdout(Stdio::null()).stderr(full()).status().expect("the program starts");
    assert_eq!(status.code(), Some(0));
    assert!(!weights(&place.path(&run_of(&place).expect("a run")), 12).is_empty());
}

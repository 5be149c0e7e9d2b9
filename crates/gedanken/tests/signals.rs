//! A signal ends any work within a second, saved where there is something to save, and leaves nothing half done.
#![cfg(unix)]

mod common;

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Place, Said, metrics, names, signal};

/// Work that nobody waits for.
const ENDLESS: &str = "100000";

/// Waits until something is so.
#[track_caller]
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !there() {
        assert!(Instant::now() < deadline, "there was never {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The program's words after a signal, which it must have heeded within a second: two, for a machine that has other things to do.
#[track_caller]
fn ended(mut child: Child, name: &str) -> Said {
    let sent = Instant::now();
    signal(&child, name);
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("text");
    let said = Said { code: child.wait().expect("an end").code(), out, err };
    assert!(sent.elapsed() < Duration::from_secs(2), "after {:?}: {said:?}", sent.elapsed());
    said
}

/// The only run, once there is one.
fn run(place: &Place) -> Option<String> {
    names(&place.path("runs/tiny")).first().map(|run| format!("runs/tiny/{run}"))
}

fn in_run(place: &Place, inside: &str) -> Option<PathBuf> {
    run(place).map(|run| place.path(&run).join(inside))
}

/// `--set` for each.
fn set<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

#[test]
fn an_evaluation_in_training_is_ended_at_once_loses_nothing_and_is_made_again() {
    let place = Place::new();
    let tasks = format!("eval.tasks_in_training={ENDLESS}");
    let quick = ["eval.baselines=false", "eval.films=0"];
    let long = set(&[&tasks, "eval.tasks=100000", "train.eval_every=3", quick[0], quick[1]]);
    let child = place.start(&[&["train", "tiny.toml"], &long[..]].concat());
    wait_for("a checkpoint", || in_run(&place, "checkpoints/step-000003").is_some_and(|path| path.exists()));
    std::thread::sleep(Duration::from_millis(300));
    let said = ended(child, "-INT").good();
    let run = run(&place).expect("a run");
    assert!(
        said.err.contains(&format!("stopped at update 3; go on with: gedanken train --resume {run}")),
        "{}",
        said.err
    );
    assert_eq!(said.last(), run);
    assert_eq!(names(&place.path(&run).join("checkpoints")), ["step-000003"]);

    let short = set(&["eval.tasks_in_training=1", "eval.tasks=1"]);
    place.run(&[&["train", "--resume", &run], &short[..]].concat()).good();
    let lines = metrics(&place.path(&run));
    let evaluated = lines.iter().filter(|line| line.get("eval/model/success").is_some());
    assert_eq!(evaluated.map(|line| line["step"].as_u64()).collect::<Vec<_>>(), [3, 6, 9, 12].map(Some));
}

#[test]
fn the_final_evaluation_is_ended_at_once_and_says_who_makes_it() {
    common::heed_hangups();
    let place = Place::new();
    let tasks = format!("eval.tasks={ENDLESS}");
    let long = set(&[&tasks, "eval.tasks_in_training=1", "eval.baselines=false"]);
    let mut child = place.start(&[&["train", "tiny.toml"], &long[..]].concat());
    let mut told = Vec::new();
    let stderr = child.stderr.as_mut().expect("piped");
    wait_for("an evaluation", || {
        let mut byte = [0];
        let read = stderr.read(&mut byte).expect("its words");
        told.extend_from_slice(&byte[..read]);
        told.ends_with(b"evaluating: model")
    });
    let said = ended(child, "-TERM");
    let run = run(&place).expect("a run");
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(said.err.contains(&format!("it is made by: gedanken eval {run}")), "{}", said.err);
    assert!(place.path(&run).join("checkpoints/step-000012").exists());

    // So is one that was asked for alone, and nothing is left of it.
    let before = names(&place.path(&run).join("eval"));
    let mut child = place.start(&["eval", &run]);
    let stderr = child.stderr.as_mut().expect("piped");
    stderr.read_exact(&mut [0; 10]).expect("its words");
    let said = ended(child, "-HUP");
    assert_eq!(said.code, Some(130), "{said:?}");
    assert_eq!(names(&place.path(&run).join("eval")), before);
}

/// Three updates, then a phase on latents.
const PHASES: &str = r#"
extends = "tiny.toml"

[eval]
tasks = 1
tasks_in_training = 1
baselines = false
films = 0

[[phase]]
name = "together"
train = { steps = 3 }

[[phase]]
name = "apart"
learn = ["predictor"]
latents = { layouts = 8, episodes = 2 }
train = { steps = 3 }
"#;

#[test]
fn latents_that_are_encoded_and_episodes_that_are_planned_for_a_phase_are_left_at_once() {
    for (longer, begun) in
        [("phase.1.latents.layouts", ".latents-1.partial-"), ("phase.1.latents.planned", "step-000003")]
    {
        let place = Place::new();
        place.write("phases.toml", PHASES);
        let longer = format!("{longer}={ENDLESS}");
        let child = place.start(&["train", "phases.toml", "--set", &longer]);
        wait_for(begun, || {
            let folders = [in_run(&place, "."), in_run(&place, "eval"), in_run(&place, "checkpoints")];
            folders.into_iter().flatten().any(|folder| names(&folder).iter().any(|name| name.starts_with(begun)))
        });
        std::thread::sleep(Duration::from_millis(500));
        let said = ended(child, "-TERM").good();
        assert!(said.err.contains("stopped at update 3; go on with"), "{}", said.err);
        let run = run(&place).expect("a run");
        let left = names(&place.path(&run));
        assert!(left.iter().all(|name| !name.contains("partial")), "{left:?}");
        let short = set(&["phase.1.latents.layouts=8", "phase.1.latents.planned=0"]);
        let said = place.run(&[&["train", "--resume", &run], &short[..]].concat()).good();
        assert!(said.err.contains("update 3 of 6"), "{}", said.err);
    }
}

#[test]
fn a_collection_that_is_ended_or_killed_leaves_nothing_behind() {
    common::heed_hangups();
    let place = Place::new();
    // A gigabyte, were nobody to end it.
    let begin = || {
        let child = place.start(&["collect", "tiny.toml", "--out", "data/rooms", "--set", "collect.layouts=2000"]);
        let own = format!("partial-{}-", child.id());
        wait_for("a partial folder", || names(&place.path("data")).iter().any(|name| name.contains(&own)));
        child
    };
    for name in ["-INT", "-TERM", "-HUP"] {
        let said = ended(begin(), name);
        assert_eq!(said.code, Some(130), "{said:?}");
        assert_eq!(names(&place.path("data")), Vec::<String>::new(), "{name}");
    }
    // Nobody can clean up after itself here: the next one does, but leaves alone what is still being written.
    let (mut killed, mut living) = (begin(), begin());
    killed.kill().expect("it is killed");
    killed.wait().expect("an end");
    assert_eq!(names(&place.path("data")).len(), 2);
    place.run(&["collect", "tiny.toml", "--out", "data/few"]).good();
    let left = names(&place.path("data"));
    assert!(left.len() == 2 && left[0].contains(&format!("partial-{}-", living.id())), "{left:?}");
    living.kill().expect("it is killed");
    living.wait().expect("an end");
}

#[test]
#[cfg(target_os = "linux")]
fn a_training_under_nohup_outlives_its_terminal() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_gedanken");
    let script = format!("trap '' HUP; exec {program} train tiny.toml --set train.steps=40 --set eval.tasks=1");
    let mut shell = std::process::Command::new("sh");
    let child = shell.args(["-c", &script]).current_dir(place.path(".")).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = child.spawn().expect("it starts");
    wait_for("a checkpoint", || in_run(&place, "checkpoints/step-000003").is_some_and(|path| path.exists()));
    signal(&child, "-HUP");
    assert!(child.wait_with_output().expect("an end").status.success());
    assert!(in_run(&place, "checkpoints/step-000040").is_some_and(|path| path.exists()));
}

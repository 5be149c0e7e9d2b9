//! A sweep from the command line: its runs, a kill in the middle, an arm that fails, and what is refused before anything starts.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{Place, names, weights};

/// An evaluation of one task.
const QUICK: [&str; 6] = ["--set", "eval.tasks=1", "--set", "eval.baselines=false", "--set", "eval.films=0"];

fn sweep(more: &[&str]) -> Vec<String> {
    let all = [&["sweep", "tiny.toml", "--out", "widths"], &QUICK[..], more];
    all.concat().into_iter().map(str::to_owned).collect()
}

fn arguments(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// The folders in a sweep's folder.
fn arms(place: &Place, sweep: &str) -> Vec<String> {
    let inside = names(&place.path(sweep));
    inside.into_iter().filter(|name| place.path(sweep).join(name).is_dir()).collect()
}

fn has_report(run: &Path, step: u64) -> bool {
    run.join(format!("eval/step-{step:06}/report.json")).is_file()
}

#[test]
fn two_widths_and_two_seeds_are_four_runs_in_one_folder_and_a_table() {
    let place = Place::new();
    let all = sweep(&["--grid", "encoder.width=8,16", "--seeds", "1..2"]);
    let dry = [&arguments(&all)[..], &["--dry-run"]].concat();
    let planned = place.run(&dry).good();
    assert_eq!(planned.out.lines().filter(|line| line.starts_with("new ")).count(), 4, "{}", planned.out);
    assert!(planned.out.contains("width=16,seed=2  encoder.width=16 seed=2") && !place.path("widths").exists());
    let said = place.run(&arguments(&all)).good();
    let expected = ["width=16,seed=1", "width=16,seed=2", "width=8,seed=1", "width=8,seed=2"];
    assert_eq!(arms(&place, "widths"), expected);
    assert!(expected.iter().all(|arm| has_report(&place.path("widths").join(arm), 12)));
    assert_eq!(said.last(), "widths");
    assert!(said.err.contains("4 runs into widths"), "{}", said.err);
    for line in ["width=8,seed=2: begins, 12 updates", "width=16,seed=1  success "] {
        assert!(said.err.contains(line), "{line}\n{}", said.err);
    }
    let rows: Vec<&str> = said.out.lines().filter(|line| line.starts_with("width=")).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.contains(" 2 ")), "{}", said.out);

    // Each is what `train` makes of the same settings.
    let alone = place.train(&[&QUICK[..], &["--set", "encoder.width=16", "--set", "seed=2"]].concat());
    assert!(weights(&place.path(&alone), 12) == weights(&place.path("widths/width=16,seed=2"), 12));
    let log = place.read("widths/width=16,seed=2/log.txt");
    assert!(log.contains("update 12: success"), "{log}");

    // The same command has nothing left to do, and says what there is.
    let again = place.run(&arguments(&all)).good();
    assert!(again.out == said.out && !again.err.contains("begins"), "{again:?}");
    assert_eq!(place.read("widths/width=16,seed=2/log.txt"), log);
    assert_eq!(place.run(&dry).good().out.matches("finished").count(), 4);
}

#[test]
fn a_sweep_that_is_killed_or_stopped_goes_on_and_ends_bit_equal_to_an_unbroken_one() {
    let long = ["--set", "train.steps=60", "--set", "train.checkpoint_every=4", "--set", "train.eval_every=60"];
    let rest = ["--grid", "encoder.width=8,16", "--seeds", "1,2", "--jobs", "2"];
    let all = sweep(&[&long[..], &rest[..]].concat());
    let place = Place::new();
    let unbroken = Place::new();
    unbroken.run(&arguments(&all)).good();
    for end in ["-KILL", "-TERM"] {
        let begun = |place: &Place| {
            let checkpoints = |arm: &String| names(&place.path("widths").join(arm).join("checkpoints")).len();
            arms(place, "widths").iter().map(checkpoints).filter(|&count| count > 0).count()
        };
        let before = begun(&place);
        let mut child = place.start(&arguments(&all));
        let deadline = Instant::now() + Duration::from_secs(300);
        while begun(&place) < before + 2 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
            assert!(child.try_wait().expect("it can be asked").is_none(), "it ended before it was killed");
        }
        common::signal(&child, end);
        let said = child.wait_with_output().expect("its last words");
        let err = String::from_utf8_lossy(&said.stderr);
        if end == "-TERM" {
            assert_eq!(said.status.code(), Some(130), "{err}");
            assert!(err.contains("runs finished; the same command goes on"), "{err}");
            assert!(err.contains("stopped and saved") || err.contains("success"), "{err}");
        }
    }
    // Those whose parent was killed have noticed, and go on where they were.
    let said = place.run(&arguments(&all)).good();
    assert!(said.err.contains("goes on from update"), "{}", said.err);
    for arm in arms(&unbroken, "widths") {
        let [own, expected] = [&place, &unbroken].map(|place| weights(&place.path("widths").join(&arm), 60));
        assert!(own == expected, "{arm}: the weights differ in some bit");
    }
}

#[test]
fn an_arm_that_fails_fails_alone_and_is_told_at_the_end() {
    let place = Place::new();
    let all = sweep(&["--grid", "train.lr=1e-3,1e30"]);
    let said = place.run(&arguments(&all));
    assert_eq!(said.bad_manners("1 of 2 runs did not finish; the same command tries them again\n  lr=1e30: "), None);
    assert!(said.err.contains("(widths/lr=1e30/log.txt)"), "{}", said.err);
    assert!(has_report(&place.path("widths/lr=0.001"), 12));
    assert!(said.out.contains("success"), "{}", said.out);
}

#[test]
fn what_is_wrong_in_any_arm_is_refused_before_anything_starts() {
    let place = Place::new();
    place.write(
        "arms.toml",
        "extends = \"tiny.toml\"\n[sweep]\nseeds = [1]\n[sweep.grid]\nencoder.widht = [8, 16]\ntrain.steps = [0, 12]\n",
    );
    let said = place.run(&["sweep", "arms.toml", "--out", "arms"]);
    assert_eq!(said.bad_manners("arms.toml:5: encoder.widht: no such key; did you mean `width`?"), None);
    assert!(said.err.contains("arms.toml:6: train.steps: found 0; expected"), "{}", said.err);
    assert_eq!(said.err.matches("widht").count(), 1, "what is wrong in every arm is told once: {}", said.err);
    for (more, told) in [
        (&["--grid", "encoder.width=8,x"][..], "--set encoder.width=x: encoder.width: found the text \"x\""),
        (&["--grid", "encoder.width"], "--set encoder.width=: encoder.width: "),
        (&["--grid", "encoder.width=8,8"], "there are two arms `width=8`"),
        (&["--grid", "planner.horizon=4", "--grid", "data.window.time=1,5"], "data.window.time"),
        (&["--grid", "device=cpu,gpu"], "no device `gpu`"),
        (&[], "nothing to sweep"),
        (&["--grid", "seed=1,2", "--seeds", "3"], "seed: the arm `seed=1,seed=3` sets it twice"),
    ] {
        let said = place.run(&[&["sweep", "tiny.toml", "--out", "arms"], more].concat());
        assert_eq!(said.bad_manners(told), None, "{more:?}");
    }
    for (table, told) in [
        ("grid.encoder.width = 8", "t.toml:3: sweep.grid.encoder.width: found 8; expected a list of values: [8]"),
        ("arms.wide = 8", "t.toml:3: sweep.arms.wide: found 8; expected a table"),
        ("arms.\"a/b\" = {}", "expected letters, digits and - _ ."),
        ("random = { draws = 0 }", "sweep.random.draws: found 0; expected"),
        ("random.keys.train.lr = { min = 1, max = 0 }", "sweep.random.keys.train.lr: from 1 to 0; expected min"),
        ("sedes = [1]", "sweep.sedes: no such key; did you mean `seeds`?"),
    ] {
        place.write("t.toml", format!("extends = \"tiny.toml\"\n[sweep]\n{table}\n"));
        assert_eq!(place.run(&["sweep", "t.toml", "--out", "arms"]).bad_manners(told), None, "{table}");
    }
    assert!(!place.path("arms").exists() && !place.path("runs").exists());
    std::fs::create_dir(place.path("full")).expect("a folder");
    place.write("full/thesis.tex", "");
    let said = place.run(&["sweep", "tiny.toml", "--seeds", "1..2", "--out", "full"]);
    assert_eq!(said.bad_manners("--out full: it is not empty and has no sweep.toml"), None);
}

#[test]
fn a_plan_may_grow_and_may_not_change() {
    let place = Place::new();
    let first = sweep(&["--seeds", "1"]);
    place.run(&arguments(&first)).good();
    let more = place.run(&arguments(&sweep(&["--seeds", "1..2"]))).good();
    assert!(more.err.contains("widths: the plan is extended by 1 run"), "{}", more.err);
    assert_eq!(arms(&place, "widths"), ["seed=1", "seed=2"]);
    let fewer = place.run(&arguments(&sweep(&["--seeds", "2"]))).good();
    assert!(fewer.err.contains("not in this plan, and left as they are: seed=1"), "{}", fewer.err);
    let plan = place.read("widths/sweep.toml");
    assert!(plan.contains("name = \"seed=1\"") && plan.contains("set = [\"seed=2\"]"), "{plan}");
    let other = place.run(&arguments(&sweep(&["--seeds", "1..2", "--set", "train.steps=14"])));
    assert_eq!(
        other.bad_manners("widths/seed=1/config.toml is another experiment: train.steps = 14 (the run: 12)"),
        None
    );
    assert_eq!(place.read("widths/sweep.toml"), plan);
}

/// Arms by name, draws, and a train on the same file.
const ARMS: &str = r#"
extends = "tiny.toml"

[eval]
tasks = 1
baselines = false
films = 0

[sweep]
seeds = [4]

[sweep.arms]
base = {}
deep = { predictor = { kind = "mlp", hidden = 8 }, encoder.latent = "vector" }

[sweep.random]
draws = 2

[sweep.random.keys]
train.lr = { min = 1e-4, max = 1e-2, log = true }
"#;

#[test]
fn arms_have_names_draws_their_values_and_train_leaves_a_sweep_aside() {
    let place = Place::new();
    place.write("arms.toml", ARMS);
    place.run(&["sweep", "arms.toml", "--out", "arms"]).good();
    let found = arms(&place, "arms");
    assert!(
        found.len() == 4 && found[0].starts_with("base,lr=0.00") && found[3].starts_with("deep,lr=0.00"),
        "{found:?}"
    );
    assert!(found.iter().all(|arm| arm.ends_with(",seed=4")), "{found:?}");
    let config = place.read(&format!("arms/{}/config.toml", found[3]));
    let lr = found[3].split("lr=").nth(1).and_then(|rest| rest.split(',').next()).expect("a rate");
    assert!(config.contains("kind = \"mlp\"") && config.contains(&format!("lr = {lr}")), "{config}");
    assert!(!config.contains("[sweep"), "an arm is one run");

    let said = place.run(&["train", "arms.toml"]).good();
    assert!(said.err.contains("one run of arms.toml, without its [sweep]"), "{}", said.err);
    assert!(!place.read(&format!("{}/config.toml", said.last())).contains("[sweep"));
    assert!(place.run(&["config", "arms.toml"]).good().out.contains("[sweep.arms"));
}

/// Slurm's command, as far as a sweep knows it.
#[cfg(unix)]
#[test]
fn slurm_is_handed_an_array_of_what_is_left() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    std::fs::create_dir(place.path("bin")).expect("a folder");
    place.write("bin/sbatch", "#!/bin/sh\ngrep -h '#SBATCH' \"$2\" > handed\necho 17\n");
    std::fs::set_permissions(place.path("bin/sbatch"), PermissionsExt::from_mode(0o755)).expect("a program");
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    place.write(
        "queue.toml",
        "extends = \"tiny.toml\"\n[sweep]\nseeds = [1, 2]\n[sweep.slurm]\ntime = 30\nexclusive = true\n",
    );
    let all = [&["sweep", "queue.toml", "--out", "queue", "--slurm", "--jobs", "1"], &QUICK[..]].concat();
    let said = place.run_with(&all, &[("PATH", &path)]).good();
    assert!(said.err.contains("job 17: 2 of 2 runs into queue"), "{}", said.err);
    let handed = place.read("handed");
    for line in ["--array=0,1%1", "--time=30", "--exclusive", "--requeue", "--signal=B:USR1@120"] {
        assert!(handed.lines().any(|found| found == format!("#SBATCH {line}")), "{line}\n{handed}");
    }
    let runs = place.read("queue/slurm/runs.txt");
    assert_eq!(runs.lines().map(|run| run.rsplit('/').next()).collect::<Vec<_>>(), [Some("seed=1"), Some("seed=2")]);

    // What the job does with a run; then one is left, and none.
    for (seed, told) in [(1, "job 17: 1 of 2 runs"), (2, "all 2 runs are finished")] {
        place.run(&["train", "--resume", &format!("queue/seed={seed}")]).good();
        let said = place.run_with(&all, &[("PATH", &path)]).good();
        assert!(said.err.contains(told), "{told}\n{}", said.err);
    }

    for (table, names) in
        [("array = \"1-3\"", "sweep.slurm.array"), ("gres = [1]", "sweep.slurm.gres"), ("Time = 1", "sweep.slurm.Time")]
    {
        place
            .write("wrong.toml", format!("extends = \"tiny.toml\"\n[sweep]\nseeds = [1, 2]\n[sweep.slurm]\n{table}\n"));
        let told = place.run(&["sweep", "wrong.toml", "--out", "wrong", "--slurm"]);
        assert_eq!(told.bad_manners(names), None, "{}", told.err);
        assert!(!place.path("wrong").exists());
    }
    let told = place.run_with(&["sweep", "queue.toml", "--out", "other", "--slurm"], &[("PATH", "/nowhere")]);
    assert_eq!(told.bad_manners("expected Slurm's commands"), None, "{}", told.err);
}

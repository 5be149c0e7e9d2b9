//! Whole journeys through the command line.

mod common;

use std::fs;
use std::path::Path;

use common::{Place, metrics, weights};
use serde_json::Value;

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn is_gif(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"GIF89a") && bytes.len() > 100)
}

#[test]
fn a_run_leaves_its_config_its_curves_its_checkpoints_its_reports_and_its_films() {
    let place = Place::new();
    let said = place.run(&["train", "tiny.toml", "--device", "cpu"]).good();
    assert!(said.out.contains("95 % interval"), "a table: {}", said.out);
    let name = said.last();
    assert!(name.starts_with("runs/tiny/") && name.ends_with("-seed1"), "the run's folder comes last: {name}");
    let run = place.path(name);
    assert!(place.read(&format!("{name}/config.toml")).starts_with("# gedanken "));
    assert!(files(&run).iter().any(|file| file.starts_with("events.out.tfevents")));
    assert_eq!(files(&run.join("checkpoints")), ["step-000009", "step-000012"], "the last two");
    let checkpoint = ["model.json", "model.safetensors", "optimizer.bpk", "state.json"];
    assert_eq!(files(&run.join("checkpoints/step-000012")), checkpoint);
    assert_eq!(files(&run.join("eval")), ["step-000006", "step-000012"]);
    assert_eq!(files(&run.join("eval/step-000012")), ["episodes.csv", "report.html", "report.json", "task-000.gif"]);
    let events = files(&run).into_iter().find(|file| file.starts_with("events.out.tfevents")).expect("events");
    let events = String::from_utf8_lossy(&fs::read(run.join(events)).expect("events")).into_owned();
    assert!(
        events.contains("final/model/success")
            && events.contains("final/expert/low")
            && events.contains("loss/shaping")
    );
    assert!(is_gif(&run.join("eval/step-000006/task-000.gif")) && is_gif(&run.join("eval/step-000012/task-000.gif")));

    let lines = metrics(&run);
    let with = |key: &str| lines.iter().filter(|line| line.get(key).is_some_and(Value::is_number)).count();
    for key in ["loss/total", "loss/prediction", "loss/variance", "loss/covariance", "loss/time_similarity"] {
        assert_eq!(with(key), 6, "{key}");
    }
    for key in ["loss/inverse_dynamics", "loss/distance", "loss/probe", "gradient/encoder", "gradient/predictor", "lr"]
    {
        assert_eq!(with(key), 6, "{key}");
    }
    for key in [
        "latent/effective_rank",
        "probe/agent",
        "probe/wall",
        "imagine/agent/imagined_4",
        "imagine/training_4",
        "imagine/validation_4",
        "rank_correlation/learned",
        "eval/model/success",
    ] {
        assert_eq!(with(key), 2, "{key}");
    }

    let report: Value = serde_json::from_str(&place.read(&format!("{name}/eval/step-000012/report.json"))).unwrap();
    let rows: Vec<&str> = report["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let expected = ["model", "uniform", "straight", "expert", "simulator-plain", "simulator-true", "model-true-cost"];
    assert_eq!(rows, expected);
    assert!(report["rows"].as_array().unwrap().iter().all(|row| row["episodes"].as_array().unwrap().len() == 3));
    assert_eq!(report["protocol"]["budget"], 6);

    // The same model, looked at again.
    let said = place.run(&["eval", name, "--json", "again.json", "--set", "eval.baselines=false"]).good();
    assert!(said.out.contains("model "), "{}", said.out);
    let again: Value = serde_json::from_str(&place.read("again.json")).unwrap();
    assert_eq!(again["rows"].as_array().unwrap().len(), 1);
    assert_eq!(
        again["rows"][0]["episodes"], report["rows"][0]["episodes"],
        "an evaluation is a function of its protocol"
    );
    assert_eq!(again["checks"], report["checks"]);
    assert_eq!(said.last(), format!("{name}/eval/step-000012-2"), "beside the first");
    assert_eq!(
        serde_json::from_str::<Value>(&place.read(&format!("{name}/eval/step-000012/report.json"))).unwrap(),
        report
    );

    // The whole ladder, with or without floors.
    assert!(
        report["blame"]["sentence"].as_str().is_some_and(|sentence| sentence.ends_with('.')),
        "{}",
        report["blame"]
    );
    let ladder = "eval.baselines=false eval.ladder=true eval.privileged_updates=20";
    let ladder: Vec<&str> = ladder.split(' ').flat_map(|setting| ["--set", setting]).collect();
    let said = place.run(&[&["eval", name, "--json", "ladder.json"], &ladder[..]].concat()).good();
    let ladder: Value = serde_json::from_str(&place.read("ladder.json")).unwrap();
    let rows: Vec<&str> = ladder["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let expected = ["model", "simulator-plain", "simulator-true", "true-dynamics", "privileged", "model-true-cost"];
    assert_eq!(rows, expected);
    assert!(said.out.contains(ladder["blame"]["sentence"].as_str().expect("a sentence")), "{}", said.out);

    let earlier = format!("{name}/checkpoints/step-000009");
    place.run(&["eval", &earlier, "--json", "earlier.json", "--set", "eval.tasks=1"]).good();
    assert_eq!(serde_json::from_str::<Value>(&place.read("earlier.json")).unwrap()["step"], 9);

    let said = place.run(&["plan", name, "--task", "2", "--film", "films/task.gif"]).good();
    assert_eq!(said.last(), "films/task.gif");
    assert!(is_gif(&place.path("films/task.gif")));

    // All planners on it.
    let bench = ["plan", "bench", name, "--tasks", "2", "--budgets", "40,120", "--json", "b.json", "--plot", "b.png"];
    let said = place.run(&bench).good();
    for planner in ["random", "cem", "icem", "mppi", "mppi-fixed", "gradient", "adam", "hybrid"] {
        assert_eq!(said.out.lines().filter(|line| line.starts_with(&format!("{planner} "))).count(), 2, "{planner}");
    }
    let bench: Value = serde_json::from_str(&place.read("b.json")).unwrap();
    for row in bench["rows"].as_array().unwrap() {
        let (budget, spent) = (row["budget"].as_f64().unwrap(), row["evaluations_per_plan"].as_f64().unwrap());
        assert!(spent < 1.6 * budget.max(80.0), "{} spent {spent} of {budget}", row["planner"]);
    }
    assert!(fs::read(place.path("b.png")).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")));
    let said = place.run(&["plan", "bench", name, "--planners", "cme"]);
    assert_eq!(said.bad_manners("no planner `cme`"), None);

    // Another planner has the same horizon.
    place
        .run(&["eval", name, "--set", "eval.baselines=false", "--set", "planner.kind=icem", "--json", "i.json"])
        .good();
    let icem: Value = serde_json::from_str(&place.read("i.json")).unwrap();
    assert_eq!(
        (&icem["planner"]["kind"], &icem["planner"]["horizon"]),
        (&"icem".into(), &report["planner"]["horizon"])
    );
    assert_ne!(icem["planner"]["horizon"], 16, "which is not the default");

    // What it keeps, and at what cost.
    let guardrail = r#"eval.guardrails=[{kind="keep-out", label="agent", center=[30.0, 30.0], radius=3.0}]"#;
    let said = place.run(&["eval", name, "--set", "eval.baselines=false", "--set", guardrail]).good();
    assert!(said.out.contains("unguarded") && said.out.contains("guardrails broken in"), "{}", said.out);
    let misspelt = guardrail.replace("radius", "raduis");
    assert_eq!(place.run(&["eval", name, "--set", &misspelt]).bad_manners("eval.guardrails"), None);
}

#[test]
fn a_dataset_is_collected_inspected_and_trained_from() {
    let place = Place::new();
    assert_eq!(place.run(&["collect", "tiny.toml", "--out", "rooms"]).good().last(), "rooms");
    let said = place.run(&["data", "inspect", "rooms"]).good();
    assert!(said.out.contains("two-rooms") && said.out.contains("12"), "{}", said.out);
    let said = place.run(&["data", "inspect", "rooms", "--json"]).good();
    assert!(serde_json::from_str::<Value>(&said.out).unwrap().is_object());
    let again = place.run(&["collect", "tiny.toml", "--out", "rooms"]);
    assert_eq!(again.bad_manners("rooms"), None, "a dataset is never overwritten");
    let from = ["collect", "tiny.toml", "--from", "rooms/shard-00000.safetensors", "--out", "others"];
    assert_eq!(place.run(&from).bad_manners("expected a column `ep_len`"), None, "frames alone are no episodes");
    assert!(!place.path("others").exists());

    let from_disk = ["--set", "data.source=disk", "--set", "data.path=rooms", "--set", "eval.tasks=1"];
    let run = place.train(&from_disk);
    let elsewhere =
        [&["train", "tiny.toml", "--set", "env.walls=fixed", "--set", "train.steps=1"], &from_disk[..]].concat();
    let said = place.run(&elsewhere).good();
    assert!(said.err.contains("rooms was made with env.walls = \"random\", here \"fixed\""), "{}", said.err);
    assert!(place.path(&run).join("checkpoints/step-000012").is_dir());
    let other = place.run(&[&["train", "tiny.toml", "--set", "data.path=rooms"][..]].concat());
    assert_eq!(other.bad_manners("data.path"), None, "a path beside a stream means nothing");
}

#[test]
fn environments_are_seen_from_outside() {
    let place = Place::new();
    let said = place.run(&["envs"]).good();
    assert!(said.out.contains("two-rooms") && said.out.contains("door_half_width"), "{}", said.out);
    let listed: Value = serde_json::from_str(&place.run(&["envs", "--json"]).good().out).unwrap();
    let rooms = &listed.as_array().unwrap()[0];
    assert_eq!((rooms["name"].as_str(), rooms["observation"]["height"].as_u64()), (Some("two-rooms"), Some(65)));
    assert!(rooms["factors"].as_array().is_some_and(|factors| !factors.is_empty()) && rooms["options"].is_object());

    let state = ["--state", "[20, 30, 32, 18]"];
    let draw = |size, out| [&["render", "two-rooms", "--size", size, "--out", out], &state[..]].concat();
    place.run(&draw("260", "state.png")).good();
    let picture = fs::read(place.path("state.png")).unwrap();
    // The header of a PNG: width and height.
    assert_eq!((&picture[1..4], &picture[16..24]), (&b"PNG"[..], &[0, 0, 1, 4, 0, 0, 1, 4][..]));
    assert_eq!(place.run(&draw("100", "no.png")).bad_manners("--size"), None);

    place.write("actions.csv", "dx,dy\n1,0\n0.5,-2\n0,0\n");
    let out = ["--actions", "actions.csv", "--out", "states.csv"];
    place.run(&[&["rollout", "two-rooms"], &state[..], &out[..]].concat()).good();
    let states = place.read("states.csv");
    place.write("actions.csv", "\u{feff}1,0\n0.5,-2\n0,0\n");
    place.run(&[&["rollout", "two-rooms"], &state[..], &out[..]].concat()).good();
    assert_eq!(place.read("states.csv"), states, "with a byte order mark and without a header");
    let csv = place.read("states.csv");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 5, "a header, the start, three steps");
    assert_eq!(&rows[0][..4], ["x", "y", "wall_x", "door_y"]);
    let at = |row: usize| [0, 1].map(|i| rows[row][i].parse::<f64>().unwrap());
    assert_eq!([at(1), at(2), at(3), at(4)], [[20.0, 30.0], [21.0, 30.0], [21.5, 28.0], [21.5, 28.0]]);
}

#[test]
fn the_printed_config_trains_to_the_same_numbers() {
    let place = Place::new();
    let said = place.run(&["config", "tiny.toml", "--set", "train.steps=4", "--set", "train.lr=0.0017"]).good();
    assert!(said.out.contains("lr = 0.0017") && said.out.contains("weight_decay"), "{}", said.out);
    place.write("whole.toml", &said.out);
    assert_eq!(place.run(&["config", "whole.toml"]).good().out, said.out, "and prints as itself");

    let quick = ["--set", "eval.tasks=1", "--set", "eval.baselines=false"];
    let run = place.train(&[&["--set", "train.steps=4", "--set", "train.lr=0.0017"], &quick[..]].concat());
    let again = place.run(&[&["train", "whole.toml"], &quick[..]].concat()).good();
    let stored = format!("{run}/config.toml");
    let third = place.run(&["train", &stored]).good();
    for other in [again.last(), third.last()] {
        assert_eq!(weights(&place.path(&run), 4), weights(&place.path(other), 4));
        assert_eq!(metrics(&place.path(&run)), metrics(&place.path(other)));
    }
}

#[test]
fn the_schema_describes_experiments_in_words_that_the_program_checks() {
    let place = Place::new();
    let schema: Value = serde_json::from_str(&place.run(&["schema"]).good().out).unwrap();
    assert!(schema["$schema"].as_str().is_some_and(|draft| draft.contains("json-schema.org")));
    for part in ["env", "data", "encoder", "predictor", "target", "loss", "train", "planner", "eval", "collect"] {
        assert!(schema["properties"][part]["description"].is_string(), "{part} has a description");
    }
    assert_eq!(gedanken::config::unknown_keywords(&schema), Vec::<String>::new());
}

#[test]
fn every_command_shows_an_example_in_its_help() {
    let place = Place::new();
    let commands: [&[&str]; 11] = [
        &["train"],
        &["eval"],
        &["plan"],
        &["probe"],
        &["collect"],
        &["data", "inspect"],
        &["envs"],
        &["render"],
        &["rollout"],
        &["config"],
        &["schema"],
    ];
    for command in commands {
        let said = place.run(&[command, &["--help"]].concat()).good();
        assert!(said.out.contains(&format!("Example: gedanken {}", command.join(" "))), "{}", said.out);
    }
    let said = place.run(&["--help"]).good();
    assert!(commands.iter().all(|command| said.out.contains(&format!("  {}", command[0]))), "{}", said.out);
}

#[test]
fn a_device_is_chosen_by_its_name() {
    let place = Place::new();
    let said = place.run(&["train", "tiny.toml", "--device", "gpu"]);
    assert_eq!(said.bad_manners("no device `gpu`"), None);
    let said = place.run(&["train", "tiny.toml", "--device", "cpu", "--set", "precision=f16"]);
    assert_eq!(said.bad_manners("cpu does not multiply in f16; expected f32 (--set precision=f32)"), None);
    let said = place.run(&["train", "tiny.toml", "--device", "wgpu:77"]);
    assert_eq!(said.bad_manners("wgpu:77"), None);
}

#[test]
fn a_bench_times_every_part_and_exports_what_another_program_needs() {
    let place = Place::new();
    let bench =
        |more: &[&str]| place.run(&[&["bench", "tiny.toml", "--seconds", "0", "--json", "b.json"], more].concat());
    let said = bench(&["--export", "twin"]).good();
    let first: Value = serde_json::from_str(&place.read("b.json")).expect("JSON");
    let costs = first["costs"].as_array().expect("costs");
    let names: Vec<&str> = costs.iter().filter_map(|cost| cost["name"].as_str()).collect();
    assert_eq!(
        names,
        ["step", "picture", "batch", "encoder", "encoder_step", "rollout", "plan", "training_step"],
        "{}",
        said.out
    );
    assert!(costs.iter().all(|cost| cost["milliseconds"].as_f64().is_some_and(|ms| ms > 0.0)), "{costs:?}");
    assert_eq!(files(&place.path("twin")), ["batch.safetensors", "bench.json", "model.json", "model.safetensors"]);
    let sizes: Value = serde_json::from_str(&place.read("twin/bench.json")).expect("JSON");
    assert_eq!([&sizes["layouts"], &sizes["rollout"]["rows"], &sizes["rollout"]["steps"]], [2, 64, 4]);
    // What is timed does not depend on when.
    bench(&[]).good();
    let second: Value = serde_json::from_str(&place.read("b.json")).expect("JSON");
    assert_eq!((&first["loss"], &first["rollout_mean"]), (&second["loss"], &second["rollout_mean"]));
    let wrong = place.run(&["bench", "tiny.toml", "--seconds", "7200"]);
    assert_eq!(wrong.bad_manners("--seconds 7200; expected 0 to 3600"), None);
}

//! Evaluations say what their numbers depend on, and do what the command line says.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Place, TINY};
use serde_json::{Value, json};

fn json_of(place: &Place, file: &str) -> Value {
    serde_json::from_str(&place.read(file)).expect("JSON")
}

/// Trains without floors, ceilings and films, which most of these tests need not.
fn quick(place: &Place, more: &[&str]) -> String {
    place.train(&[&["--set", "eval.baselines=false", "--set", "eval.films=0"], more].concat())
}

#[test]
fn a_report_names_all_that_its_number_depends_on() {
    let place = Place::new();
    place.run(&["collect", "tiny.toml", "--out", "rooms"]).good();
    let disk = ["data.source=disk", "data.path=rooms", "data.validation=0.25", "eval.tasks_from=recorded"];
    let disk: Vec<&str> = disk.iter().flat_map(|set| ["--set", set]).chain(["--set", "eval.goal_offset=6"]).collect();
    let run = quick(&place, &disk);
    let own = json_of(&place, &format!("{run}/eval/step-000012/report.json"));
    let provenance = &own["provenance"];
    assert_eq!(provenance["program"], concat!("gedanken ", env!("CARGO_PKG_VERSION")));
    assert_eq!((&provenance["overrides"], &provenance["differs"]), (&json!([]), &json!([])));
    assert_eq!(provenance["env"]["rule"], "stop");
    assert_eq!(provenance["env"]["factors"]["action_noise"], 0.0, "also what nobody set");
    assert_eq!((&provenance["splits"], &provenance["task_seeds"]), (&json!(["validation"]), &json!([20_000])));
    let state = json_of(&place, &format!("{run}/checkpoints/step-000012/state.json"));
    assert_eq!(provenance["checkpoint"]["crc32"], state["crc32"]["model.safetensors"]);
    assert_eq!(provenance["checkpoint"]["step"], 12);
    let manifest: toml::Table = place.read("rooms/dataset.toml").parse().expect("TOML");
    let shard = manifest["shards"][0]["crc32"].as_integer();
    assert_eq!(provenance["dataset"]["shards_crc32"][0].as_i64(), shard);
    assert_eq!(provenance["dataset"]["seed"].to_string(), manifest["seed"].as_str().expect("a seed"));
    assert_eq!(provenance["dataset"]["path"], "rooms");
    for key in ["os", "cpu", "device"] {
        assert!(provenance["machine"][key].as_str().is_some_and(|said| !said.is_empty()), "{key}: {provenance}");
    }
    assert!(provenance["machine"]["threads"].as_u64() >= Some(1));

    let sets = ["--set", "eval.env.rule=bounce", "--set", "eval.env.factors.action_noise=1", "--set", "eval.seed=7"];
    let said = place.run(&[&["eval", &run, "--json", "shifted.json"], &sets[..]].concat()).good();
    let shifted = json_of(&place, "shifted.json")["provenance"].clone();
    assert_eq!(shifted["env"]["rule"], "bounce");
    assert_eq!(shifted["env"]["factors"]["action_noise"], 1.0);
    assert_eq!(shifted["overrides"], json!([sets[1], sets[3], sets[5]]));
    assert_eq!(shifted["task_seeds"], json!([7]));
    let line = said.out.lines().find(|line| line.starts_with("other than the run: ")).expect("a line of what differs");
    for key in ["eval.env.rule = \"bounce\"", "eval.env.factors.action_noise = 1", "eval.seed = 7 (the run: 20000)"] {
        assert!(line.contains(key), "{key}: {line}");
    }
    assert!(!line.contains("eval.budget"), "what is as in the run is not told: {line}");

    // So do other measures of a model.
    let plain = place.run(&["probe", &run, "--frames", "100", "--test-frames", "50", "--json", "probes.json"]).good();
    assert!(!plain.out.contains("other than the run"), "{}", plain.out);
    assert_eq!(json_of(&place, "probes.json")["provenance"]["checkpoint"], provenance["checkpoint"]);
    let bench = ["plan", "bench", &run, "--tasks", "1", "--budgets", "40", "--planners", "random", "--json", "b.json"];
    place.run(&bench).good();
    assert_eq!(json_of(&place, "b.json")["provenance"]["env"], provenance["env"]);
}

#[test]
fn the_training_s_own_world_can_be_shifted_too() {
    let place = Place::new();
    let run = quick(&place, &[]);
    let sets = ["--set", "env.rule=bounce", "--set", "env.factors.action_noise=1", "--json", "shifted.json"];
    let said = place.run(&[&["eval", &run], &sets[..]].concat()).good();
    let env = &json_of(&place, "shifted.json")["provenance"]["env"];
    assert_eq!((&env["rule"], &env["factors"]["action_noise"]), (&json!("bounce"), &json!(1.0)));
    assert!(said.out.contains("env.rule = \"bounce\" (the run: \"stop\")"), "{}", said.out);
}

#[test]
fn actions_of_another_meaning_are_refused_whatever_their_count() {
    let place = Place::new();
    let policies = |table: &str| format!("[{table}.policies]\nheading = 0.5\ndoor = 0.5\n");
    let push = TINY.replace(&policies("data"), "").replace(&policies("collect"), "");
    let push = push.replace("name = \"two-rooms\"", "name = \"push-t\"\nsize = 26");
    place.write("tiny.toml", push);
    let run = quick(&place, &[]);
    for key in ["eval.env.action", "env.action"] {
        for command in [&["eval", &run][..], &["plan", &run, "--film", "film.gif"]] {
            let said = place.run(&[command, &["--set", &format!("{key}=absolute")]].concat());
            assert_eq!(said.bad_manners("actions from [0.0, 0.0] to [512.0, 512.0]"), None, "{key}");
        }
    }
    for command in [&["probe", &run][..], &["train", "--resume", &run]] {
        let said = place.run(&[command, &["--set", "env.action=absolute"]].concat());
        assert_eq!(said.bad_manners("the model was made for actions from [-1.0, -1.0]"), None);
    }
    // Nor does a dataset of the one train a model of the other.
    place.run(&["collect", "tiny.toml", "--out", "pushes", "--set", "collect.layouts=2"]).good();
    let sets = ["--set", "data.source=disk", "--set", "data.path=pushes", "--set", "env.action=absolute"];
    assert_eq!(place.run(&[&["train", "tiny.toml"], &sets[..]].concat()).bad_manners("dataset.toml: action"), None);
}

#[test]
fn an_evaluation_goes_where_it_is_sent_and_needs_no_run_s_folder_to_write_to() {
    let place = Place::new();
    let run = quick(&place, &[]);
    let said = place.run(&["eval", &run, "--out", "elsewhere", "--set", "eval.films=1"]).good();
    assert_eq!(said.last(), "elsewhere");
    assert!(place.path("elsewhere/task-000.gif").exists() && place.path("elsewhere/episodes.csv").exists());
    let page = place.read("elsewhere/report.html");
    for told in [
        "0.0 %",
        "data:image/gif;base64,R0lGOD",
        "loss/prediction",
        "A probe reads agent",
        "checkpoint.crc32",
        "not reached: ",
    ] {
        assert!(page.contains(told), "the page has no {told}");
    }
    assert!(!page.contains("http"), "the page needs nothing beside it");
    assert!(!place.path(&format!("{run}/eval/step-000012-2")).exists());
    assert_eq!(place.run(&["eval", &run, "--out", "elsewhere"]).bad_manners("there is an evaluation in it"), None);
    assert!(!place.path("elsewhere/.evaluating").exists());

    // While another process writes into it.
    fs::create_dir(place.path("shared")).expect("a folder");
    let other = fs::File::create(place.path("shared/.evaluating")).expect("a file");
    other.lock().expect("a lock");
    let into_it = || place.run(&["eval", &run, "--out", "shared"]);
    assert_eq!(into_it().bad_manners("shared is in use by another process"), None);
    drop(other);
    into_it().good();

    // A folder in which nothing can be made.
    let evaluations = place.path(&format!("{run}/eval"));
    fs::remove_dir_all(&evaluations).expect("the evaluations so far");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/nowhere/at/all", &evaluations).expect("a link to nothing");
        assert_eq!(place.run(&["eval", &run]).bad_manners("--out DIR writes the evaluation elsewhere"), None);
        let said = place.run(&["eval", &run, "--json", "alone.json"]).good();
        assert!(said.err.contains("the report goes into alone.json alone"), "{}", said.err);
        assert_eq!(said.last(), "alone.json");
        assert_eq!(json_of(&place, "alone.json")["rows"][0]["name"], "model");
        place.run(&["eval", &run, "--out", "third"]).good();
        assert_eq!(json_of(&place, "third/report.json")["rows"][0]["name"], "model");
    }
}

#[test]
fn the_ending_of_a_name_is_the_format_of_the_file() {
    let place = Place::new();
    // Nothing is looked at before: there is no such run.
    assert_eq!(
        place.run(&["plan", "none", "--film", "q.mp4"]).bad_manners("q.mp4: expected a name that ends in .gif"),
        None
    );
    assert_eq!(
        place.run(&["plan", "bench", "none", "--plot", "q"]).bad_manners("q: expected a name that ends in .png"),
        None
    );
    let render = |name: &str| place.run(&["render", "two-rooms", "--out", name]);
    assert_eq!(render("x.jpg").bad_manners("x.jpg: expected a name that ends in .png"), None);
    assert!(!place.path("x.jpg").exists());
    render("x.PNG").good();
}

#[test]
fn a_task_is_planned_alone_as_in_the_evaluation() {
    let place = Place::new();
    let run = quick(&place, &["--set", "eval.films=3"]);
    let film = |name: &str| fs::read(place.path(name)).expect("a film");
    for task in ["0", "2"] {
        let said = place.run(&["plan", &run, "--task", task, "--film", "film.gif"]).good();
        assert!(said.out.starts_with(&format!("task {task}: not reached: ")), "{}", said.out);
        assert_eq!(said.last(), "film.gif");
        assert_eq!(film("film.gif"), film(&format!("{run}/eval/step-000012/task-00{task}.gif")), "task {task}");
    }
    let start = Instant::now();
    place.run(&["plan", &run, "--task", "900000", "--film", "film.gif"]).good();
    assert!(start.elapsed() < Duration::from_secs(20), "one task, not 900,001: {:?}", start.elapsed());
}

#[test]
fn several_seeds_are_several_evaluations_in_one() {
    let place = Place::new();
    let run = quick(&place, &[]);
    let eval = |sets: &[&str], json: &str| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        place.run(&[&["eval", &run, "--json", json], &sets[..]].concat()).good()
    };
    let rule = ["eval.rule=ever", "eval.radius=15", "eval.baselines=true"];
    let said = eval(&[&rule[..], &["eval.seeds=3"]].concat(), "three.json");
    assert!(said.out.contains("3 tasks (of each of 3 seeds from 20000 on)"), "{}", said.out);
    assert!(said.out.contains("seed by seed: "), "{}", said.out);
    let three = json_of(&place, "three.json");
    assert_eq!(three["provenance"]["task_seeds"], json!([20_000, 20_001, 20_002]));
    // Each as it is alone.
    let said = eval(&[&rule[..], &["eval.seed=20001"]].concat(), "alone.json");
    assert!(!said.out.contains("seed by seed"), "{}", said.out);
    let alone = json_of(&place, "alone.json");
    for (row, number) in three["rows"].as_array().expect("rows").iter().zip(0..) {
        let rates: Vec<f64> =
            row["seeds"].as_array().expect("rates").iter().filter_map(|rate| rate["success"].as_f64()).collect();
        let mean = rates.iter().sum::<f64>() / 3.0;
        assert!(rates.len() == 3 && (mean - row["success"].as_f64().expect("a rate")).abs() < 1e-9, "{rates:?}");
        let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((variance.sqrt() - row["seeds_std"].as_f64().expect("a spread")).abs() < 1e-9, "{rates:?}");
        let episodes = row["episodes"].as_array().expect("episodes");
        assert_eq!(episodes.len(), 9);
        let ends = |episodes: &[Value]| episodes.iter().map(|episode| episode["end"].clone()).collect::<Vec<_>>();
        assert_eq!(
            ends(&episodes[3..6]),
            ends(alone["rows"][number].get("episodes").and_then(Value::as_array).expect("episodes"))
        );
        assert_eq!(alone["rows"][number]["success"], row["seeds"][1]["success"]);
    }
    assert_eq!(place.run(&["eval", &run, "--set", "eval.seeds=0"]).bad_manners("eval.seeds"), None);
}

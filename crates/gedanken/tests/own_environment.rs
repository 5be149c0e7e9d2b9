//! The environment of `docs/own-environment.md` keeps its promises and has every command, and one without capabilities has
//! every command that needs none.

mod common;
#[path = "../examples/own_environment/field.rs"]
mod own_environment;

use std::process::{Command, Output};

use common::{Place, TINY, metrics, weights};
use gedanken::env::{Entry, Env, EnvError, Spec, conformance};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Set where this test is to be the program of the user's crate.
const ARGUMENTS: &str = "GEDANKEN_TEST_ARGUMENTS";

/// Runs the program with the user's environment in it: this test's own binary, told to be it.
fn run(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this test has a binary"));
    command.args(["--exact", "the_program_of_the_user", "--nocapture"]).current_dir(place.path("."));
    command.env(ARGUMENTS, arguments.join("\n")).output().expect("the program starts")
}

fn good(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_program_of_the_user() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let arguments = std::iter::once("gedanken").chain(arguments.lines());
    let parts = gedanken::parts().environment(own_environment::entry()).environment(bare());
    let code = gedanken::run(parts, arguments);
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

#[test]
fn the_field_keeps_its_promises() {
    let entry = own_environment::entry();
    let mut env = entry.make(&entry.defaults()).expect("the defaults are good");
    assert_eq!(conformance::check(env.as_mut()), Ok(()));
}

/// `tiny.toml` in the field.
fn field() -> String {
    let text = TINY
        .replace("name = \"tiny\"", "name = \"field\"")
        .replace("name = \"two-rooms\"", "name = \"field\"\nsuccess_radius = 1.0")
        .replace("heading = 0.5\ndoor = 0.5", "wander = 1.0");
    text.replace("patch = 13", "patch = 4")
}

#[test]
fn the_experiment_of_a_new_crate_trains_in_its_environment() {
    let place = Place::new();
    place.run(&["new", "field"]).good();
    let short = ["--set", "train.steps=4", "--set", "train.eval_every=4", "--set", "eval.tasks=2", "--device", "cpu"];
    let said = good(run(&place, &[&["train", "field/field.toml"], &short[..]].concat()));
    assert!(said.contains("simulator-plain   100.0 %"), "the planner reaches every goal: {said}");
}

#[test]
fn the_field_has_every_command() {
    let place = Place::new();
    place.write("field.toml", field());
    let listed = good(run(&place, &["envs", "--json"]));
    let json = &listed[listed.find('[').expect("a list")..=listed.rfind(']').expect("a list")];
    let json = &json[json.find("[\n").unwrap_or(0)..];
    let listed: Value = serde_json::from_str(json).expect("JSON");
    assert!(listed.as_array().expect("a list").iter().any(|env| env["name"] == "field"));

    let said = good(run(&place, &["train", "field.toml", "--device", "cpu"]));
    let name = said.lines().find(|line| line.starts_with("runs/field/")).expect("the run's folder").to_owned();
    let folder = place.path(&name);
    assert!(!weights(&folder, 12).is_empty());
    assert!(metrics(&folder).iter().any(|line| line.get("probe/agent").is_some()));
    let report: Value =
        serde_json::from_str(&place.read(&format!("{name}/eval/step-000012/report.json"))).expect("JSON");
    let rows: Vec<&Value> = report["rows"].as_array().expect("rows").iter().map(|row| &row["name"]).collect();
    let expected = ["model", "simulator-plain", "model-plain-cost"];
    assert_eq!(rows, expected, "what needs no policy by a known name and no true cost-to-go");
    assert_eq!(report["radius"], 1.0);

    good(run(&place, &["plan", &name, "--film", "field.gif"]));
    assert!(place.path("field.gif").is_file());
    good(run(&place, &["collect", "field.toml", "--out", "field"]));
    good(run(&place, &["data", "inspect", "field"]));
    good(run(&place, &["render", "field", "--state", "[3, 4, 10, 11]", "--size", "64", "--out", "field.png"]));

    // Gedanken's own program does not know the field, and says which environments it knows.
    assert_eq!(place.run(&["eval", &name]).bad_manners("two-rooms"), None);
    let two_rooms = format!("{name}/config.toml");
    let text = place.read(&two_rooms).replace("name = \"field\"\nsuccess_radius = 1.0", "name = \"two-rooms\"");
    let text = text.replace("wander = 1.0", "door = 1.0").replace("patch = 4", "patch = 13");
    place.write(&two_rooms, text);
    let said = place.run(&["eval", &name]);
    assert_eq!(said.bad_manners("the model was made for pictures of 1 x 16 x 16"), None);
    assert!(said.bad_manners("config.toml").is_none());
}

/// The field with the six methods that every environment has, and nothing else.
#[derive(Clone)]
struct Bare {
    spec: Spec,
    field: Box<dyn Env>,
}

impl Env for Bare {
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn reset(&mut self, seed: u64) {
        self.field.reset(seed);
    }
    fn step(&mut self, action: &[f32]) {
        self.field.step(action);
    }
    fn observe(&self, pixels: &mut [u8]) {
        self.field.observe(pixels);
    }
    fn state(&self, out: &mut [f64]) {
        self.field.state(out);
    }
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        self.field.set_state(state)
    }
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

fn bare() -> Entry<dyn Env> {
    gedanken::env::entry("bare", |_: NoOptions| {
        let field = own_environment::entry().make(&serde_json::json!({}))?;
        let Spec { observation, action, state, .. } = field.spec().clone();
        Ok(Bare { spec: Spec::new("bare", "A dot on an open field.", observation, action, state), field })
    })
}

#[test]
fn an_environment_without_capabilities_has_every_command_that_needs_none() {
    let mut env = bare().make(&serde_json::json!({})).expect("there are no options");
    assert_eq!(conformance::check(env.as_mut()), Ok(()));

    let place = Place::new();
    place.write(
        "bare.toml",
        field().replace("field", "bare").replace("success_radius = 1.0\n", "").replace("wander", "uniform"),
    );
    let said = good(run(&place, &["train", "bare.toml", "--device", "cpu"]));
    let name = said.lines().find(|line| line.starts_with("runs/bare/")).expect("the run's folder").to_owned();
    let folder = place.path(&name);
    assert!(!weights(&folder, 12).is_empty());
    let metrics = metrics(&folder);
    assert!(metrics.iter().any(|line| line.get("worthiness/rank").is_some()), "what needs no capability is measured");
    assert!(metrics.iter().all(|line| line.get("probe/agent").is_none() && line.get("loss/probe").is_none()));
    let report =
        std::fs::read_to_string(folder.join("eval/step-000012/report.json")).expect("imagination is the result");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["rows"], serde_json::json!([]));
    assert!(report["worthiness"]["retrieval"]["found"].is_number());

    assert!(good(run(&place, &["envs"])).contains("bare: A dot on an open field."));
    assert!(good(run(&place, &["config", "bare.toml"])).contains("name = \"bare\""));
    good(run(&place, &["bench", "bare.toml", "--device", "cpu", "--seconds", "0"]));
    good(run(&place, &["collect", "bare.toml", "--out", "bare"]));
    assert!(good(run(&place, &["data", "inspect", "bare"])).contains("policy uniform"));
    let disk = ["--set", "data.source=disk", "--set", "data.path=bare"];
    good(run(&place, &[&["train", "bare.toml", "--device", "cpu"], &disk[..]].concat()));
    good(run(&place, &["render", "bare", "--state", "[3, 4, 10, 11]", "--out", "bare.png"]));
    place.write("actions.csv", "0.5, 0.5\n1, -1\n");
    good(run(&place, &["rollout", "bare", "--actions", "actions.csv", "--out", "states.csv"]));
    assert_eq!(place.read("states.csv").lines().count(), 4);

    assert!(good(run(&place, &["eval", &name])).contains("bare: no task; what is measured is imagination"));

    for (command, lacks) in [
        (vec!["plan", &name, "--film", "bare.gif"], "bare has no task"),
        (vec!["plan", "bench", &name], "bare has no task"),
        (vec!["probe", &name], "bare has no labels"),
    ] {
        let output = run(&place, &command);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(lacks), "{command:?}: {error}");
        assert!(!error.contains("panicked"), "{command:?}: {error}");
    }
}

//! A run goes on with another loss, and a new run starts from the weights of another one.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Place, metrics, weights};
use safetensors::SafeTensors;
use serde_json::Value;

/// Hardly any evaluation to wait for.
const QUICK: [&str; 6] = ["--set", "eval.tasks=1", "--set", "eval.baselines=false", "--set", "eval.films=0"];
/// Updates that leave the weights where they are.
const STILL: [&str; 6] = ["--set", "train.lr=0", "--set", "train.final_lr=0", "--set", "train.weight_decay=0"];

fn train(place: &Place, more: &[&str]) -> String {
    place.train(&[&QUICK[..], more].concat())
}

/// The tensors of a run's last checkpoint, by name.
fn tensors(place: &Place, run: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = weights(&place.path(run), 12);
    let file = SafeTensors::deserialize(&bytes).expect("a weights file");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

/// Those of one part: a field of the model, or a term of its loss.
fn part(tensors: &BTreeMap<String, Vec<u8>>, part: &str) -> BTreeMap<String, Vec<u8>> {
    let inside = |name: &str| name.strip_prefix("terms.").unwrap_or(name).starts_with(&format!("{part}."));
    let part: BTreeMap<_, _> = tensors.clone().into_iter().filter(|(name, _)| inside(name)).collect();
    assert!(!part.is_empty());
    part
}

const PARTS: [&str; 5] = ["encoder", "predictor", "inverse_dynamics", "probe", "distance.online"];

/// The parts in which two runs are equal, bit by bit.
fn equal(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Vec<&'static str> {
    PARTS.into_iter().filter(|name| part(a, name) == part(b, name)).collect()
}

#[test]
fn a_run_goes_on_with_other_weights_of_its_loss_and_remembers_them() {
    let place = Place::new();
    let run = train(&place, &[]);
    let resume = |more: &[&str]| place.run(&[&["train", "--resume", &run], more].concat());
    let changed = ["--set", "loss.sigreg.weight=0.25", "--set", "loss.variance.margin=2.5", "--set", "train.steps=14"];
    resume(&changed).good();
    let config = place.read(&format!("{run}/config.toml"));
    let config: Value = serde_json::to_value(config.parse::<toml::Table>().expect("TOML")).expect("JSON");
    assert_eq!(config["loss"]["sigreg"]["weight"], 0.25);
    assert_eq!(config["loss"]["variance"]["margin"], 2.5);
    let model: Value = serde_json::from_str(&place.read(&format!("{run}/checkpoints/step-000014/model.json"))).unwrap();
    assert_eq!(model["model"]["loss"], config["loss"], "the checkpoint says the same");
    let lines = metrics(&place.path(&run));
    let steps = |key: &str| -> Vec<u64> {
        lines.iter().filter(|line| line.get(key).is_some()).filter_map(|line| line["step"].as_u64()).collect()
    };
    assert_eq!((steps("loss/sigreg"), steps("loss/variance").len()), (vec![14], 7));

    // It goes on from there, and is evaluated under any loss.
    let said = resume(&["--set", "train.steps=16"]).good();
    assert!(said.err.contains("update 14 of 16"), "{}", said.err);
    place.run(&["eval", &run, "--set", "loss.covariance.weight=0"]).good();

    // A head has weights of its own, which a run has from its start or never.
    let config = place.read(&format!("{run}/config.toml"));
    for set in ["loss.ensemble.members=2", "loss.probe.weight=0"] {
        let head = set.split('.').nth(1).expect("a head");
        let said = resume(&["--set", set, "--set", "train.steps=18"]);
        assert_eq!(said.bad_manners(&format!("loss.{head}: a head with weights of its own")), None);
        assert_eq!(said.bad_manners(&format!("a new run may start from this one: from = \"{run}\"")), None);
    }
    assert_eq!(place.read(&format!("{run}/config.toml")), config, "what is refused changes nothing");
}

#[test]
fn a_weight_on_a_schedule_goes_on_bit_by_bit() {
    let place = Place::new();
    let schedules = [
        "--set",
        "loss.variance.weight={ from = 16.0, to = 1.0, steps = 8 }",
        "--set",
        "loss.sigreg.weight={ from = 0.0, to = 0.5, shape = \"cosine\" }",
    ];
    let run = train(&place, &schedules);
    let (unbroken, expected) = (weights(&place.path(&run), 12), metrics(&place.path(&run)));
    std::fs::remove_dir_all(place.path(&run).join("checkpoints/step-000012")).expect("a checkpoint");
    place.run(&["train", "--resume", &run]).good();
    assert!(weights(&place.path(&run), 12) == unbroken, "the weights differ in some bit");
    assert_eq!(metrics(&place.path(&run)), expected);
    let constant = train(&place, &["--set", "loss.sigreg.weight=0.5"]);
    assert!(weights(&place.path(&constant), 12) != unbroken, "a schedule is another loss");

    let wrong = |set: &str| place.run(&["train", "tiny.toml", "--set", set]);
    assert_eq!(wrong("loss.variance.weight={ from = 16.0, too = 1.0 }").bad_manners("loss.variance.weight"), None);
    assert_eq!(wrong("loss.variance.weight=-1").bad_manners("loss.variance.weight"), None);
}

#[test]
fn a_run_starts_from_all_that_fits_of_another() {
    let place = Place::new();
    let source = train(&place, &[]);
    let from = format!("from={source}");
    let still = train(&place, &[&["--set", &from, "--set", "seed=2"], &STILL[..]].concat());
    assert_eq!(equal(&tensors(&place, &source), &tensors(&place, &still)), PARTS);

    // What there is and what fits is told.
    let other = ["--set", &from, "--set", "predictor.width=16", "--set", "loss.probe.weight=0"];
    let said = place.run(&[&["train", "tiny.toml"], &QUICK[..], &other[..]].concat()).good();
    let told = format!("from {source}/checkpoints/step-000012: ");
    assert!(said.err.contains(&told) && said.err.contains("tensors taken (distance, encoder"), "{}", said.err);
    assert!(said.err.contains("left there (probe)"), "{}", said.err);
    assert!(said.err.contains("predictor.") && said.err.contains("does not fit: ["), "{}", said.err);

    // A run that started from another goes on without it.
    let goes_on = train(&place, &["--set", &from]);
    let unbroken = weights(&place.path(&goes_on), 12);
    std::fs::remove_dir_all(place.path(&goes_on).join("checkpoints/step-000012")).expect("a checkpoint");
    std::fs::remove_dir_all(place.path(&source)).expect("the source");
    place.run(&["train", "--resume", &goes_on]).good();
    assert!(weights(&place.path(&goes_on), 12) == unbroken, "the weights differ in some bit");
    assert_eq!(place.run(&["train", "tiny.toml", "--set", &from]).bad_manners(&source), None);
}

#[test]
fn a_run_takes_the_parts_that_are_named_and_keeps_frozen_ones_as_they_are() {
    let place = Place::new();
    let source = train(&place, &[]);
    let source_weights = tensors(&place, &source);
    let take = |parts: &str, freeze: bool, more: &[&str]| {
        let from = format!("from={{ run = \"{source}\", parts = {parts}, freeze = {freeze} }}");
        train(&place, &[&["--set", "seed=2", "--set", &from], more].concat())
    };
    let fresh = tensors(&place, &train(&place, &[&["--set", "seed=2"], &STILL[..]].concat()));
    assert_eq!(equal(&source_weights, &fresh), Vec::<&str>::new());
    let taken = tensors(&place, &take("[\"encoder\", \"probe\"]", false, &STILL));
    assert_eq!(equal(&source_weights, &taken), ["encoder", "probe"]);
    assert_eq!(equal(&fresh, &taken), ["predictor", "inverse_dynamics", "distance.online"]);

    // Frozen, it stays while the others learn; otherwise it learns too.
    let run = take("[\"encoder\"]", true, &[]);
    let frozen = tensors(&place, &run);
    assert_eq!(equal(&source_weights, &frozen), ["encoder"]);
    assert_eq!(equal(&fresh, &frozen), Vec::<&str>::new());
    let free = tensors(&place, &take("[\"encoder\"]", false, &[]));
    assert_eq!(equal(&source_weights, &free), Vec::<&str>::new());

    // It is still frozen when the run goes on.
    std::fs::remove_dir_all(place.path(&run).join("checkpoints/step-000012")).expect("a checkpoint");
    place.run(&["train", "--resume", &run]).good();
    assert!(tensors(&place, &run) == frozen, "the weights differ in some bit");

    let refused = |from: &str| place.run(&["train", "tiny.toml", "--set", from]);
    let all = refused(&format!("from={{ run = \"{source}\", freeze = true }}"));
    assert_eq!(all.bad_manners("expected the parts to be named that stay as they are"), None);
    let misspelt = refused(&format!("from={{ run = \"{source}\", parts = [\"encoder\", \"predicter\"] }}"));
    assert_eq!(misspelt.bad_manners("from.parts: no part `predicter`; did you mean `predictor`?"), None);
    let rest = refused(&format!("from={{ run = \"{source}\", part = [\"encoder\"] }}"));
    assert_eq!(rest.bad_manners("from"), None);
}

#[test]
fn a_part_at_a_rate_of_zero_stays_and_one_at_half_the_rate_learns_otherwise() {
    let place = Place::new();
    let start = tensors(&place, &train(&place, &STILL));
    let whole = tensors(&place, &train(&place, &[]));
    assert_eq!(equal(&start, &whole), Vec::<&str>::new());
    let frozen = tensors(&place, &train(&place, &["--set", "train.rates={ encoder = 0.0, probe = 0.0 }"]));
    assert_eq!(equal(&start, &frozen), ["encoder", "probe"]);
    let half = tensors(&place, &train(&place, &["--set", "train.rates={ probe = 0.5 }"]));
    assert_eq!(equal(&whole, &half), ["encoder", "predictor", "inverse_dynamics", "distance.online"]);
    assert_eq!(equal(&start, &half), Vec::<&str>::new());

    let refused = |rates: &str| place.run(&["train", "tiny.toml", "--set", rates]);
    let misspelt = refused("train.rates={ encodr = 0.1 }");
    assert_eq!(misspelt.bad_manners("train.rates.encodr: no part `encodr`; did you mean `encoder`?"), None);
    assert_eq!(refused("train.rates={ encoder = -0.1 }").bad_manners("train.rates.encoder"), None);
}

#[test]
fn a_loss_without_a_term_is_refused() {
    let place = Place::new();
    let terms = ["prediction", "variance", "covariance", "time_similarity", "inverse_dynamics", "distance", "probe"];
    let sets: Vec<String> = terms.iter().map(|term| format!("loss.{term}.weight=0")).collect();
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let said = place.run(&[&["train", "tiny.toml", "--set", "eval.objective=latent"], &sets[..]].concat());
    assert_eq!(said.bad_manners("loss: no term has a weight"), None);
}

#[test]
fn a_run_of_another_version_is_refused_with_what_to_do() {
    let place = Place::new();
    let run = train(&place, &[]);
    let file = format!("{run}/checkpoints/step-000012/model.json");
    let text = place.read(&file);
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
    place.write(&file, text.replace(&version, "\"version\": \"0.1.3\""));
    let state = format!("{run}/checkpoints/step-000012/state.json");
    let mut json: Value = serde_json::from_str(&place.read(&state)).expect("JSON");
    json["crc32"]["model.json"] = crc32fast::hash(place.read(&file).as_bytes()).into();
    place.write(&state, json.to_string());
    let from = format!("from={run}");
    for command in [&["eval", &run][..], &["train", "--resume", &run], &["train", "tiny.toml", "--set", &from]] {
        let told = "a model of gedanken 0.1.3; expected one of gedanken 0.2.x; evaluate it with the program that made it, or train it again";
        assert_eq!(place.run(command).bad_manners(told), None);
        assert_eq!(place.run(command).bad_manners(Path::new(&file).to_str().expect("text")), None);
    }
    // A run says so before its keys are looked at.
    let config = format!("{run}/config.toml");
    let head = format!("# gedanken {}", env!("CARGO_PKG_VERSION"));
    place.write(&config, place.read(&config).replacen(&head, "# gedanken 0.1.3", 1));
    for command in [&["eval", &run][..], &["train", "--resume", &run], &["probe", &run]] {
        assert_eq!(place.run(command).bad_manners("a run of gedanken 0.1.3; this is 0.2."), None);
    }
}

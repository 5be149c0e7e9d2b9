//! A training in phases: what learns in each, latents that are kept, and a run that goes on in the middle of one.

mod common;

use std::collections::BTreeMap;

use common::{Place, metrics};
use safetensors::SafeTensors;

/// Six updates of everything, then six of the predictor and the distance on kept latents, by Muon.
const PHASES: &str = r#"
extends = "tiny.toml"

[train]
keep = 9

[eval]
tasks = 1
baselines = false
films = 0

[[phase]]
name = "together"
train = { steps = 6 }

[[phase]]
name = "apart"
learn = ["predictor", "distance"]
latents = { layouts = 8, episodes = 2, planned = 3 }
planner = { samples = 8 }
data = { window = { layouts = 3, eventful = 0.5 } }
loss = { inverse_dynamics = { weight = 0.0 }, probe = { weight = 0.0 } }
train = { steps = 6, optimizer = "muon" }
"#;

/// The weights of a checkpoint, by name.
fn tensors(place: &Place, run: &str, step: u64) -> BTreeMap<String, Vec<u8>> {
    let file = place.path(run).join(format!("checkpoints/step-{step:06}/model.safetensors"));
    let bytes = std::fs::read(file).expect("a checkpoint");
    let file = SafeTensors::deserialize(&bytes).expect("a weights file");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

fn train(place: &Place) -> String {
    place.write("phases.toml", PHASES);
    place.run(&["train", "phases.toml"]).good().last().to_owned()
}

#[test]
fn only_the_parts_that_a_phase_names_learn_in_it() {
    let place = Place::new();
    let run = train(&place);
    let (before, after) = (tensors(&place, &run, 6), tensors(&place, &run, 12));
    for (name, values) in &before {
        let learns = name.starts_with("predictor.") || name.starts_with("terms.distance.");
        assert_eq!(after[name] != *values, learns, "{name}");
    }
    assert!(!place.path(&run).join("latents-1").exists(), "latents are kept no longer than their phase");
    // Each phase has a schedule of its own.
    let rates: Vec<f64> = metrics(&place.path(&run)).iter().filter_map(|line| line["lr"].as_f64()).collect();
    assert_eq!(rates.len(), 6);
    assert_eq!(rates[..3], rates[3..]);
}

#[test]
fn a_run_goes_on_bit_by_bit_in_any_phase_and_between_two() {
    let place = Place::new();
    let run = train(&place);
    let (unbroken, expected) = (tensors(&place, &run, 12), metrics(&place.path(&run)));
    // What is planned again in the middle of a phase is planned by the model that the phase began with.
    for left in [9, 6, 3] {
        for step in [3, 6, 9, 12].into_iter().filter(|&step| step > left) {
            let folder = place.path(&run).join(format!("checkpoints/step-{step:06}"));
            std::fs::remove_dir_all(folder).expect("a checkpoint");
        }
        place.run(&["train", "--resume", &run]).good();
        assert!(tensors(&place, &run, 12) == unbroken, "the weights differ in some bit after {left} updates");
        assert_eq!(metrics(&place.path(&run)), expected, "after {left} updates");
    }
}

#[test]
fn a_phase_that_cannot_be_is_refused_at_its_key() {
    let place = Place::new();
    place.write("phases.toml", PHASES);
    for (set, told) in [
        ("phase.1.learn=[\"predictr\"]", "phase[1].learn"),
        ("phase.1.learn=[\"predictor\", \"encoder\"]", "phase[1].learn"),
        ("phase.1.train.stps=3", "did you mean `steps`?"),
        ("phase.1.loss.variance.margn=3", "did you mean `margin`?"),
        ("phase.0.prediction.unroll=40", "phase[0].prediction.unroll"),
        ("phase.0.data.window.frameskip=2", "phase[0].data.window.frameskip"),
        ("target.kind=\"ema\"", "phase[1].latents"),
        ("phase.1.planner.sampls=3", "did you mean `samples`?"),
        ("phase.1.planner.horizon=0", "phase[1].planner.horizon"),
        ("phase.1.loss.distance.hidden=[8]", "phase[1].loss.distance.hidden: [8]; the head is made once"),
        ("phase.0.loss.distance.expectile=0.3", "phase[0].loss.distance.expectile"),
        ("phase.0.loss.decoder.weight=1.0", "phase[0].loss.decoder"),
    ] {
        let said = place.run(&["train", "phases.toml", "--set", set]);
        assert_eq!(said.bad_manners(told), None, "{set}");
    }
}

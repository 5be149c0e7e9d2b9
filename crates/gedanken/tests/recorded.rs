//! Recordings with pictures have every command but those that need a simulator. `GEDANKEN_PYTHON` names a Python that has numpy; without one
//! nothing is tested, and that is said.

mod common;

use std::process::Command;

use common::{Place, TINY};

/// Twelve episodes of a dot that goes where the action says.
const MAKE: &str = "
import numpy as np
rng = np.random.default_rng(0)
pixels, actions, places = [], [], []
for _ in range(12):
    at = rng.uniform(4, 22, 2)
    for _ in range(14):
        picture = np.zeros((26, 26, 3), np.uint8)
        y, x = np.mgrid[:26, :26]
        picture[..., 0] = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 4)
        action = rng.uniform(-1, 1, 2)
        pixels.append(picture), actions.append(action), places.append(at)
        at = np.clip(at + action, 0, 25)
np.savez('dots.npz', pixels=pixels, action=np.float32(actions), place=np.float32(places), ep_len=[14] * 12)
";

#[test]
fn recordings_are_taken_learned_and_measured_without_a_simulator() {
    let python = std::env::var("GEDANKEN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let place = Place::new();
    let made = Command::new(&python).args(["-c", MAKE]).current_dir(place.path(".")).output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("{python} has no numpy: not tested");
        return;
    }
    let taken = place.run(&["data", "import", "dots.npz", "--out", "dots", "--size", "26", "--python", &python]).good();
    assert!(taken.err.contains("168 frames in 12 episodes"), "{}", taken.err);
    place.run(&["data", "inspect", "dots"]).good();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../experiments/recordings.toml");
    let smaller = ["--set", "encoder.channels=[4]"];
    let resolved = place.run(&[&["config", shipped, "--set", "env.path=dots"], &smaller[..]].concat()).good().out;
    assert!(resolved.contains("source = \"disk\"\npath = \"dots\""), "{resolved}");

    let text = TINY.replace("name = \"two-rooms\"", "name = \"recordings\"\npath = \"dots\"");
    let text = text.replace("[data.policies]\nheading = 0.5\ndoor = 0.5", "");
    let text = text.replace("[collect.policies]\nheading = 0.5\ndoor = 0.5", "");
    place.write("dots.toml", text);
    let objective =
        ["--set", "eval.objective=latent", "--set", "data.validation=0.25", "--set", "data.window.layouts=2"];
    let short = ["--set", "data.window.episodes=1", "--set", "planner.horizon=3"];
    let run = place.run(&[&["train", "dots.toml"], &objective[..], &short].concat()).good();
    assert!(run.out.contains("recordings: no task; what is measured is imagination"), "{}", run.out);
    assert!(run.out.contains("an episode's true end among 32"), "{}", run.out);
    let evaluated = place.run(&["eval", run.last()]).good();
    let report: serde_json::Value =
        serde_json::from_str(&place.read(&format!("{}/report.json", evaluated.last()))).expect("JSON");
    assert_eq!(report["worthiness"]["retrieval"]["among"], 32);
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(0));
    assert!(report.get("radius").is_none());
    place.run(&["probe", run.last()]).good();
    place.run(&["encode", run.last(), "--data", "dots", "--out", "latents.safetensors"]).good();
    let other = place.run(&["eval", run.last(), "--set", "data.path=elsewhere"]);
    assert_eq!(other.bad_manners("data.path: elsewhere; expected "), None);
    let refused = place.run(&["plan", run.last(), "--film", "task.gif"]);
    assert_eq!(refused.bad_manners("recordings has no task"), None);
    let refused = place.run(&["collect", "dots.toml", "--out", "more"]);
    assert_eq!(refused.bad_manners("recorded"), None);
    let planned = "phase=[{ name = \"more\", learn = [\"predictor\"], latents = { planned = 2 } }]";
    let refused = place.run(&[&["config", "dots.toml", "--set", planned], &objective[..], &short].concat());
    assert_eq!(refused.bad_manners("phase[0].latents.planned: 2; expected 0"), None);

    // Nothing to normalise.
    let still =
        "import numpy as np; a = dict(np.load('dots.npz')); a['action'] = 0 * a['action']; np.savez('still.npz', **a)";
    assert!(Command::new(&python).args(["-c", still]).current_dir(place.path(".")).status().is_ok_and(|s| s.success()));
    place.run(&["data", "import", "still.npz", "--out", "still", "--size", "26", "--python", &python]).good();
    let z_score = ["--set", "env.path=still", "--set", "actions=z-score"];
    let refused = place.run(&[&["train", "dots.toml"], &objective[..], &short, &z_score].concat());
    assert_eq!(refused.bad_manners("expected \"raw\""), None);

    // The dataset has moved.
    std::fs::rename(place.path("dots"), place.path("moved")).expect("a folder");
    assert_eq!(place.run(&["eval", run.last()]).bad_manners("env.path"), None);
    place.run(&["eval", run.last(), "--set", "env.path=moved"]).good();
}

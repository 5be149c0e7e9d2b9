//! Features that were learned elsewhere: their file is read once, they are encoded once, and they stay as they are.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::Place;
use safetensors::SafeTensors;

fn published() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../gedanken-model/reference/dinov2/weights.safetensors")
}

/// Push-T in miniature, by a tiny DINOv2: three frames at once, proprioception and action in every patch.
const EXPERIMENT: &str = r#"
name = "features"
device = "cpu"
pixels = "imagenet"

[env]
name = "push-t"
size = 20

[data]
source = "stream"
episode_steps = 40

[data.window]
frameskip = 5
time = 4
extra = 0
layouts = 4
episodes = 1

[encoder]
kind = "dinov2"
patch = 4
dim = 32
depth = 2
heads = 4
mlp = 64
weights = "weights.safetensors"

[proprioception]
labels = ["agent"]
append = 4

[predictor]
kind = "vit"
depth = 1
heads = 2
head_dim = 8
mlp = 16

[prediction]
teacher = true

[loss]
variance.weight = 0.0
covariance.weight = 0.0
time_similarity.weight = 0.0
inverse_dynamics.weight = 0.0
distance.weight = 0.0

[train]
steps = 4
checkpoint_every = 2
eval_every = 4
keep = 9
stop_on_collapse = false

[planner]
horizon = 2
replan_every = 1
samples = 8
elites = 2
keep = 1
iterations = 2

[eval]
tasks_from = "recorded"
goal_offset = 25
objective = "latent"
tasks = 2
tasks_in_training = 0
baselines = false
films = 0

[[phase]]
name = "predictor"
learn = ["predictor", "probe"]
latents = { layouts = 6 }
"#;

fn tensors(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(file).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("tensors");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

fn checkpoint(place: &Place, run: &str, step: u64) -> BTreeMap<String, Vec<u8>> {
    tensors(&place.path(run).join(format!("checkpoints/step-{step:06}/model.safetensors")))
}

#[test]
fn a_run_on_features_learned_elsewhere_goes_on_and_plans_without_their_file() {
    let place = Place::new();
    place.write("features.toml", EXPERIMENT);
    place.write("weights.safetensors", std::fs::read(published()).expect("the published weights"));
    let run = place.run(&["train", "features.toml"]).good().last().to_owned();
    let (early, late) = (checkpoint(&place, &run, 2), checkpoint(&place, &run, 4));
    assert_eq!(late["encoder.class"], tensors(&published())["embeddings.cls_token"]);
    for (name, values) in &late {
        let learns = name.starts_with("predictor.") || name.starts_with("terms.");
        assert_eq!(early[name] != *values, learns, "{name}");
    }

    std::fs::remove_file(place.path("weights.safetensors")).expect("it was there");
    std::fs::remove_dir_all(place.path(&run).join("checkpoints/step-000004")).expect("a checkpoint");
    place.run(&["train", "--resume", &run]).good();
    assert!(checkpoint(&place, &run, 4) == late, "the weights differ in some bit");
    place.run(&["plan", &run, "--device", "cpu", "--film", "plan.gif"]).good();
}

#[test]
fn what_cannot_be_learned_from_features_is_said_before_a_run_begins() {
    let place = Place::new();
    place.write("features.toml", EXPERIMENT);
    let refused = |sets: &[&str], names: &str| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["train", "features.toml"].into_iter().chain(sets).collect();
        assert_eq!(place.run(&arguments).bad_manners(names), None);
    };
    refused(&[], "weights.safetensors: No such file");
    place.write("weights.safetensors", std::fs::read(published()).expect("the published weights"));
    refused(&["encoder.mlp=48"], "weights.safetensors: encoder.layer.0.mlp.fc1.weight [64, 32]; expected");
    refused(&["env.size=22"], "patch 4 does not divide the picture, 22 x 22");
    refused(&["env.name=two-rooms", "encoder.patch=5"], "pixels: \"imagenet\"; expected \"measured\"");
    refused(&["phase=[{name='tune',learn=['encoder','predictor']}]"], "`encoder` is frozen");
    assert!(!place.path("runs").exists(), "nothing is begun that cannot go on");
}

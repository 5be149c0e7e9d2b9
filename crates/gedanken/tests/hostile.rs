//! Hostile input: files from strangers read nothing outside their folder, and no change of a valid input, and no action or state of an
//! environment, makes the program panic or hang.
//!
//! The changes are drawn from a seed. `GEDANKEN_HOSTILE=20000 cargo test --release -p gedanken --test hostile` tries so many inputs of every
//! kind; a few by default.

mod common;
#[path = "common/dice.rs"]
mod dice;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use common::{Place, TINY, copy_folder};
use dice::{Dice, count, damaged, survives};
use gedanken::config::load_experiment;
use gedanken::data::{Dataset, DatasetSource, Recordings, Source, Split, WindowConfig};
use gedanken::env::Env;
use gedanken::train::load_model;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// The command line's way with an experiment before anything is computed.
fn load(file: &Path, sets: &[String]) {
    let parts = gedanken::parts();
    if let Ok(loaded) = load_experiment(file, sets, &parts) {
        let _ = loaded.value.planner.init(&parts.strategies);
        let _ = loaded.value.env.make(&parts.environments);
        let _ = loaded.value.complete(&parts).map(|complete| gedanken::config::to_toml(&complete));
    }
}

#[test]
fn no_change_of_an_experiment_or_of_a_set_panics_or_hangs() {
    let folder = tempfile::tempdir().expect("a folder");
    let valid: Vec<Vec<u8>> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../experiments"))
        .expect("the experiments")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| fs::read(path).expect("an experiment"))
        .chain([TINY.as_bytes().to_vec()])
        .collect();
    let sets = [
        "planner.kind=icem",
        "planner.init_std=0.5",
        "planner.init_std={ share = 1.0 }",
        "eval.seeds=3",
        "env.name=push-t",
        "env.factors.action_noise=1",
        "eval.guardrails=[{kind=\"keep-out\", label=\"agent\", center=[1.0, 2.0], radius=3.0}]",
        "data.policies={ heading = 0.5 }",
        "encoder.kind=vit",
        "loss.probe.weight=0",
        "eval.objective={ latent = 1.0 }",
        "train.lr=[1, 2]",
        "predictor.depth=3",
        "data.window.frameskip=5",
        "eval.env.rule=bounce",
        "from={ run = \"x\" }",
    ];
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    for number in 0..count() {
        let mut dice = Dice(number);
        let whole = &valid[dice.below(valid.len())];
        let file = folder.path().join("x.toml");
        fs::write(&file, if number % 2 == 0 { damaged(whole, &mut dice) } else { whole.clone() }).expect("a file");
        let set = |dice: &mut Dice| text(damaged(dice.pick(&sets[..]).as_bytes(), dice));
        let sets: Vec<String> = (0..dice.below(3)).map(|_| set(&mut dice)).collect();
        let name = format!("experiment {number}, --set {sets:?}");
        survives(&name, move || load(&file, &sets));
    }
}

/// A dataset's windows and episodes, as far as it opens.
fn read_dataset(folder: &Path) {
    let Ok(dataset) = Dataset::open(folder) else { return };
    let _ = dataset.verify();
    let window = WindowConfig { time: 4, extra: 0, layouts: 1, episodes: 1, ..WindowConfig::default() };
    let Ok(source) = DatasetSource::new(dataset.into(), window, Split::Train, 0.25, 1) else { return };
    let _ = (source.batch(0), source.episode(0));
}

/// Makes `dataset.toml` say of its files what they are: what is wrong with them is not that they were changed.
fn describe(folder: &Path) {
    let path = folder.join("dataset.toml");
    let Ok(mut table) = fs::read_to_string(&path).unwrap_or_default().parse::<toml::Table>() else { return };
    let record =
        |name: &str| fs::read(folder.join(name)).ok().map(|bytes| (bytes.len() as i64, crc32fast::hash(&bytes).into()));
    let note = |entry: Option<&mut toml::Value>, file: &str| {
        if let (Some(toml::Value::Table(entry)), Some((bytes, crc32))) = (entry, record(file)) {
            entry.insert("bytes".into(), toml::Value::Integer(bytes));
            entry.insert("crc32".into(), toml::Value::Integer(crc32));
        }
    };
    note(table.get_mut("episodes"), "episodes.safetensors");
    let shard = table.get_mut("shards").and_then(toml::Value::as_array_mut).and_then(|shards| shards.first_mut());
    note(shard, "shard-00000.safetensors");
    let _ = fs::write(&path, table.to_string());
}

/// A safetensors file in which, half of the time, only the header is changed, and its length with it.
fn damaged_tensors(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a header")) as usize;
    if dice.below(2) == 0 {
        return damaged(bytes, dice);
    }
    let header = damaged(&bytes[8..8 + length], dice);
    [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat()
}

#[test]
fn no_change_of_a_dataset_panics_or_hangs() {
    let place = Place::new();
    let small = ["--set", "collect.layouts=4", "--set", "collect.episodes=1", "--set", "collect.episode_steps=5"];
    place.run(&[&["collect", "tiny.toml", "--out", "rooms"], &small[..]].concat()).good();
    let (rooms, broken) = (place.path("rooms"), place.path("broken"));
    for number in 0..count() {
        let mut dice = Dice(number);
        copy_folder(&rooms, &broken);
        let name = *dice.pick(&["dataset.toml", "episodes.safetensors", "shard-00000.safetensors"].each_ref());
        let (file, bytes) = (broken.join(name), fs::read(rooms.join(name)).expect("a file"));
        let toml = name.ends_with("toml");
        fs::write(file, if toml { damaged(&bytes, &mut dice) } else { damaged_tensors(&bytes, &mut dice) })
            .expect("a file");
        if !toml {
            describe(&broken);
        }
        let folder = broken.clone();
        survives(&format!("dataset {number}: {name}"), move || read_dataset(&folder));
        fs::remove_dir_all(&broken).expect("the copy");
    }
}

/// Gives a checkpoint's state the checksums of its files as they are.
fn sign(checkpoint: &Path) {
    let path = checkpoint.join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).expect("a state")).expect("JSON");
    for file in ["model.safetensors", "model.json", "optimizer.bpk"] {
        state["crc32"][file] = json!(crc32fast::hash(&fs::read(checkpoint.join(file)).expect("a file")));
    }
    fs::write(path, state.to_string()).expect("a state");
}

const QUICK: [&str; 6] = ["--set", "eval.tasks=1", "--set", "eval.baselines=false", "--set", "eval.films=0"];

fn run(place: &Place) -> PathBuf {
    place.path(&place.train(&[&["--set", "train.steps=3"], &QUICK[..]].concat()))
}

fn checkpoint(place: &Place) -> PathBuf {
    run(place).join("checkpoints/step-000003")
}

fn open_checkpoint(folder: &Path) -> Result<(), String> {
    let loaded = load_model(folder, &gedanken::parts().model, &Device::flex());
    loaded.map(drop).map_err(|error| error.to_string())
}

#[test]
fn no_change_of_a_checkpoint_panics_or_hangs() {
    let place = Place::new();
    let (whole, broken) = (checkpoint(&place), place.path("step-000003"));
    for number in 0..count() {
        let mut dice = Dice(number);
        copy_folder(&whole, &broken);
        let name = *dice.pick(&["model.json", "model.json", "model.safetensors", "state.json"].each_ref());
        let bytes = fs::read(whole.join(name)).expect("a file");
        let tensors = name.ends_with("safetensors");
        let changed = if tensors { damaged_tensors(&bytes, &mut dice) } else { damaged(&bytes, &mut dice) };
        fs::write(broken.join(name), changed).expect("a file");
        if name != "state.json" {
            sign(&broken);
        }
        let folder = broken.clone();
        survives(&format!("checkpoint {number}: {name}"), move || drop(open_checkpoint(&folder)));
        fs::remove_dir_all(&broken).expect("the copy");
    }
}

/// A thirtieth of the others' inputs: each is trained on for an update.
#[test]
fn no_change_of_an_optimiser_s_state_panics_or_hangs() {
    let place = Place::new();
    let (whole, broken) = (run(&place), place.path("broken"));
    for number in 0..count().div_ceil(30) {
        let mut dice = Dice(number);
        copy_folder(&whole, &broken);
        let checkpoint = broken.join("checkpoints/step-000003");
        let state = checkpoint.join("optimizer.bpk");
        fs::write(&state, damaged(&fs::read(&state).expect("a file"), &mut dice)).expect("a file");
        sign(&checkpoint);
        let run = broken.display().to_string();
        survives(&format!("optimiser {number}"), move || {
            let arguments = ["gedanken", "train", "--resume", &run, "--set", "train.steps=4"];
            gedanken::run(gedanken::parts(), [&arguments[..], &QUICK].concat());
        });
        fs::remove_dir_all(&broken).expect("the copy");
    }
}

#[test]
fn no_change_of_another_program_s_model_panics_or_hangs() {
    let place = Place::new();
    let (whole, broken) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lewm"), place.path("lewm"));
    let out = place.path("run");
    for number in 0..count() {
        let mut dice = Dice(number);
        copy_folder(&whole, &broken);
        let name = *dice.pick(&["config.json", "config.json", "config.json", "weights.safetensors"].each_ref());
        let bytes = fs::read(whole.join(name)).expect("a file");
        let tensors = name.ends_with("safetensors");
        let changed = if tensors { damaged_tensors(&bytes, &mut dice) } else { damaged(&bytes, &mut dice) };
        fs::write(broken.join(name), changed).expect("a file");
        let (folder, run) = (broken.display().to_string(), out.display().to_string());
        // Hardly any labels to measure.
        let sets = ["--set", "data.episode_steps=20", "--set", "eval.tasks_from=reset"];
        survives(&format!("model {number}: {name}"), move || {
            let arguments = [&["gedanken", "import", "lewm", &folder, "--out", &run][..], &sets].concat();
            gedanken::run(gedanken::parts(), arguments);
        });
        let _ = fs::remove_dir_all(&out);
        fs::remove_dir_all(&broken).expect("the copy");
    }
}

/// A file of recordings of two episodes.
fn recordings() -> Vec<u8> {
    let floats = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (state, action) = (floats(&[0.5; 6 * 4]), floats(&[0.1; 6 * 2]));
    let lengths: Vec<u8> = [3i64, 3].iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).expect("a tensor");
    let columns = [
        ("state", view(Dtype::F32, &[6, 4], &state)),
        ("action", view(Dtype::F32, &[6, 2], &action)),
        ("ep_len", view(Dtype::I64, &[2], &lengths)),
    ];
    safetensors::serialize(columns, None).expect("a file")
}

#[test]
fn no_change_of_recordings_or_of_a_csv_file_panics_or_hangs() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = recordings();
    let file = folder.path().join("recordings.safetensors");
    let (actions, states) = (folder.path().join("actions.csv"), folder.path().join("states.csv"));
    fs::write(&file, &whole).expect("a file");
    let env = gedanken_two_rooms::entry().make(&json!({})).expect("two rooms");
    assert!(Recordings::open(&file, env.spec()).is_ok(), "the whole one opens");
    for number in 0..count() {
        let mut dice = Dice(number);
        fs::write(&file, damaged_tensors(&whole, &mut dice)).expect("a file");
        let (path, spec) = (file.clone(), env.spec().clone());
        survives(&format!("recordings {number}"), move || drop(Recordings::open(&path, &spec)));
        fs::write(&actions, damaged(b"x,y\n0.5,-1.5\n2.0,\"0.25\"\n\n1e3,0\n", &mut dice)).expect("a file");
        let [actions, states] = [&actions, &states].map(|path| path.display().to_string());
        survives(&format!("actions {number}"), move || {
            let arguments = ["gedanken", "rollout", "two-rooms", "--actions", &actions, "--out", &states];
            let _ = gedanken::run(gedanken::parts(), arguments);
        });
    }
}

/// Numbers that no simulator expects.
fn wild(dice: &mut Dice, near: f64) -> f64 {
    match dice.below(8) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => 1e300,
        4 => -1e-310,
        5 => f64::from_bits(dice.next()),
        6 => near * (dice.below(2000) as f64 - 1000.0),
        _ => near,
    }
}

/// Everything that can be asked of an environment.
fn look(env: &dyn Env) {
    let spec = env.spec();
    let (mut pixels, mut labels) = (vec![0; spec.observation.len()], vec![0.0; spec.label_len()]);
    env.observe(&mut pixels);
    env.observe_goal(&mut pixels);
    env.labels(&mut labels);
    let now = labels.clone();
    env.goal_labels(&mut labels);
    let _ = (env.distance(), env.eventful(), env.other_rules());
    let _ = (env.plain_distance(&now, &labels), env.cost_to_go(&now, &labels));
    env.rest(&mut vec![0.0; spec.action.len()]);
}

#[test]
fn no_action_and_no_state_of_an_environment_panics_or_hangs() {
    let options: [(&str, Value); 4] = [
        ("two-rooms", json!({})),
        ("two-rooms", json!({ "rule": "bounce", "clip_actions": false })),
        ("push-t", json!({ "size": 32 })),
        ("push-t", json!({ "size": 32, "action": "absolute" })),
    ];
    for number in 0..count() {
        for (name, options) in &options {
            let (name, options) = (*name, options.clone());
            survives(&format!("{name} {options} {number}"), move || {
                let mut dice = Dice(number);
                let mut env = gedanken::env::make(&gedanken::parts().environments, name, &options, &BTreeMap::new())
                    .expect("an environment");
                env.reset(number);
                let mut state = vec![0.0; env.spec().state.len()];
                env.state(&mut state);
                let changed = dice.below(3);
                for _ in 0..changed {
                    let at = dice.below(state.len());
                    state[at] = wild(&mut dice, state[at]);
                }
                let length = if dice.below(8) == 0 { dice.below(state.len() + 3) } else { state.len() };
                state.resize(length, 1.0);
                let _ = (env.set_state(&state), env.set_goal(&state), env.set_beginning(&state));
                look(env.as_ref());
                for _ in 0..3 {
                    let action: Vec<f32> = (0..env.spec().action.len()).map(|_| wild(&mut dice, 0.7) as f32).collect();
                    env.step(&action);
                    look(env.as_ref());
                }
                let mut after = vec![0.0; env.spec().state.len()];
                env.state(&mut after);
                let mut labels: Vec<f32> = vec![0.0; env.spec().label_len()];
                labels.fill_with(|| wild(&mut dice, 30.0) as f32);
                let _ = (env.plain_distance(&labels, &labels), env.cost_to_go(&labels, &labels));
            });
        }
    }
}

#[cfg(unix)]
#[test]
fn a_stranger_s_dataset_reads_nothing_outside_its_folder() {
    let place = Place::new();
    place.run(&["collect", "tiny.toml", "--out", "rooms"]).good();
    for name in ["dataset.toml", "episodes.safetensors", "shard-00000.safetensors"] {
        copy_folder(&place.path("rooms"), &place.path("linked"));
        let link = place.path("linked").join(name);
        fs::remove_file(&link).expect("a file");
        std::os::unix::fs::symlink(place.path("rooms").join(name), &link).expect("a link");
        let said = place.run(&["data", "inspect", "linked"]);
        assert_eq!(said.bad_manners(&format!("linked/{name}: file")), None);
        fs::remove_dir_all(place.path("linked")).expect("the copy");
    }
    let manifest = place.read("rooms/dataset.toml");
    for elsewhere in ["../shard-00000.safetensors", "/etc/passwd", "inner/shard-00000.safetensors"] {
        copy_folder(&place.path("rooms"), &place.path("linked"));
        place.write("linked/dataset.toml", manifest.replace("shard-00000.safetensors", elsewhere));
        assert_eq!(place.run(&["data", "inspect", "linked"]).bad_manners("shards[0].file"), None);
        fs::remove_dir_all(place.path("linked")).expect("the copy");
    }
    // A link to the whole folder is as good as the folder, and so is one inside it.
    std::os::unix::fs::symlink(place.path("rooms"), place.path("link")).expect("a link");
    place.run(&["data", "inspect", "link"]).good();
}

#[cfg(unix)]
#[test]
fn a_stranger_s_checkpoint_reads_nothing_outside_its_folder_and_takes_no_more_memory_than_its_weights() {
    let place = Place::new();
    let (whole, broken) = (checkpoint(&place), place.path("step-000003"));
    let fresh = || {
        let _ = fs::remove_dir_all(&broken);
        copy_folder(&whole, &broken);
    };
    for name in ["model.json", "model.safetensors", "state.json"] {
        for target in [whole.join(name), PathBuf::from("/dev/zero")] {
            fresh();
            fs::remove_file(broken.join(name)).expect("a file");
            std::os::unix::fs::symlink(&target, broken.join(name)).expect("a link");
            let said = open_checkpoint(&broken).expect_err("a link");
            assert!(said.contains(name) && said.contains("a link out of its folder"), "{said}");
        }
    }
    // Names of other files in the state are not looked at: this one never ends.
    fresh();
    let state = broken.join("state.json");
    let mut told: Value = serde_json::from_slice(&fs::read(&state).expect("a state")).expect("JSON");
    told["crc32"]["/dev/zero"] = json!(1);
    fs::write(&state, told.to_string()).expect("a state");
    assert_eq!(open_checkpoint(&broken), Ok(()));
    // More layers than there is a name for, and more weights than the file has.
    for (part, key, value) in
        [("encoder", "depth", 1_000_000), ("predictor", "depth", 65), ("predictor", "width", 65_536)]
    {
        fresh();
        let path = broken.join("model.json");
        let mut model: Value = serde_json::from_slice(&fs::read(&path).expect("a model")).expect("JSON");
        assert!(model["model"][part].get(key).is_some(), "{part}.{key}");
        model["model"][part][key] = json!(value);
        fs::write(&path, model.to_string()).expect("a model");
        sign(&broken);
        assert!(open_checkpoint(&broken).is_err(), "{part}.{key} = {value}");
    }
}

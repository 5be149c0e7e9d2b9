//! Broken experiments, datasets and checkpoints: each gives an error that names what is wrong, and no panic.

mod common;

use std::fs;
use std::path::Path;

use common::{Place, copy_folder};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// A tensor of a weights file: name, type, shape, bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// What was found in a list of cases; fails with all of them at the end.
#[derive(Default)]
struct Verdicts {
    cases: usize,
    wrong: Vec<String>,
}

impl Verdicts {
    fn note(&mut self, case: &str, manners: Option<String>) {
        self.cases += 1;
        self.wrong.extend(manners.map(|what| format!("{case}: {what}")));
    }

    #[track_caller]
    fn end(self, least: usize) {
        assert!(self.wrong.is_empty(), "{} of {} cases:\n\n{}", self.wrong.len(), self.cases, self.wrong.join("\n\n"));
        assert!(self.cases >= least, "{} cases", self.cases);
    }
}

/// Changes the bytes of a file.
fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap_or_default();
    change(&mut bytes);
    fs::write(path, bytes).expect("the damaged file");
}

/// Changes a JSON file.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("the edited file");
}

/// Gives a checkpoint's state the checksums of its model as it is now: what is wrong with it is not that it was changed.
fn sign(checkpoint: &Path) {
    edit(&checkpoint.join("state.json"), |state| {
        for file in ["model.safetensors", "model.json"] {
            state["crc32"][file] = json!(crc32fast::hash(&fs::read(checkpoint.join(file)).expect("a file")));
        }
    });
}

type Damage = Box<dyn Fn(&Path)>;

/// What can befall any file.
fn accidents(length: usize) -> Vec<(String, Damage)> {
    let mut all: Vec<(String, Damage)> = vec![
        ("missing".into(), Box::new(|path| fs::remove_file(path).expect("it was there"))),
        ("empty".into(), Box::new(|path| damage(path, Vec::clear))),
        (
            "a folder".into(),
            Box::new(|path| {
                fs::remove_file(path).expect("it was there");
                fs::create_dir(path).expect("a folder");
            }),
        ),
        ("zeros".into(), Box::new(|path| damage(path, |bytes| bytes.fill(0)))),
        (
            "noise".into(),
            Box::new(|path| {
                damage(path, |bytes| {
                    bytes
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, byte)| *byte = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]);
                })
            }),
        ),
        ("a text".into(), Box::new(|path| damage(path, |bytes| *bytes = b"hello".to_vec()))),
        ("twice itself".into(), Box::new(|path| damage(path, |bytes| bytes.extend(bytes.clone())))),
    ];
    for keep in [1, 7, 40, length / 2, length - 20] {
        all.push((
            format!("cut off after {keep} bytes"),
            Box::new(move |path| damage(path, |bytes| bytes.truncate(keep))),
        ));
    }
    all
}

#[test]
fn broken_experiments_are_told_by_file_and_key() {
    let place = Place::new();
    let mut verdicts = Verdicts::default();
    fs::create_dir(place.path("folder.toml")).expect("a folder");
    for missing in ["nowhere.toml", "folder.toml"] {
        verdicts.note(missing, place.run(&["train", missing]).bad_manners(missing));
    }
    let texts: [(&str, &str); 29] = [
        ("[train\nsteps = 1", "broken.toml:1"),
        ("[train]\nsteps = ", "broken.toml:2"),
        ("\u{0}\u{1}", "broken.toml:1"),
        ("[trian]\nsteps = 1", "did you mean `train`"),
        ("[train]\nstep = 1", "did you mean `steps`"),
        ("[train]\nsteps = \"many\"", "train.steps"),
        ("[train]\nsteps = 0", "train.steps"),
        ("[train]\nlr = -1.0", "train.lr"),
        ("[train]\nlr = nan", "train.lr"),
        ("[env]\nname = \"three-rooms\"", "env.name"),
        ("[env]\nname = \"two-rooms\"\nrule = \"jump\"", "env.rule"),
        ("[env]\nname = \"two-rooms\"\n[env.factors]\ndot_size = 1.0", "env.factors.dot_size"),
        ("[env]\nname = \"two-rooms\"\nlayouts = \"train\"\nhold_out = [[0, 64]]", "broken.toml"),
        ("extends = \"broken.toml\"", "circle"),
        ("extends = \"nowhere.toml\"", "nowhere.toml"),
        ("[prediction]\nunroll = 100", "prediction.unroll"),
        ("[planner]\nsamples = 4\nelites = 8", "planner"),
        ("[encoder]\nkind = \"patch\"\npatch = 7", "broken.toml"),
        ("[encoder]\nkind = \"impala\"", "predictor.kind"),
        ("[encoder]\nkind = \"vitt\"", "encoder.kind"),
        ("[loss.distance]\nweight = 0", "eval.objective"),
        ("[eval.objectives]\nlatent = 1.0", "the table [eval.objective]"),
        ("[eval]\nobjective = \"latnet\"", "did you mean `latent`"),
        ("[eval.objective]\neffort = 1.0", "nothing leads to a goal"),
        ("[proprioception]\nlabels = [\"agnet\"]", "proprioception.labels"),
        ("[proprioception]\nlabels = [\"agent\"]\nraw = true\nappend = 3", "proprioception.raw"),
        ("name = \"../../etc\"", "broken.toml:1"),
        ("[data.policies]\nfly = 1.0", "broken.toml:2"),
        ("[data]\nepisode_steps = 2", "broken.toml"),
    ];
    for (text, names) in texts {
        place.write("broken.toml", text);
        verdicts.note(text, place.run(&["train", "broken.toml", "--device", "cpu"]).bad_manners(names));
    }
    for (set, names) in [
        ("train.steps", "KEY=VALUE"),
        ("train.stepz=3", "train.stepz"),
        ("=3", "=3"),
        ("data.source=disk", "data.path"),
        ("data.policies.fly=1", "data.policies.fly"),
        ("collect.policies.fly=1", "collect.policies.fly"),
    ] {
        let command = if set.starts_with("collect") { "collect" } else { "train" };
        verdicts.note(set, place.run(&[command, "tiny.toml", "--set", set]).bad_manners(names));
    }
    assert!(!place.path("runs").exists(), "nothing is begun that cannot go on");
    verdicts.end(30);
}

#[test]
fn keys_of_an_earlier_version_are_told_where_they_are_now() {
    let place = Place::new();
    let mut verdicts = Verdicts::default();
    for (text, key, now) in [
        ("[regularizer]\nvariance = 16.0", "regularizer", "[loss.variance] weight, margin"),
        ("[regularizer]\nsigreg = 0.1", "regularizer", "[loss.sigreg] weight, projections"),
        ("[inverse_dynamics]\nweight = 0.0", "inverse_dynamics", "[loss.inverse_dynamics] weight, hidden"),
        ("[distance]\nenabled = false", "distance", "[loss.distance]; enabled = false is weight = 0"),
        ("[ensemble]\nmembers = 3", "ensemble", "[loss.ensemble] members"),
        ("[probe]\nhidden = 64", "probe", "[loss.probe] channels, hidden"),
        ("[prediction]\nweight = 2.0", "prediction.weight", "it is loss.prediction.weight"),
        ("[planner]\nkind = \"cem\"\nlearning_rate = 0.1", "planner.learning_rate", "planner.polish_rate"),
        ("[planner]\nkind = \"adam\"\nmin_std = 0.1", "planner.min_std", "planner.noise"),
        ("[planner]\nkind = \"icem\"\nsmoothness = 0.1", "planner.smoothness", "planner.color"),
    ] {
        place.write("broken.toml", text);
        let said = place.run(&["config", "broken.toml"]);
        verdicts.note(text, said.bad_manners(&format!(" {key}: no such key")).or_else(|| said.bad_manners(now)));
    }
    verdicts.end(10);
}

#[test]
fn other_broken_inputs_are_named() {
    let place = Place::new();
    let mut verdicts = Verdicts::default();
    place.write("actions.csv", "1,0\n1,two\n");
    place.write("binary.csv", [0xff, 0xfe, 0, 1]);
    place.write("letter.csv", "1,O\n0,1\n");
    place.write("endless.csv", "1,inf\n");
    let rollout = |actions| vec!["rollout", "two-rooms", "--actions", actions, "--out", "states.csv"];
    let render = |more: &[&'static str]| [&["render", "two-rooms", "--out", "x.png"], more].concat();
    for (arguments, names) in [
        (rollout("actions.csv"), "actions.csv:2"),
        (rollout("binary.csv"), "binary.csv"),
        (rollout("letter.csv"), "letter.csv:1"),
        (rollout("endless.csv"), "endless.csv:1"),
        (rollout("nowhere.csv"), "nowhere.csv"),
        (render(&["--state", "[1, 2"]), "--state"),
        (render(&["--state", "[1e999]"]), "--state"),
        (render(&["--state", "[0, 0, 0, 0]"]), "two-rooms"),
        (render(&["--state", "[1,2,3,4,5,6,7,8,9]"]), "--state"),
        (render(&["--options", "{\"rule\": 7}"]), "two-rooms"),
        (render(&["--options", "{"]), "--options"),
        (render(&["--factor", "dot_std"]), "--factor"),
        (render(&["--factor", "dot_std=1e9"]), "dot_std"),
        (render(&["--size", "0"]), "--size"),
        (vec!["render", "no-rooms", "--out", "x.png"], "no-rooms"),
        (vec!["render", "two-rooms", "--out", "tiny.toml/x.png"], "tiny.toml"),
        (vec!["eval", "nowhere"], "nowhere"),
        (vec!["eval", "tiny.toml"], "tiny.toml"),
        (vec!["eval", "."], "config.toml"),
        (vec!["train", "--resume", "nowhere"], "nowhere"),
        (vec!["data", "inspect", "nowhere"], "nowhere"),
        (vec!["data", "inspect", "tiny.toml"], "tiny.toml"),
    ] {
        verdicts.note(&format!("{arguments:?}"), place.run(&arguments).bad_manners(names));
    }
    verdicts.end(20);
}

#[test]
fn broken_datasets_are_told_by_file() {
    let place = Place::new();
    place.run(&["collect", "tiny.toml", "--out", "rooms"]).good();
    let files: Vec<String> = fs::read_dir(place.path("rooms"))
        .expect("the dataset")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    let mut verdicts = Verdicts::default();
    for file in &files {
        let length = fs::metadata(place.path("rooms").join(file)).expect("a file").len() as usize;
        for (accident, happen) in accidents(length) {
            copy_folder(&place.path("rooms"), &place.path("broken"));
            happen(&place.path("broken").join(file));
            let case = format!("{file}: {accident}");
            verdicts.note(&case, place.run(&["data", "inspect", "broken"]).bad_manners(&format!("broken/{file}")));
            fs::remove_dir_all(place.path("broken")).expect("the copy");
        }
    }
    let manifest = place.read("rooms/dataset.toml");
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("gedanken-dataset", "another-dataset"),
        ("channels = 2", "channels = 3"),
        ("height = 65", "height = 0"),
        ("width = 65", "width = 18446744073709551615"),
        ("frames = 252", "frames = 253"),
        ("episodes = 12", "episodes = 9000000000"),
        ("shard-00000.safetensors", "../shard-00000.safetensors"),
        ("name = \"two-rooms\"", "nome = \"two-rooms\""),
    ] {
        assert!(manifest.contains(from), "{from} in {manifest}");
        copy_folder(&place.path("rooms"), &place.path("broken"));
        place.write("broken/dataset.toml", manifest.replace(from, to));
        verdicts.note(to, place.run(&["data", "inspect", "broken"]).bad_manners("broken/"));
        let train = ["train", "tiny.toml", "--set", "data.source=disk", "--set", "data.path=broken"];
        verdicts.note(&format!("train: {to}"), place.run(&train).bad_manners("broken/"));
        fs::remove_dir_all(place.path("broken")).expect("the copy");
    }
    let train = |more: &[&str]| {
        let disk = ["train", "tiny.toml", "--set", "data.source=disk", "--set", "data.path=rooms"];
        place.run(&[&disk, more].concat())
    };
    verdicts.note("too few", train(&["--set", "data.window.episodes=50"]).bad_manners("rooms"));
    verdicts.note(
        "too short",
        train(&["--set", "data.window.time=50", "--set", "prediction.unroll=4"]).bad_manners("rooms"),
    );
    verdicts.end(50);
}

#[test]
fn broken_checkpoints_are_told_by_file() {
    let place = Place::new();
    let run = place.train(&["--set", "train.steps=3", "--set", "eval.tasks=1", "--set", "eval.baselines=false"]);
    let whole = place.path(&run);
    let checkpoint = Path::new("checkpoints/step-000003");
    let mut verdicts = Verdicts::default();
    // Does something to a copy of the run, and runs a command on it.
    let mut case = |name: &str, command: &str, names: &str, happen: &dyn Fn(&Path)| {
        copy_folder(&whole, &place.path("broken"));
        happen(&place.path("broken"));
        let said = match command {
            "eval" => place.run(&["eval", "broken"]),
            "plan" => place.run(&["plan", "broken", "--film", "film.gif"]),
            _ => place.run(&["train", "--resume", "broken", "--set", "train.steps=5"]),
        };
        verdicts.note(&format!("{command}: {name}"), said.bad_manners(names));
        fs::remove_dir_all(place.path("broken")).expect("the copy");
    };

    for (file, commands) in [
        ("model.safetensors", &["eval", "resume"][..]),
        ("model.json", &["eval", "resume"]),
        ("optimizer.bpk", &["resume"]),
        ("state.json", &["resume"]),
    ] {
        let length = fs::metadata(whole.join(checkpoint).join(file)).expect("a file").len() as usize;
        for (accident, happen) in accidents(length) {
            for command in commands {
                case(&format!("{file}: {accident}"), command, file, &|run| happen(&run.join(checkpoint).join(file)));
            }
        }
    }

    // A bit flipped anywhere.
    for file in ["optimizer.bpk", "model.safetensors"] {
        let length = fs::metadata(whole.join(checkpoint).join(file)).expect("a file").len() as usize;
        for part in 0..8 {
            let at = (length - 1) * part / 7;
            let flip = |run: &Path| damage(&run.join(checkpoint).join(file), |bytes| bytes[at] ^= 0x40);
            case(&format!("{file}: a bit of byte {at}"), "resume", file, &flip);
            if file == "model.safetensors" {
                case(&format!("{file}: a bit of byte {at}"), "eval", "its content was changed", &flip);
            }
        }
    }

    // Weights that are whole, and wrong.
    let weights = "model.safetensors";
    let rewrite = |run: &Path, change: &dyn Fn(&mut Vec<Stored>)| {
        damage(&run.join(checkpoint).join(weights), |bytes| {
            let file = safetensors::SafeTensors::deserialize(bytes).expect("weights");
            let own = |(name, view): (String, TensorView<'_>)| {
                (name, view.dtype(), view.shape().to_vec(), view.data().to_vec())
            };
            let mut tensors: Vec<_> = file.tensors().into_iter().map(own).collect();
            tensors.sort();
            change(&mut tensors);
            let views = tensors.iter().map(|(name, dtype, shape, data)| {
                (name.as_str(), TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
            });
            *bytes = safetensors::serialize(views, None).expect("a file");
        });
        sign(&run.join(checkpoint));
    };
    for command in ["eval", "plan", "resume"] {
        for (name, value) in [("NaN", f32::NAN), ("infinity", f32::INFINITY)] {
            let poison = |run: &Path| rewrite(run, &|tensors| tensors[3].3[..4].copy_from_slice(&value.to_le_bytes()));
            case(&format!("a weight is {name}"), command, weights, &poison);
        }
    }
    case("a tensor too few", "eval", weights, &|run| rewrite(run, &|tensors| drop(tensors.pop())));
    case("a tensor too many", "eval", weights, &|run| {
        rewrite(run, &|tensors| tensors.push(("more".into(), Dtype::F32, vec![1], vec![0; 4])));
    });
    case("another name", "eval", weights, &|run| rewrite(run, &|tensors| tensors[0].0.push('x')));
    case("another type", "eval", weights, &|run| rewrite(run, &|tensors| tensors[0].1 = Dtype::I32));
    case("another shape", "eval", weights, &|run| {
        rewrite(run, &|tensors| tensors.iter_mut().for_each(|tensor| tensor.2 = vec![tensor.2.iter().product()]));
    });
    case("no tensor", "eval", weights, &|run| rewrite(run, &Vec::clear));
    case("a header of 2^60 bytes", "eval", weights, &|run| {
        damage(&run.join(checkpoint).join(weights), |bytes| bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes()));
        sign(&run.join(checkpoint));
    });

    // Descriptions of models that cannot be, or are too large for any machine.
    let sizes: [(&str, Value); 28] = [
        ("/model/encoder/width", json!(1_000_000_000_000u64)),
        ("/model/encoder/width", json!(65_536)),
        ("/model/encoder/dim", json!(65_536)),
        ("/model/encoder/patch", json!(0)),
        ("/model/encoder/groups", json!(0)),
        ("/model/encoder/patch", json!(-13)),
        ("/model/encoder/kind", json!("vit")),
        ("/model/encoder/latent", json!("cloud")),
        ("/model/predictor/width", json!(65_536)),
        ("/model/predictor", json!({ "kind": "gru" })),
        ("/model/loss/probe/hidden", json!(0)),
        ("/model/loss/probe/hidden", json!(u64::MAX)),
        ("/model/loss/probe/hidden", json!(32)),
        ("/model/loss/distance/hidden", json!(vec![2; 100_000])),
        ("/model/loss/distance/hidden", json!([65_536, 65_536])),
        ("/model/loss/distance/dim", json!(0)),
        ("/model/loss/inverse_dynamics/hidden", json!(65_536)),
        ("/model/prediction/unroll", json!(1u64 << 50)),
        ("/spaces/pixels", json!([2, 65_536, 65_536])),
        ("/spaces/pixels", json!([0, 65, 65])),
        ("/spaces/pixels", json!([2, 65])),
        ("/spaces/pixels", json!([3, 65, 65])),
        ("/spaces/action", json!(3)),
        ("/spaces/labels", json!(u64::MAX)),
        ("/spaces/proprioception", json!([0])),
        ("/model/proprioception/labels", json!(["agent"])),
        ("/statistics/pixel_mean", json!([0.5])),
        ("/statistics/label_std", json!([])),
    ];
    for (pointer, value) in sizes {
        for command in ["eval", "resume"] {
            case(&format!("{pointer} = {value:.60}"), command, "checkpoints/step-000003/model.", &|run| {
                edit(&run.join(checkpoint).join("model.json"), |json| {
                    *json.pointer_mut(pointer).expect("a key") = value.clone()
                });
                sign(&run.join(checkpoint));
            });
        }
    }
    case("a key more", "eval", "model.json", &|run| {
        edit(&run.join(checkpoint).join("model.json"), |json| json["more"] = json!(1));
        sign(&run.join(checkpoint));
    });

    // Where training stands.
    let state: [(&str, Value); 6] = [
        ("step", json!(7)),
        ("step", json!(-1)),
        ("step", json!(u64::MAX)),
        ("crc32", json!({})),
        ("crc32", json!({ "optimizer.bpk": 1 })),
        ("more", json!(1)),
    ];
    for (key, value) in state {
        let names = if key == "crc32" && value != json!({}) { "model.safetensors" } else { "state.json" };
        case(&format!("{key} = {value}"), "resume", names, &|run| {
            edit(&run.join(checkpoint).join("state.json"), |json| json[key] = value.clone());
        });
    }

    // The rest of a run.
    case("metrics are no metrics", "resume", "metrics.jsonl:2", &|run| {
        let good = "{\"step\":1,\"seconds\":0.5}\n";
        fs::write(run.join("metrics.jsonl"), format!("{good}garbage\n{good}")).expect("metrics");
    });
    case("no config", "eval", "config.toml", &|run| fs::remove_file(run.join("config.toml")).expect("it was there"));
    case("a broken config", "eval", "config.toml:1", &|run| {
        damage(&run.join("config.toml"), |text| *text = b"=".to_vec())
    });
    case("no checkpoint", "eval", "broken", &|run| fs::remove_dir_all(run.join("checkpoints")).expect("it was there"));
    for command in ["eval", "resume"] {
        case("another environment", command, "config.toml", &|run| {
            let path = run.join("config.toml");
            let text = fs::read_to_string(&path).expect("a config").replace("\"two-rooms\"", "\"three-rooms\"");
            fs::write(path, text).expect("a config");
        });
    }
    case("another model", "resume", "config.toml", &|run| {
        let path = run.join("config.toml");
        let text = fs::read_to_string(&path).expect("a config");
        fs::write(path, text.replace("patch = 13", "patch = 5")).expect("a config");
    });
    verdicts.end(120);
}

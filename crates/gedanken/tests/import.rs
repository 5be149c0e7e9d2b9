//! Models of other programs become runs.

mod common;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use common::Place;
use gedanken::eval::LearnedWorld;
use gedanken::model::{Blueprint, Parts, WorldModel};
use gedanken::planner::{LatentDistance, Norm, Objective, World};
use gedanken::train::load_model;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

/// Made by benches/peers/lewm_swm.py.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lewm")
}

/// The fixture's files in the folder `lewm` of a place, to be broken there.
fn copied(place: &Place) -> PathBuf {
    std::fs::create_dir(place.path("lewm")).unwrap();
    for name in ["config.json", "weights.safetensors"] {
        std::fs::copy(fixture().join(name), place.path("lewm").join(name)).unwrap();
    }
    place.path("lewm")
}

/// Short episodes: their labels are measured.
const SHORT: [&str; 2] = ["--set", "data.episode_steps=30"];

fn import(place: &Place, folder: &Path, run: &str) {
    let folder = folder.display().to_string();
    place.run(&[&["import", "lewm", &folder, "--out", run][..], &SHORT].concat()).good();
}

fn loaded(place: &Place, run: &str) -> (WorldModel, Blueprint) {
    load_model(&place.path(run).join("checkpoints/step-000000"), &Parts::default(), &Device::flex()).unwrap()
}

/// Tensors of `lewm_swm.py`'s results.
struct Expected(Vec<u8>);

impl Expected {
    fn of(folder: &Path) -> Self {
        Self(std::fs::read(folder.join("reference/expected.safetensors")).unwrap())
    }

    fn bytes(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        (view.shape().to_vec(), view.data().to_vec())
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        self.bytes(name).1.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (shape, numbers) = (self.bytes(name).0, self.numbers(name));
        Tensor::<1>::from_data(numbers.as_slice(), &Device::flex()).reshape::<D, [usize; D]>(shape.try_into().unwrap())
    }
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The greatest difference, which is at most `tolerance`.
#[track_caller]
fn close(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let difference = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{what}: {difference:.1e}");
    assert!(difference <= tolerance, "{what}: {difference}");
}

fn smallest(energies: &[f32]) -> usize {
    (0..energies.len()).min_by(|&a, &b| energies[a].total_cmp(&energies[b])).unwrap()
}

/// `GEDANKEN_LEWM=FOLDER`, made by `lewm_swm.py FOLDER`, takes the model of full size in the fixture's place.
#[test]
fn a_leworldmodel_encodes_predicts_and_chooses_as_in_stable_worldmodel() {
    let place = Place::new();
    let folder = std::env::var_os("GEDANKEN_LEWM").map_or_else(fixture, PathBuf::from);
    import(&place, &folder, "run");
    let (model, Blueprint { statistics, .. }) = loaded(&place, "run");
    let expected = Expected::of(&folder);
    let device = &Device::flex();

    let (shape, pixels) = expected.bytes("pixels");
    let latents = model.encode(statistics.pixels(&pixels, [shape[1], shape[2], shape[3]], device), None);
    close("latents", &numbers(latents.clone()), &expected.numbers("latents"), 1e-4);

    let units = expected.tensor::<3>("actions");
    let blocks = statistics.actions(units.clone().narrow(0, 0, 1).narrow(1, 0, 3));
    let taught = model.predict(latents.clone().unsqueeze_dim(0), blocks);
    close("predictions from three true frames", &numbers(taught), &expected.numbers("taught"), 1e-4);

    let world = LearnedWorld { model: &model, statistics: &statistics, device };
    let start = latents.clone().narrow(0, 0, 1).repeat_dim(0, units.dims()[0]);
    let futures = world.rollout(start, units);
    close("unrolled predictions", &numbers(futures.clone()), &expected.numbers("futures"), 1e-4);

    // Theirs is the sum over a latent's numbers at the last step, ours the mean.
    let ([rows, horizon, _, dim], goal) = (futures.dims(), latents.narrow(0, 1, 1));
    let energies = LatentDistance { norm: Norm::L2 }.energy(futures, goal.repeat_dim(0, rows));
    let energies = numbers(energies.narrow(1, horizon - 1, 1) * dim as f32);
    let theirs = expected.numbers("energies");
    close("energies", &energies, &theirs, 1e-4 * theirs.iter().copied().fold(0.0, f32::max));
    assert_eq!(smallest(&energies), smallest(&theirs), "the sequence that is chosen");
}

/// A planner that takes no time.
const QUICK: [&str; 6] = ["--set", "planner.iterations=2", "--set", "planner.samples=8", "--set", "planner.elites=2"];

#[test]
fn an_imported_run_plans_evaluates_probes_and_trains_on_like_any_other() {
    let place = Place::new();
    import(&place, &fixture(), "run");
    let config = place.read("run/config.toml");
    assert!(config.starts_with("# gedanken ") && config.contains("; imported: lewm "), "{config}");
    place.run(&[&["plan", "run", "--film", "film.gif"][..], &QUICK].concat()).good();
    assert!(place.path("film.gif").exists());

    let few = ["eval", "run", "--json", "report.json", "--set", "eval.tasks=2", "--set", "eval.films=0"];
    place.run(&[&few[..], &QUICK].concat()).good();
    let report: Value = serde_json::from_str(&place.read("report.json")).unwrap();
    assert_eq!(report["provenance"]["checkpoint"]["step"], 0);
    place.run(&["probe", "run", "--frames", "64", "--test-frames", "16", "--json", "probes.json"]).good();

    let two =
        ["--set", "train.steps=2", "--set", "data.window.layouts=2", "--set", "eval.tasks=1", "--set", "eval.films=0"];
    let run = place.run(&[&["train", "--resume", "run"], &two[..], &QUICK].concat()).good();
    assert_eq!(run.last(), "run");
    assert!(place.path("run/checkpoints/step-000002").exists());
}

#[test]
fn the_world_and_the_scales_of_actions_may_be_others() {
    let place = Place::new();
    place.write("world.toml", "name = \"other\"\n[env]\nname = \"push-t\"\nsize = 28\n[loss.actor]\n[eval]\nbudget = 7\nobjective = \"latent\"\n");
    let folder = fixture().display().to_string();
    let given =
        ["import", "lewm", &folder, "--experiment", "world.toml", "--action-mean", "-0.5,0.25", "--action-std", "2,3"];
    place.run(&[&given[..], &["--out", "run"], &SHORT].concat()).good();
    let (model, Blueprint { statistics, .. }) = loaded(&place, "run");
    assert_eq!((statistics.action_mean, statistics.action_std), (vec![-0.5, 0.25], vec![2.0, 3.0]));
    assert!(model.actor().is_none() && model.distance().is_none(), "heads that nobody has trained");
    let config: toml::Table = place.read("run/config.toml").parse().unwrap();
    assert_eq!(config["eval"]["budget"].as_integer(), Some(7));
    assert_eq!(config["data"]["window"]["frameskip"].as_integer(), Some(5));

    let raw = ["--action-mean", "0,0", "--action-std", "1,1", "--out", "raw"];
    place.run(&[&given[..5], &raw, &SHORT].concat()).good();
    let film = ["plan", "raw", "--film", "film.gif", "--set", "planner.horizon=1", "--set", "planner.replan_every=1"];
    place.run(&[&film[..], &QUICK].concat()).good();
}

/// The tensors of a folder, changed, written back.
fn rewrite(folder: &Path, change: impl Fn(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>)) {
    let path = folder.join("weights.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let owned = |(name, view): (String, TensorView)| (name, view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors = file.tensors().into_iter().map(owned).collect();
    change(&mut tensors);
    let views =
        tensors.iter().map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn the_names_of_transformers_5_are_known_too() {
    let place = Place::new();
    import(&place, &fixture(), "old");
    let folder = copied(&place);
    rewrite(&folder, |tensors| {
        for (name, ..) in tensors {
            let new = name
                .replace("encoder.encoder.layer.", "encoder.layers.")
                .replace("attention.attention.query", "attention.q_proj")
                .replace("attention.attention.key", "attention.k_proj")
                .replace("attention.attention.value", "attention.v_proj")
                .replace("attention.output.dense", "attention.o_proj")
                .replace("intermediate.dense", "mlp.fc1")
                .replace("output.dense", "mlp.fc2");
            *name = new;
        }
    });
    import(&place, &folder, "new");
    let weights = |run: &str| std::fs::read(place.path(run).join("checkpoints/step-000000/model.safetensors")).unwrap();
    assert!(weights("old") == weights("new"));
}

/// One way to break a folder, and what the error names.
type Broken<'a> = (&'a dyn Fn(&Path), &'a str);

/// Sets a key of `config.json`, by the path of its tables.
fn set(folder: &Path, pointer: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let (table, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(table).unwrap()[key] = value;
    std::fs::write(path, config.to_string()).unwrap();
}

#[test]
fn what_is_missing_unexpected_or_of_another_shape_is_named_and_no_run_begins() {
    let query = "encoder.encoder.layer.1.attention.attention.query.weight";
    let remove = |folder: &Path, name: &str| std::fs::remove_file(folder.join(name)).unwrap();
    let no_actions = |folder: &Path| {
        ["input_dim", "smoothed_dim"].iter().for_each(|key| set(folder, &format!("/action_encoder/{key}"), json!(0)));
    };
    let broken: [Broken; 19] = [
        (&no_actions, "lewm: actions of 0 numbers; expected blocks of the 2 that push-t takes"),
        (&|folder| remove(folder, "config.json"), "config.json: No such file"),
        (&|folder| std::fs::write(folder.join("config.json"), "{").unwrap(), "config.json: EOF"),
        (&|folder| set(folder, "/encoder/hidden_act", json!("relu")), "unknown field `hidden_act`"),
        (
            &|folder| set(folder, "/_target_", json!("stable_worldmodel.wm.pldm.PLDM")),
            "config.json: _target_ \"PLDM\"; expected \"LeWM\"",
        ),
        (
            &|folder| set(folder, "/predictor/hidden_dim", json!(16)),
            "config.json: predictor.hidden_dim 16; expected 12",
        ),
        (
            &|folder| set(folder, "/projector/norm_fn", Value::Null),
            "projector.norm_fn \"LayerNorm\"; expected \"BatchNorm1d\"",
        ),
        (&|folder| set(folder, "/encoder/size", json!("giant")), "encoder.size \"giant\"; expected tiny, small"),
        (&|folder| set(folder, "/encoder/num_hidden_layers", json!(1_u64 << 60)), "encoder.depth"),
        (
            &|folder| set(folder, "/encoder/num_hidden_layers", json!(3)),
            "no encoder.encoder.layer.2.layernorm_before.weight; expected",
        ),
        (&|folder| set(folder, "/encoder/num_hidden_layers", json!(1)), "a tensor encoder.encoder.layer.1."),
        (&|folder| set(folder, "/encoder/patch_size", json!(5)), "patch 5 does not divide the picture, 28 x 28"),
        (&|folder| set(folder, "/action_encoder/input_dim", json!(9)), "action_encoder.smoothed_dim 10; expected 9"),
        (&|folder| remove(folder, "weights.safetensors"), "lewm: no file of weights; expected one *.safetensors"),
        (
            &|folder| std::fs::rename(folder.join("weights.safetensors"), folder.join("weights.pt")).unwrap(),
            "lewm: weights.pt, a pickle, which runs code when it is read; expected one *.safetensors",
        ),
        (
            &|folder| std::fs::write(folder.join("weights.safetensors"), "no").unwrap(),
            "expected a whole safetensors file",
        ),
        (
            &|folder| rewrite(folder, |tensors| tensors.retain(|(name, ..)| name != query)),
            "weights.safetensors: no encoder.encoder.layer.1.attention.attention.query.weight; expected \
             encoder.encoder.layer.1.attention.attention.query.weight F32 [12, 12]",
        ),
        (
            &|folder| {
                rewrite(folder, |tensors| tensors.iter_mut().filter(|t| t.0 == query).for_each(|t| t.2 = vec![144]))
            },
            "query.weight is F32 [144]; expected encoder.encoder.layer.1.attention.attention.query.weight F32 [12, 12]",
        ),
        (
            &|folder| {
                rewrite(folder, |tensors| tensors.push(("head.bias".to_owned(), Dtype::F32, vec![1], vec![0; 4])))
            },
            "a tensor head.bias [1] (1 unknown in all); expected only those",
        ),
    ];
    for (ruin, names) in broken {
        let place = Place::new();
        let folder = copied(&place);
        ruin(&folder);
        let said = place.run(&["import", "lewm", "lewm", "--out", "runs/new"]);
        assert_eq!(said.bad_manners(names), None);
        assert!(common::names(&place.path("runs")).is_empty(), "{names}: nothing is left behind");
    }
}

#[test]
fn a_command_line_that_says_something_impossible_is_refused() {
    let place = Place::new();
    let folder = fixture().display().to_string();
    let refused = |more: &[&str], names: &str| {
        let said = place.run(&[&["import", "lewm", &folder], more].concat());
        assert_eq!(said.bad_manners(names), None);
    };
    std::fs::create_dir(place.path("there")).unwrap();
    refused(&["--out", "there"], "--out there: it is there already; expected a new folder");
    refused(
        &["--out", "run", "--action-mean", "0,0,0", "--action-std", "1,1,1"],
        "--action-mean: [0.0, 0.0, 0.0]; expected 2",
    );
    refused(
        &["--out", "run", "--action-mean", "0,0", "--action-std", "1,0"],
        "--action-std: [1.0, 0.0]; expected 2 positive",
    );
    refused(
        &["--out", "run", "--action-mean", "nan,0", "--action-std", "1,1"],
        "--action-mean: [NaN, 0.0]; expected 2 finite",
    );
    refused(
        &["--out", "run", "--set", "env.size=56"],
        "lewm: a model of pictures of 3 x 28 x 28; expected those of [env], 3 x 56 x 56",
    );
    refused(&["--out", "run", "--set", "env.name=two-rooms"], "");
    refused(&["--out", "run", "--set", "planner.horizon=0"], "planner.horizon");
    assert!(!place.path("run").exists());
    let said = place.run(&["import", "pldm", &folder, "--out", "run"]);
    assert!(said.code == Some(2) && said.err.contains("[possible values: lewm]"), "{said:?}");
}

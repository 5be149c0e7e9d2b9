//! `gedanken encode`: the latents of a dataset's frames in a file.

mod common;

use burn::tensor::Device;
use common::Place;
use gedanken::data::Dataset;
use gedanken::train::load_model;
use safetensors::SafeTensors;

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|number| f32::from_le_bytes(number.try_into().expect("four bytes"))).collect()
}

#[test]
fn the_latents_of_a_dataset_stand_in_a_file_beside_its_actions_and_labels() {
    let place = Place::new();
    // 12 episodes of 31 frames are more than are encoded in one piece.
    let many = ["--set", "collect.layouts=12", "--set", "collect.episodes=1", "--set", "collect.episode_steps=30"];
    place.run(&[&["collect", "tiny.toml", "--out", "rooms"], &many[..]].concat()).good();
    let quick = ["--set", "train.steps=3", "--set", "eval.tasks=1", "--set", "eval.baselines=false"];
    let run = place.train(&quick);
    place.run(&["encode", &run, "--data", "rooms", "--out", "z.safetensors"]).good();

    let bytes = std::fs::read(place.path("z.safetensors")).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let column = |name: &str| file.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
    let dataset = Dataset::open(place.path("rooms")).expect("a dataset");
    let frames = dataset.frames();
    assert_eq!(frames, 12 * 31);
    let (model, blueprint) =
        load_model(&place.path(&format!("{run}/checkpoints/step-000003")), &gedanken::parts().model, &Device::flex())
            .expect("a model");
    let shape = model.latent_shape();
    assert_eq!(column("latent").shape(), [frames, shape.tokens(), shape.dim]);
    assert_eq!((column("action").shape(), column("label").shape()), (&[frames, 2][..], &[frames, 4][..]));

    let found = floats(column("latent").data());
    let numbers = shape.tokens() * shape.dim;
    for index in [0, 255, 256, frames - 1] {
        let frame = dataset.frame(index).expect("a frame");
        let pixels = blueprint.statistics.pixels(frame.pixels(), model.spaces().pixels, &Device::flex());
        let latent: Vec<f32> = model.encode(pixels, None).into_data().iter::<f32>().collect();
        let found = &found[index * numbers..][..numbers];
        let off = found.iter().zip(&latent).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-4, "frame {index} is {off} off");
        assert_eq!(floats(column("label").data())[index * 4..][..4], frame.labels().collect::<Vec<_>>());
        assert_eq!(floats(column("action").data())[index * 2..][..2], frame.action().collect::<Vec<_>>());
    }
    let starts: Vec<u8> = (0..12i64).flat_map(|episode| (episode * 31).to_le_bytes()).collect();
    assert_eq!(column("ep_offset").data(), starts);
    assert_eq!(column("ep_len").data(), [31i64; 12].map(i64::to_le_bytes).concat());
}

#[test]
fn what_cannot_be_encoded_is_refused_and_leaves_no_file() {
    let place = Place::new();
    place.run(&["collect", "tiny.toml", "--out", "rooms", "--set", "collect.layouts=2"]).good();
    let run = place.train(&["--set", "train.steps=3", "--set", "eval.tasks=1", "--set", "eval.baselines=false"]);
    for (arguments, names) in [
        (&["--out", "z.safetensors"][..], "expected --data DIR"),
        (&["--data", "rooms", "--out", "z.npz"], "ends in .safetensors"),
        (&["--data", "nowhere", "--out", "z.safetensors"], "nowhere"),
    ] {
        let told = place.run(&[&["encode", &run], arguments].concat());
        assert_eq!(told.bad_manners(names), None, "{}", told.err);
    }
    assert!(!place.path("z.safetensors").exists());
}

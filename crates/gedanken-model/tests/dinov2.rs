//! DINOv2 with weights from elsewhere, beside Hugging Face's `Dinov2Model`: `benches/peers/dinov2_pytorch.py` made `reference/dinov2`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_encoder::{Dinov2Config, Tokens};
use gedanken_model::{
    Blueprint, CheckpointError, LossConfig, ModelConfig, Parts, PredictionConfig, Statistics, WorldModel, load, save,
};
use gedanken_nn::{Learn, Progress, Spaces, TrainBatch, named_parameters};
use gedanken_parts::Table;
use gedanken_predictor::VitConfig;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/dinov2")
}

fn tiny() -> Dinov2Config {
    let weights = Some(reference().join("weights.safetensors"));
    Dinov2Config { patch: 4, dim: 32, depth: 2, heads: 4, mlp: 64, weights, ..Dinov2Config::default() }
}

fn spaces(height: usize, width: usize) -> Spaces {
    Spaces { pixels: [3, height, width], action: 2, labels: 1, proprioception: Vec::new() }
}

fn config(encoder: &Dinov2Config) -> ModelConfig {
    let predictor = VitConfig { depth: 1, heads: 2, head_dim: 4, mlp: 8, ..VitConfig::default() };
    ModelConfig {
        encoder: Table::of("dinov2", encoder),
        predictor: Table::of("vit", &predictor),
        prediction: PredictionConfig { teacher: true, ..PredictionConfig::default() },
        loss: LossConfig::none().with("prediction", None, &()),
        ..ModelConfig::default()
    }
}

/// A new model as a run begins with it.
fn model(encoder: &Dinov2Config, spaces: Spaces) -> Result<WorldModel, CheckpointError> {
    let plan = Parts::default().plan(&config(encoder)).expect("known parts");
    let learned = plan.learned_elsewhere(spaces.pixels)?;
    Ok(WorldModel::new(&plan, spaces, 3, &Device::flex()).with_encoder(learned).freeze(&plan.frozen()))
}

/// The tensors of a file.
fn tensors(path: &Path) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("tensors");
    let numbers =
        |view: &TensorView<'_>| view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    file.tensors().into_iter().map(|(name, view)| (name, (view.shape().to_vec(), numbers(&view)))).collect()
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("numbers")
}

/// The greatest difference from what PyTorch made of the pictures of a folder, for both kinds of tokens.
fn difference(folder: &Path, encoder: &Dinov2Config) -> f32 {
    let made = tensors(&folder.join("pictures.safetensors"));
    let mut worst = 0.0f32;
    for index in 0..2 {
        let (shape, pixels) = &made[&format!("pixels.{index}")];
        let (of_tokens, expected) = &made[&format!("tokens.{index}")];
        let (frames, dim) = (shape[0], of_tokens[2]);
        for tokens in [Tokens::Class, Tokens::Patches] {
            let model =
                model(&Dinov2Config { tokens, ..encoder.clone() }, spaces(shape[2], shape[3])).expect("weights");
            let pixels = Tensor::from_data(TensorData::new(pixels.clone(), shape.clone()), &Device::flex());
            let latents = model.encode(pixels, None);
            let range = if tokens == Tokens::Class { 0..1 } else { 1..of_tokens[1] };
            assert_eq!(latents.dims(), [frames, range.len(), dim]);
            let expected =
                expected.chunks(of_tokens[1] * dim).flat_map(|frame| &frame[range.start * dim..range.end * dim]);
            for (ours, theirs) in host(latents).iter().zip(expected) {
                worst = worst.max((ours - theirs).abs());
            }
        }
    }
    worst
}

#[test]
fn tokens_are_transformers_on_pictures_of_its_own_and_of_another_size() {
    let worst = difference(&reference(), &tiny());
    assert!(worst < 1e-4, "tokens differ by {worst}");
}

#[test]
fn those_of_the_published_weights_are_too_where_they_are_at_hand() {
    let [folder, weights] = ["GEDANKEN_DINOV2", "GEDANKEN_DINOV2_WEIGHTS"].map(std::env::var_os);
    let Some((folder, weights)) = folder.zip(weights) else {
        return println!("not tested: benches/peers/dinov2_pytorch.py says how");
    };
    let small = Dinov2Config { weights: Some(weights.into()), ..Dinov2Config::default() };
    let worst = difference(Path::new(&folder), &small);
    println!("tokens differ by {worst:.1e} at most");
    assert!(worst < 1e-4, "tokens differ by {worst}");
}

fn batch(pixels: [usize; 3], device: &Device) -> TrainBatch {
    let (windows, time) = (2, 4);
    let wave = |count: usize| (0..count).map(|i| (0.37 * ((i * i) % 1009) as f32).sin()).collect::<Vec<f32>>();
    let [channels, height, width] = pixels;
    let shape = [windows * time, channels, height, width];
    TrainBatch {
        pixels: Tensor::from_data(TensorData::new(wave(shape.iter().product()), shape), device),
        latents: None,
        actions: TrainBatch::actions(&wave(windows * (time - 1) * 2), [windows, time - 1, 2], device),
        labels: Tensor::zeros([windows * time, 1], device),
        at: (0..windows).flat_map(|_| 0..time as u32).collect(),
        layouts: windows,
        episodes: 1,
        time,
        extra: 0,
        seed: 7,
    }
}

/// The names of all parameters that a loss has a gradient for.
fn moved(model: WorldModel) -> Vec<String> {
    let model = model.train();
    let loss = model.loss(batch(model.spaces().pixels, &Device::flex()), Progress { step: 0, steps: 1 });
    let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
    struct Moved<'a>(Vec<String>, &'a GradientsParams, Vec<String>);
    impl burn::module::ModuleVisitor for Moved<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if self.1.get::<D>(param.id).is_some() {
                self.2.push(self.0.join("."));
            }
        }
    }
    let mut moved = Moved(Vec::new(), &gradients, Vec::new());
    model.visit(&mut moved);
    moved.2
}

#[test]
fn an_encoder_with_weights_stays_as_it_is_unless_it_is_to_be_tuned() {
    let moves = |encoder: &Dinov2Config| {
        let moved = moved(model(encoder, spaces(20, 20)).expect("weights"));
        assert!(moved.iter().any(|name| name.starts_with("predictor.")), "{moved:?}");
        moved.iter().any(|name| name.starts_with("encoder."))
    };
    assert!(!moves(&tiny()));
    assert!(moves(&Dinov2Config { frozen: Some(false), ..tiny() }));
    assert!(moves(&Dinov2Config { weights: None, ..tiny() }));
}

#[test]
fn a_slow_target_begins_with_the_weights_too() {
    let config = ModelConfig { target: Table::of("ema", &()), ..config(&tiny()) };
    let plan = Parts::default().plan(&config).expect("known parts");
    let learned = plan.learned_elsewhere([3, 20, 20]).expect("weights");
    let model = WorldModel::new(&plan, spaces(20, 20), 3, &Device::flex()).with_encoder(learned);
    let named = named_parameters(&model);
    let of = |part: &str| -> Vec<_> {
        named.iter().filter(|named| named.name.starts_with(part)).map(|named| named.values.clone()).collect()
    };
    assert!(of("encoder.").len() > 20);
    assert_eq!(of("encoder."), of("target."));
}

#[test]
fn a_checkpoint_holds_the_weights_and_needs_their_file_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("weights.safetensors");
    std::fs::copy(reference().join("weights.safetensors"), &file).expect("a copy");
    let encoder = Dinov2Config { weights: Some(file.clone()), ..tiny() };
    let before = model(&encoder, spaces(12, 28)).expect("weights");
    let statistics = Statistics {
        pixel_mean: Vec::new(),
        pixel_std: Vec::new(),
        stretch: false,
        label_mean: vec![0.0],
        label_std: vec![1.0],
        action_mean: Vec::new(),
        action_std: Vec::new(),
    };
    let blueprint = Blueprint {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: config(&encoder),
        spaces: spaces(12, 28),
        statistics: statistics.with_imagenet_pixels(),
        learned_from: Vec::new(),
    };
    save(folder.path(), &before, &blueprint).expect("a checkpoint");
    std::fs::remove_file(file).expect("it was there");
    let (after, blueprint) = load(folder.path(), &Parts::default(), &Device::flex()).expect("a model");
    assert!(blueprint.statistics.has_imagenet_pixels());
    assert_eq!(named_parameters(&after), named_parameters(&before));
}

#[test]
fn weights_that_do_not_fit_are_named_with_their_file_what_was_found_and_what_would_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("weights.safetensors");
    let error = |encoder: &Dinov2Config| {
        let error = model(encoder, spaces(20, 20)).expect_err("an error").to_string();
        error.rsplit_once("weights.safetensors: ").map(|(_, rest)| rest.to_owned()).expect(&error)
    };
    assert_eq!(
        error(&Dinov2Config { mlp: 48, ..tiny() }),
        "encoder.layer.0.mlp.fc1.weight [64, 32]; expected encoder.layer.0.mlp.fc1.weight [48, 32]"
    );
    assert_eq!(
        error(&Dinov2Config { depth: 3, ..tiny() }),
        "no encoder.layer.2.attention.attention.query.weight; expected encoder.layer.2.attention.attention.query.weight [32, 32]"
    );
    assert_eq!(
        error(&Dinov2Config { depth: 1, ..tiny() }),
        "encoder.layer.1.attention.attention.key.bias; expected 1 blocks (encoder.depth)"
    );
    let here = Dinov2Config { weights: Some(file.clone()), ..tiny() };
    assert!(error(&here).starts_with("No such file"));
    std::fs::write(&file, b"no tensors at all").expect("a file");
    assert!(error(&here).ends_with("; expected a whole safetensors file"));

    let mut all = tensors(&reference().join("weights.safetensors"));
    let write = |all: &HashMap<String, (Vec<usize>, Vec<f32>)>| {
        let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = all
            .iter()
            .map(|(name, (shape, numbers))| (name, shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(name, shape, data)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), data).expect("a view")));
        std::fs::write(&file, safetensors::serialize(views, None).expect("bytes")).expect("a file");
    };
    all.get_mut("layernorm.bias").expect("a norm").1[3] = f32::NAN;
    write(&all);
    assert_eq!(error(&here), "numbers that are not finite, in what becomes encoder.norm.beta; expected finite weights");
    let positions = all.get_mut("embeddings.position_embeddings").expect("positions");
    *positions = (vec![1, 25, 32], positions.1[..25 * 32].to_vec());
    write(&all);
    assert_eq!(
        error(&here),
        "embeddings.position_embeddings [1, 25, 32]; expected embeddings.position_embeddings [1, 1 + n n, 32], of pictures of n x n patches"
    );
}

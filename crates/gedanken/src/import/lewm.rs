//! LeWorldModel (arXiv:2603.19312), as stable-worldmodel keeps it: `config.json`, and the state dict as safetensors.

use std::fmt::{Debug, Display};
use std::path::{Path, PathBuf};

use gedanken_encoder::VitConfig;
use gedanken_model::{CheckpointError, IMAGENET, LossConfig, ModelConfig, PredictionConfig};
use gedanken_parts::Table;
use gedanken_predictor::TransformerConfig;
use gedanken_regularizer::{Prediction, Sigreg};
use serde::Deserialize;
use serde_json::Value;

use super::{Foreign, Format, Mapped};

/// This one.
pub const FORMAT: Format = Format {
    name: "lewm",
    about: "LeWorldModel, as stable-worldmodel keeps it: config.json and one *.safetensors",
    experiment: include_str!("lewm.toml"),
    // Of DINO-WM's Push-T data, on which it was trained, as DINO-WM's code has them.
    actions: [&[-0.0087, 0.0068], &[0.2019, 0.2002]],
    read,
};

/// The weight of SIGReg in its loss.
const SIGREG: f64 = 0.09;

/// `config.json`: the arguments of its Python classes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "_target_")]
    target: String,
    encoder: Encoder,
    predictor: Predictor,
    action_encoder: Embedder,
    projector: Option<Mlp>,
    pred_proj: Option<Mlp>,
}

/// stable-pretraining's `vit_hf`; sizes that are named beside `size` are Hugging Face's, and come before it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoder {
    #[serde(rename = "_target_")]
    target: String,
    #[serde(default = "tiny")]
    size: String,
    #[serde(default = "patch")]
    patch_size: usize,
    #[serde(default = "image")]
    image_size: usize,
    #[serde(default, rename = "pretrained")]
    _pretrained: bool,
    #[serde(default, rename = "use_mask_token")]
    _use_mask_token: bool,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
}

fn tiny() -> String {
    "tiny".to_owned()
}

fn patch() -> usize {
    16
}

fn image() -> usize {
    224
}

/// `Predictor`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Predictor {
    #[serde(rename = "_target_")]
    target: String,
    num_frames: usize,
    input_dim: usize,
    hidden_dim: usize,
    output_dim: Option<usize>,
    depth: usize,
    heads: usize,
    mlp_dim: usize,
    #[serde(default = "head")]
    dim_head: usize,
    #[serde(default)]
    dropout: f64,
    #[serde(default, rename = "emb_dropout")]
    _emb_dropout: f64,
}

fn head() -> usize {
    64
}

/// `Embedder`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Embedder {
    #[serde(rename = "_target_")]
    target: String,
    #[serde(default = "ten")]
    input_dim: usize,
    #[serde(default = "ten")]
    smoothed_dim: usize,
    #[serde(default = "ten")]
    emb_dim: usize,
    #[serde(default = "scale")]
    mlp_scale: usize,
}

fn ten() -> usize {
    10
}

fn scale() -> usize {
    4
}

/// `MLP`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mlp {
    #[serde(rename = "_target_")]
    target: String,
    input_dim: usize,
    hidden_dim: usize,
    output_dim: Option<usize>,
    #[serde(default)]
    norm_fn: Value,
    #[serde(default)]
    act_fn: Value,
}

/// Reads a folder.
fn read(folder: &Path) -> Result<Foreign, CheckpointError> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|source| CheckpointError::Io { path: path.clone(), source })?;
    let content = |found, expected| CheckpointError::Content { path: path.clone(), found, expected };
    let config: Config = serde_json::from_str(&text)
        .map_err(|error| content(error.to_string(), "the config of a LeWorldModel".to_owned()))?;
    let (vit, transformer) = config.parts().map_err(|(found, expected)| content(found, expected))?;

    let mut weights = Mapped::open(&weights_file(folder)?)?;
    let action = config.action_encoder.input_dim;
    encoder(&mut weights, &vit);
    predictor(&mut weights, &transformer, action);
    // Counts of batches, which PyTorch's BatchNorm keeps; and what stands for a patch that is masked, which none is here.
    weights.ignore(|name| name.ends_with(".num_batches_tracked") || name == "encoder.embeddings.mask_token");

    let size = config.encoder.image_size;
    Ok(Foreign {
        model: model(&vit, &transformer),
        pixels: [3, size, size],
        action,
        time: transformer.history.saturating_add(1),
        pixel_scales: IMAGENET.map(|scales| scales.to_vec()),
        world: vec![format!("env.size={size}")],
        weights,
    })
}

/// The one file of weights in a folder.
fn weights_file(folder: &Path) -> Result<PathBuf, CheckpointError> {
    let entries = std::fs::read_dir(folder)
        .map_err(|source| CheckpointError::Io { path: folder.to_owned(), source })?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    let ending = |endings: &[&str]| -> Vec<&PathBuf> {
        let is = |file: &&PathBuf| file.extension().is_some_and(|found| endings.iter().any(|ending| found == *ending));
        files.iter().filter(is).collect()
    };
    let found = match (ending(&["safetensors"]).as_slice(), ending(&["pt", "pth", "ckpt", "bin"]).as_slice()) {
        ([file], _) => return Ok(file.to_path_buf()),
        ([], []) => "no file of weights".to_owned(),
        ([], [pickle, ..]) => format!("{}, a pickle, which runs code when it is read", name(pickle)),
        (several, _) => several.iter().map(|file| name(file)).collect::<Vec<_>>().join(" and "),
    };
    let expected = "one *.safetensors; of weights.pt Python makes it: safetensors.torch.save_file(torch.load(\"weights.pt\", \
                    map_location=\"cpu\"), \"weights.safetensors\")";
    Err(CheckpointError::Content { path: folder.to_owned(), found, expected: expected.to_owned() })
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The value found, and the right one.
type Mismatch = (String, String);

impl Config {
    /// Our parts of the same sizes.
    fn parts(&self) -> Result<(VitConfig, TransformerConfig), Mismatch> {
        let Self { encoder, predictor, action_encoder, projector, pred_proj, .. } = self;
        class("_target_", &self.target, "LeWM")?;
        class("encoder._target_", &encoder.target, "vit_hf")?;
        class("predictor._target_", &predictor.target, "Predictor")?;
        class("action_encoder._target_", &action_encoder.target, "Embedder")?;

        let [hidden, layers, heads] = encoder.sizes()?;
        let dim = encoder.hidden_size.unwrap_or(hidden);
        equal("predictor.input_dim", predictor.input_dim, dim)?;
        equal("predictor.hidden_dim", predictor.hidden_dim, dim)?;
        equal("predictor.output_dim", predictor.output_dim.unwrap_or(dim), dim)?;
        equal("action_encoder.emb_dim", action_encoder.emb_dim, dim)?;
        equal("action_encoder.smoothed_dim", action_encoder.smoothed_dim, action_encoder.input_dim)?;
        let vit = VitConfig {
            patch: encoder.patch_size,
            dim,
            depth: encoder.num_hidden_layers.unwrap_or(layers),
            heads: encoder.num_attention_heads.unwrap_or(heads),
            mlp: encoder.intermediate_size.unwrap_or(4 * hidden),
            projector: hidden_of("projector", projector.as_ref(), dim)?,
        };
        let transformer = TransformerConfig {
            history: predictor.num_frames,
            depth: predictor.depth,
            heads: predictor.heads,
            head_dim: predictor.dim_head,
            mlp: predictor.mlp_dim,
            action_hidden: action_encoder.mlp_scale.saturating_mul(dim),
            dropout: predictor.dropout,
            projector: hidden_of("pred_proj", pred_proj.as_ref(), dim)?,
        };
        Ok((vit, transformer))
    }
}

impl Encoder {
    /// Width, blocks and heads by the name of the size.
    fn sizes(&self) -> Result<[usize; 3], Mismatch> {
        match self.size.as_str() {
            "tiny" => Ok([192, 12, 3]),
            "small" => Ok([384, 12, 6]),
            "base" => Ok([768, 12, 12]),
            "large" => Ok([1024, 24, 16]),
            "huge" => Ok([1280, 32, 16]),
            other => Err((format!("encoder.size \"{other}\""), "tiny, small, base, large or huge".to_owned())),
        }
    }
}

/// The width of a projector's hidden layer; 0 where there is none.
fn hidden_of(key: &str, mlp: Option<&Mlp>, dim: usize) -> Result<usize, Mismatch> {
    let Some(mlp) = mlp else { return Ok(0) };
    class(&format!("{key}._target_"), &mlp.target, "MLP")?;
    class(&format!("{key}.norm_fn"), class_of(&mlp.norm_fn).unwrap_or("LayerNorm"), "BatchNorm1d")?;
    class(&format!("{key}.act_fn"), class_of(&mlp.act_fn).unwrap_or("GELU"), "GELU")?;
    equal(&format!("{key}.input_dim"), mlp.input_dim, dim)?;
    equal(&format!("{key}.output_dim"), mlp.output_dim.unwrap_or(mlp.input_dim), dim)?;
    Ok(mlp.hidden_dim)
}

/// The Python class that a table stands for.
fn class_of(value: &Value) -> Option<&str> {
    value.get("_target_").unwrap_or(value).as_str()
}

/// A Python class by its last name: modules have moved.
fn class(key: &str, found: &str, expected: &str) -> Result<(), Mismatch> {
    equal(key, found.rsplit('.').next().unwrap_or(found), expected)
}

fn equal<T: PartialEq + Display + Debug>(key: &str, found: T, expected: T) -> Result<(), Mismatch> {
    if found == expected { Ok(()) } else { Err((format!("{key} {found:?}"), format!("{expected:?}"))) }
}

/// The model with its authors' loss.
fn model(vit: &VitConfig, transformer: &TransformerConfig) -> ModelConfig {
    let loss = LossConfig::none().with("prediction", None, &Prediction::default()).with(
        "sigreg",
        Some(SIGREG),
        &Sigreg::default(),
    );
    ModelConfig {
        encoder: Table::of("vit", vit),
        predictor: Table::of("transformer", transformer),
        prediction: PredictionConfig { teacher: true, ..PredictionConfig::default() },
        loss,
        ..ModelConfig::default()
    }
}

/// Names of a block of Hugging Face's ViT: until transformers 4, and since 5.
struct Names {
    blocks: &'static str,
    attention: [&'static str; 3],
    attention_output: &'static str,
    mlp: [&'static str; 2],
}

const UNTIL_4: Names = Names {
    blocks: "encoder.encoder.layer",
    attention: ["attention.attention.query", "attention.attention.key", "attention.attention.value"],
    attention_output: "attention.output.dense",
    mlp: ["intermediate.dense", "output.dense"],
};
const SINCE_5: Names = Names {
    blocks: "encoder.layers",
    attention: ["attention.q_proj", "attention.k_proj", "attention.v_proj"],
    attention_output: "attention.o_proj",
    mlp: ["mlp.fc1", "mlp.fc2"],
};

fn encoder(weights: &mut Mapped, vit: &VitConfig) {
    let patch = [3, vit.patch, vit.patch];
    weights.convolution("encoder.embed", "encoder.embeddings.patch_embeddings.projection", &patch);
    weights.same("encoder.class", "encoder.embeddings.cls_token");
    weights.same("encoder.positions", "encoder.embeddings.position_embeddings");
    let names = if weights.has("encoder.layers.0.layernorm_before.weight") { SINCE_5 } else { UNTIL_4 };
    for block in 0..vit.depth.min(weights.left()) {
        let ours = |name: &str| format!("encoder.blocks.{block}.{name}");
        let theirs = |name: &str| format!("{}.{block}.{name}", names.blocks);
        weights.norm(&ours("norm1"), &theirs("layernorm_before"));
        let attention = names.attention.map(theirs);
        weights.linear(&ours("attention.qkv"), &attention.each_ref().map(String::as_str));
        weights.linear(&ours("attention.output"), &[&theirs(names.attention_output)]);
        weights.norm(&ours("norm2"), &theirs("layernorm_after"));
        weights.linear(&ours("mlp.hidden"), &[&theirs(names.mlp[0])]);
        weights.linear(&ours("mlp.output"), &[&theirs(names.mlp[1])]);
    }
    weights.norm("encoder.norm", "encoder.layernorm");
    projector(weights, "encoder.projector", "projector");
}

fn predictor(weights: &mut Mapped, transformer: &TransformerConfig, action: usize) {
    weights.convolution("predictor.action.mix", "action_encoder.patch_embed", &[action, 1]);
    weights.linear("predictor.action.hidden", &["action_encoder.embed.0"]);
    weights.linear("predictor.action.output", &["action_encoder.embed.2"]);
    weights.same("predictor.positions", "predictor.pos_embedding");
    for block in 0..transformer.depth.min(weights.left()) {
        let ours = |name: &str| format!("predictor.blocks.{block}.{name}");
        let theirs = |name: &str| format!("predictor.transformer.layers.{block}.{name}");
        weights.linear(&ours("modulation"), &[&theirs("adaLN_modulation.1")]);
        weights.norm(&ours("attention_norm"), &theirs("attn.norm"));
        weights.weight(&ours("attention.qkv"), &[&theirs("attn.to_qkv")]);
        weights.linear(&ours("attention.output"), &[&theirs("attn.to_out.0")]);
        weights.norm(&ours("mlp_norm"), &theirs("mlp.net.0"));
        weights.linear(&ours("mlp.hidden"), &[&theirs("mlp.net.1")]);
        weights.linear(&ours("mlp.output"), &[&theirs("mlp.net.4")]);
    }
    weights.norm("predictor.norm", "predictor.transformer.norm");
    projector(weights, "predictor.projector", "pred_proj");
}

fn projector(weights: &mut Mapped, ours: &str, theirs: &str) {
    weights.linear(&format!("{ours}.hidden"), &[&format!("{theirs}.net.0")]);
    weights.batch_norm(&format!("{ours}.norm"), &format!("{theirs}.net.1"));
    weights.linear(&format!("{ours}.output"), &[&format!("{theirs}.net.3")]);
}

//! A model on disk: `model.safetensors` (weights by name) and `model.json` (what it is made of). Data only: loading one runs no code.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use gedanken_nn::{Spaces, named_parameters, replace, seeded, shapes};

use crate::{ModelConfig, Parts, Plan, Statistics, WorldModel};

/// All that is needed to build a model again, apart from its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// The program's version that wrote it.
    pub version: String,
    /// The model's config.
    pub model: ModelConfig,
    /// Sizes of observations, actions and labels.
    pub spaces: Spaces,
    /// Statistics of its training data.
    pub statistics: Statistics,
    /// The datasets that it learns from, in all phases and before them; none where it learns from streams alone, or was made by a version
    /// that did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_from: Vec<LearnedFrom>,
}

/// A dataset that a model learns from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedFrom {
    /// What tells it from any other: a checksum of its files' checksums.
    pub dataset: u32,
    /// The share of it that is kept from training.
    pub validation: f64,
}

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// The file is there, but not what it should be.
    #[error("{}: {found}; expected {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The finding.
        found: String,
        /// A right one.
        expected: String,
    },
    /// Ruined weights are not written.
    #[error("{name} holds numbers that are not finite")]
    NotFinite {
        /// The first of them.
        name: String,
    },
}

/// A model's files.
pub const FILES: [&str; 2] = [WEIGHTS, BLUEPRINT];
const WEIGHTS: &str = "model.safetensors";
const BLUEPRINT: &str = "model.json";

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Io { path: path.to_owned(), source }
}

/// Writes a model into an existing folder.
///
/// # Errors
/// [`CheckpointError::NotFinite`]; [`CheckpointError::Io`].
pub fn save(folder: &Path, model: &WorldModel, blueprint: &Blueprint) -> Result<(), CheckpointError> {
    let named = named_parameters(model);
    if let Some(ruined) = named.iter().find(|named| named.values.iter().any(|value| !value.is_finite())) {
        return Err(CheckpointError::NotFinite { name: ruined.name.clone() });
    }
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> =
        named.into_iter().map(|p| (p.name, p.shape, p.values.iter().flat_map(|v| v.to_le_bytes()).collect())).collect();
    let path = folder.join(WEIGHTS);
    let invalid = |e: safetensors::SafeTensorError| std::io::Error::other(e.to_string());
    let views = bytes
        .iter()
        .map(|(name, shape, data)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), data).map_err(invalid)?)))
        .collect::<Result<Vec<_>, std::io::Error>>()
        .map_err(io(&path))?;
    let file = safetensors::serialize(views, None).map_err(invalid).map_err(io(&path))?;
    std::fs::write(&path, file).map_err(io(&path))?;
    let path = folder.join(BLUEPRINT);
    let text = serde_json::to_string_pretty(blueprint).map_err(std::io::Error::other).map_err(io(&path))?;
    std::fs::write(&path, text).map_err(io(&path))
}

/// Reads a model, without autodiff, onto a device; `parts` are those it may be made of.
///
/// # Errors
/// [`CheckpointError`] when a file is missing, was written by a version that made other models, or does not hold exactly the
/// weights that its blueprint asks for.
pub fn load(folder: &Path, parts: &Parts, device: &Device) -> Result<(WorldModel, Blueprint), CheckpointError> {
    let (blueprint, plan) = plan(folder, parts)?;
    let path = folder.join(WEIGHTS);
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let content = |found: String, expected: String| CheckpointError::Content { path: path.clone(), found, expected };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| content(error.to_string(), "a whole safetensors file".to_owned()))?;
    let mut stored: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();

    let weights = |name: &str, shape: &[usize]| {
        let expected = || format!("{name} F32 {shape:?}, as {BLUEPRINT} has it");
        match stored.remove(name) {
            Some(view) if view.dtype() == Dtype::F32 && view.shape() == shape => {
                let bytes = view.data().chunks_exact(4);
                let values: Vec<f32> = bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                let finite = values.iter().all(|v| v.is_finite());
                let ruined =
                    || content(format!("{name} holds numbers that are not finite"), "finite weights".to_owned());
                finite.then_some(values).ok_or_else(ruined)
            }
            Some(view) => Err(content(format!("{name} is {:?} {:?}", view.dtype(), view.shape()), expected())),
            None => Err(content(format!("no {name}"), expected())),
        }
    };
    let model = WorldModel::of_weights(&plan, blueprint.spaces.clone(), weights, device)?;
    if let Some(name) = stored.keys().min() {
        return Err(content(format!("a tensor {name}"), format!("only the tensors of {BLUEPRINT}")));
    }
    Ok((model, blueprint))
}

impl WorldModel {
    /// A model of these weights, which `weights` tells by name and shape, on a device. None is looked at before all of them are told, so that
    /// a plan that asks for more than there is does not take the memory.
    ///
    /// # Errors
    /// The first of `weights`.
    pub fn of_weights<E>(
        plan: &Plan,
        spaces: Spaces,
        mut weights: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
        device: &Device,
    ) -> Result<Self, E> {
        let model = Self::undrawn(plan, spaces, &Device::flex());
        let told = shapes(&model).into_iter().map(|(name, shape)| {
            let values = weights(&name, &shape)?;
            Ok((name, values))
        });
        let mut told: HashMap<String, Vec<f32>> = told.collect::<Result<_, E>>()?;
        // A weight that is replaced may be drawn first, which must not happen while another thread draws a model's.
        let model = seeded(0, |_| replace(model, &mut |name, _| told.remove(name)));
        Ok(model.fork(device))
    }
}

/// Versions whose models this program can build start with this.
pub const COMPATIBLE: &str = "0.2.";

/// Reads what a model is made of.
fn plan(folder: &Path, parts: &Parts) -> Result<(Blueprint, Plan), CheckpointError> {
    let path = folder.join(BLUEPRINT);
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    let content = |found: String, expected: &str| CheckpointError::Content {
        path: path.clone(),
        found,
        expected: expected.to_owned(),
    };
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| content(error.to_string(), "the description of a model"))?;
    let version = json.get("version").and_then(|version| version.as_str()).unwrap_or_default();
    if !version.starts_with(COMPATIBLE) {
        let found = format!("a model of gedanken {version}");
        let expected =
            format!("one of gedanken {COMPATIBLE}x; evaluate it with the program that made it, or train it again");
        return Err(content(found, &expected));
    }
    let blueprint: Blueprint =
        serde_json::from_value(json).map_err(|error| content(error.to_string(), "the description of a model"))?;
    check(&blueprint).map_err(|found| content(found, "a model that can be built"))?;
    if let Some(found) = beyond_ranges(&blueprint.model, parts) {
        return Err(content(found, "a model that can be built"));
    }
    let plan =
        parts.plan(&blueprint.model).map_err(|error| content(error.to_string(), "parts that this program knows"))?;
    match plan.problem(&blueprint.spaces, None) {
        Some((key, problem)) => Err(content(format!("{key}: {problem}"), "a model that can be built")),
        None => Ok((blueprint, plan)),
    }
}

/// The largest number that describes a size; the schema's greatest is 65,536.
const MOST: u64 = 1 << 20;

/// Sizes that would make building the model panic or eat the machine.
fn check(blueprint: &Blueprint) -> Result<(), String> {
    let Blueprint { model, spaces, statistics, .. } = blueprint;
    let [channels, height, width] = spaces.pixels;
    let reasonable = |n: usize| (1..=65_536).contains(&n);
    // Not every environment has labels.
    if ![channels, height, width, spaces.action, spaces.labels.max(1)].into_iter().all(reasonable) {
        return Err(format!("spaces {spaces:?}"));
    }
    if statistics.pixel_mean.len() != channels || statistics.pixel_std.len() != channels {
        return Err(format!("statistics of {} channels for {channels}", statistics.pixel_mean.len()));
    }
    if statistics.label_mean.len() != spaces.labels || statistics.label_std.len() != spaces.labels {
        return Err(format!("statistics of {} labels for {}", statistics.label_mean.len(), spaces.labels));
    }
    let (mean, std) = (statistics.action_mean.len(), statistics.action_std.len());
    if mean != std || (mean > 0 && !spaces.action.is_multiple_of(mean)) {
        return Err(format!("statistics of {mean} and {std} numbers for actions of {}", spaces.action));
    }
    let felt = &spaces.proprioception;
    if felt.is_empty() != model.proprioception.labels.is_empty() || felt.iter().any(|&column| column >= spaces.labels) {
        return Err(format!("proprioception {felt:?} of {} labels", spaces.labels));
    }
    match serde_json::to_value(model).ok().and_then(|model| unreasonable("", &model)) {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

/// The first number of a part that is above what the part's schema allows: a depth of a million takes the memory before any weight does.
fn beyond_ranges(model: &ModelConfig, parts: &Parts) -> Option<String> {
    let beyond = |part: &str, schema: &serde_json::Value, keys: &serde_json::Map<String, serde_json::Value>| {
        keys.iter().find_map(|(key, value)| {
            let most = schema["properties"][key]["maximum"].as_f64()?;
            (value.as_f64()? > most).then(|| format!("{part}.{key} = {value}, above {most}"))
        })
    };
    let schema = |entry: Result<serde_json::Value, gedanken_parts::PartError>| entry.unwrap_or_default();
    let encoder = schema(parts.encoders.entry(&model.encoder.kind).map(|entry| entry.schema()));
    let predictor = schema(parts.predictors.entry(&model.predictor.kind).map(|entry| entry.schema()));
    let variable = schema(parts.variables.entry(&model.latent_variable.kind).map(|entry| entry.schema()));
    let target = schema(parts.targets.entry(&model.target.kind).map(|entry| entry.schema()));
    let of_loss = || {
        let mut terms = model.loss.0.iter();
        terms.find_map(|(name, term)| {
            beyond(&format!("loss.{name}"), &schema(parts.terms.entry(name).map(|entry| entry.schema())), &term.keys)
        })
    };
    beyond("encoder", &encoder, &model.encoder.keys)
        .or_else(|| beyond("predictor", &predictor, &model.predictor.keys))
        .or_else(|| beyond("latent_variable", &variable, &model.latent_variable.keys))
        .or_else(|| beyond("target", &target, &model.target.keys))
        .or_else(of_loss)
}

/// The first key of a config whose number nobody can have meant.
fn unreasonable(path: &str, value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|n| n > MOST) => Some(format!("{path} = {number}")),
        Value::Array(items) if items.len() > 64 => Some(format!("{path} with {} items", items.len())),
        Value::Array(items) => items.iter().find_map(|item| unreasonable(path, item)),
        Value::Object(table) => table.iter().find_map(|(key, inner)| unreasonable(&join(key), inner)),
        _ => None,
    }
}

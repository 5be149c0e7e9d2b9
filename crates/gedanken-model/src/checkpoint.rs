//! A model on disk: `model.safetensors` (weights by name) and `model.json` (what it is made of). Data only: loading one runs no code.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::parameters::{named_parameters, replace};
use crate::{ModelConfig, Spaces, Statistics, WorldModel, sizes};

/// All that is needed to build a model again, apart from its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// The program's version that wrote it.
    pub version: String,
    /// What the model is made of.
    pub model: ModelConfig,
    /// What it sees, does and is probed for.
    pub spaces: Spaces,
    /// What its training data looked like.
    pub statistics: Statistics,
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
        /// What it said.
        source: std::io::Error,
    },
    /// The file is there, but not what it should be.
    #[error("{}: {found}; expected {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What would be right.
        expected: String,
    },
}

/// A model's files.
pub const FILES: [&str; 2] = [WEIGHTS, BLUEPRINT];
const WEIGHTS: &str = "model.safetensors";
const BLUEPRINT: &str = "model.json";

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Io { path: path.to_owned(), source }
}

/// Writes a model into an existing folder.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn save(folder: &Path, model: &WorldModel, blueprint: &Blueprint) -> Result<(), CheckpointError> {
    let named = named_parameters(model);
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

/// Reads a model, without autodiff, onto a device.
///
/// # Errors
/// [`CheckpointError`] when a file is missing or does not hold exactly the weights that its blueprint asks for.
pub fn load(folder: &Path, device: &Device) -> Result<(WorldModel, Blueprint), CheckpointError> {
    let path = folder.join(BLUEPRINT);
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    let blueprint: Blueprint = serde_json::from_str(&text).map_err(|error| CheckpointError::Content {
        path: path.clone(),
        found: error.to_string(),
        expected: "the description of a model".to_owned(),
    })?;
    let content = |found: String, expected: &str| CheckpointError::Content {
        path: path.clone(),
        found,
        expected: expected.to_owned(),
    };
    check(&blueprint).map_err(|found| content(found, "a model that can be built"))?;

    let path = folder.join(WEIGHTS);
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let least = sizes::least_weights(&blueprint.model, &blueprint.spaces).saturating_mul(4);
    if least > bytes.len() as u128 {
        let expected = format!("a model that fits into the {} bytes of {WEIGHTS}", bytes.len());
        return Err(content(format!("a model of at least {least} bytes"), &expected));
    }
    let content = |found: String, expected: String| CheckpointError::Content { path: path.clone(), found, expected };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| content(error.to_string(), "a whole safetensors file".to_owned()))?;
    let mut stored: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let mut problem = None;
    let model = WorldModel::new(&blueprint.model, blueprint.spaces.clone(), 0, device);
    let model = replace(model, &mut |name, shape| {
        let found = match stored.remove(name) {
            Some(view) if view.dtype() == Dtype::F32 && view.shape() == shape => {
                let values: Vec<f32> =
                    view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                if values.iter().all(|v| v.is_finite()) {
                    return Some(values);
                }
                format!("{name} holds numbers that are not finite")
            }
            Some(view) => format!("{name} is {:?} {:?}", view.dtype(), view.shape()),
            None => format!("no {name}"),
        };
        problem.get_or_insert((found, format!("{name} F32 {shape:?}, as {BLUEPRINT} has it")));
        None
    });
    if let Some((found, expected)) = problem {
        return Err(content(found, expected));
    }
    if let Some(name) = stored.keys().min() {
        return Err(content(format!("a tensor {name}"), format!("only the tensors of {BLUEPRINT}")));
    }
    Ok((model, blueprint))
}

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
    if let Some(problem) = sizes::unreasonable(model) {
        return Err(problem);
    }
    match model.problem(spaces.pixels, usize::MAX) {
        Some((key, problem)) => Err(format!("{key}: {problem}")),
        None => Ok(()),
    }
}

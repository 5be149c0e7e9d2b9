//! A training checkpoint: the model's files, the optimiser's state, and the step. Written whole or not at all.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::Device;
use gedanken_model::{Blueprint, CheckpointError, WorldModel};
use serde::{Deserialize, Serialize};

use crate::run_folder::{FolderError, RunFolder, write_dir_atomic};
use crate::trainer::TrainError;

/// Where training stands. With the model and the optimiser it is all that the next update depends on: batches are
/// functions of the seed and the step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Updates done.
    pub step: u64,
}

const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// Writes the checkpoint of `state.step` into the run's folder.
pub(crate) fn save(
    folder: &RunFolder,
    model: &WorldModel,
    blueprint: &Blueprint,
    optimizer: &ModuleOptimizer,
    state: &TrainState,
) -> Result<PathBuf, TrainError> {
    let path = folder.checkpoint(state.step);
    write_dir_atomic::<TrainError>(&path, |inside| {
        gedanken_model::save(inside, &model.valid(), blueprint)?;
        let file = inside.join(OPTIMIZER);
        optimizer.save(&file).map_err(|e| FolderError::io("write", &file)(std::io::Error::other(e.to_string())))?;
        let file = inside.join(STATE);
        let text = serde_json::to_string(state).map_err(std::io::Error::other).map_err(FolderError::io("write", &file))?;
        std::fs::write(&file, text).map_err(FolderError::io("write", &file))?;
        Ok(())
    })?;
    Ok(path)
}

/// Reads a checkpoint's model, without autodiff, onto a device.
///
/// # Errors
/// [`CheckpointError`].
pub fn load_model(checkpoint: &Path, device: &Device) -> Result<(WorldModel, Blueprint), CheckpointError> {
    gedanken_model::load(checkpoint, device)
}

/// Reads what training needs beside the model.
pub(crate) fn load_rest(checkpoint: &Path, optimizer: ModuleOptimizer) -> Result<(ModuleOptimizer, TrainState), TrainError> {
    let content = |path: PathBuf, found: String, expected: &str| {
        TrainError::Checkpoint(CheckpointError::Content { path, found, expected: expected.to_owned() })
    };
    let file = checkpoint.join(STATE);
    let text = std::fs::read_to_string(&file).map_err(FolderError::io("read", &file))?;
    let state = serde_json::from_str(&text)
        .map_err(|error| content(file, error.to_string(), "the state of a training run, {\"step\": …}"))?;
    let file = checkpoint.join(OPTIMIZER);
    let record = OptimizerRecord::load(&file)
        .map_err(|error| content(file, error.to_string(), "the optimiser's state that was saved with the model"))?;
    Ok((optimizer.load_record(record), state))
}

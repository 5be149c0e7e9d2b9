//! A training checkpoint: the model's files, the optimiser's state, and the step. Written whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::Device;
use gedanken_model::{Blueprint, CheckpointError, Parts, WorldModel};
use gedanken_run::{Checkpoint, FolderError, RunFolder, lies_inside, step_of, write_dir_atomic};
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::optimizer::optimizer;

/// Where training stands. With the model and the optimiser it is all that the next update depends on: batches are
/// functions of the seed and the step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Updates done.
    step: u64,
    /// CRC-32 (IEEE) of the other files, by name.
    crc32: BTreeMap<String, u32>,
}

const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// Writes the checkpoint of `step` into the run's folder; `model` writes the model's files.
pub(crate) fn save(
    folder: &RunFolder,
    model: impl Fn(&Path) -> Result<(), CheckpointError>,
    optimizer: &ModuleOptimizer,
    step: u64,
) -> Result<PathBuf, TrainError> {
    let path = folder.checkpoint(step);
    write_dir_atomic::<TrainError>(&path, |inside| {
        model(inside)?;
        let file = inside.join(OPTIMIZER);
        optimizer.save(&file).map_err(|e| FolderError::io("write", &file)(std::io::Error::other(e.to_string())))?;
        let state = State { step, crc32: checksums(inside)? };
        let file = inside.join(STATE);
        let text =
            serde_json::to_string(&state).map_err(std::io::Error::other).map_err(FolderError::io("write", &file))?;
        std::fs::write(&file, text).map_err(FolderError::io("write", &file))?;
        Ok(())
    })?;
    Ok(path)
}

/// Writes a model that was not trained here into the run's folder, as the checkpoint of update 0; training may go on from it.
///
/// # Errors
/// [`TrainError::Checkpoint`] for weights that are not finite; [`FolderError`].
pub fn begin(
    folder: &RunFolder,
    model: &WorldModel,
    blueprint: &Blueprint,
    config: &TrainConfig,
) -> Result<PathBuf, TrainError> {
    save(folder, |inside| gedanken_model::save(inside, model, blueprint), &optimizer(config), 0)
}

/// Reads a checkpoint's model, without autodiff, onto a device. Its files must be the ones that were written: a model with a
/// flipped bit would plan on without a word.
///
/// # Errors
/// [`CheckpointError`].
pub fn load_model(
    checkpoint: &Path,
    parts: &Parts,
    device: &Device,
) -> Result<(WorldModel, Blueprint), CheckpointError> {
    let state = State::of(checkpoint)?;
    // The files are these, whatever names the state has: a stranger's would read elsewhere.
    gedanken_model::FILES.into_iter().try_for_each(|name| state.verify(checkpoint, name))?;
    gedanken_model::load(checkpoint, parts, device)
}

/// Checks that all files of a checkpoint are the ones that were written.
///
/// # Errors
/// [`CheckpointError`] names the first that is not.
pub fn verify(checkpoint: &Path) -> Result<(), CheckpointError> {
    let state = State::of(checkpoint)?;
    let mut names = state.crc32.keys().map(String::as_str).chain([OPTIMIZER]);
    names.try_for_each(|name| state.verify(checkpoint, name))
}

/// The newest whole checkpoint of a run, if there is one.
///
/// # Errors
/// [`FolderError::Io`].
pub fn newest_whole(folder: &RunFolder) -> Result<Option<Checkpoint>, FolderError> {
    let best = folder.best().map(|best| Checkpoint { step: best.step, path: folder.best_path() });
    let mut all: Vec<Checkpoint> = best.into_iter().chain(folder.checkpoints()?).collect();
    all.sort_by_key(|checkpoint| checkpoint.step);
    Ok(all.into_iter().rfind(|checkpoint| verify(&checkpoint.path).is_ok()))
}

/// Reads what training needs beside the model: the optimiser's state, and the updates done.
///
/// # Errors
/// [`TrainError::Checkpoint`] where the optimiser's state is not the one that was written.
pub(crate) fn load_rest(checkpoint: &Path, optimizer: ModuleOptimizer) -> Result<(ModuleOptimizer, u64), TrainError> {
    let state = State::of(checkpoint)?;
    state.verify(checkpoint, OPTIMIZER)?;
    let file = checkpoint.join(OPTIMIZER);
    let record = OptimizerRecord::load(&file).map_err(|error| {
        content(file, error.to_string(), "the optimiser's state that was saved with the model".to_owned())
    })?;
    Ok((optimizer.load_record(record), state.step))
}

impl State {
    /// A checkpoint's.
    fn of(checkpoint: &Path) -> Result<Self, CheckpointError> {
        let file = checkpoint.join(STATE);
        inside(checkpoint, &file)?;
        let text =
            std::fs::read_to_string(&file).map_err(|source| CheckpointError::Io { path: file.clone(), source })?;
        let state: State = serde_json::from_str(&text)
            .map_err(|error| content(file.clone(), error.to_string(), "the state of a training run".to_owned()))?;
        if let Some(named) = step_of(checkpoint).filter(|&named| named != state.step) {
            return Err(content(file, format!("step {}", state.step), format!("{named}, as in the folder's name")));
        }
        Ok(state)
    }

    /// Refuses a file that is not the one that was written.
    fn verify(&self, checkpoint: &Path, name: &str) -> Result<(), CheckpointError> {
        let file = checkpoint.join(name);
        inside(checkpoint, &file)?;
        let found = checksum(&file).map_err(|source| CheckpointError::Io { path: file.clone(), source })?;
        match self.crc32.get(name) {
            Some(&expected) if expected != found => {
                let expected = format!("{expected:08x}, as in {STATE}: its content was changed");
                Err(content(file, format!("checksum {found:08x}"), expected))
            }
            Some(_) => Ok(()),
            None => {
                let state = checkpoint.join(STATE);
                Err(content(state, format!("no checksum of {name}"), "one of every file".to_owned()))
            }
        }
    }
}

/// Refuses what is no file of the checkpoint's own: a link out of it, or a device.
fn inside(checkpoint: &Path, file: &Path) -> Result<(), CheckpointError> {
    match lies_inside(checkpoint, file) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(content(file.to_owned(), "a link out of its folder, or no file".to_owned(), "a file".to_owned()))
        }
        Err(source) => Err(CheckpointError::Io { path: file.to_owned(), source }),
    }
}

fn content(path: PathBuf, found: String, expected: String) -> CheckpointError {
    CheckpointError::Content { path, found, expected }
}

fn checksums(folder: &Path) -> Result<BTreeMap<String, u32>, FolderError> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(FolderError::io("read", folder))? {
        let path = entry.map_err(FolderError::io("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, checksum(&path).map_err(FolderError::io("read", &path))?);
    }
    Ok(found)
}

fn checksum(file: &Path) -> std::io::Result<u32> {
    Ok(crc32fast::hash(&std::fs::read(file)?))
}

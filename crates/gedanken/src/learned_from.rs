//! The datasets that a model has learned from, which nothing may change behind its back: one is told by its content, whatever its path, and
//! has one split for all who learn from it.

use std::path::Path;

use gedanken_data::{DataConfig, DataError, Manifest, SourceKind};
use gedanken_model::LearnedFrom;

use crate::Experiment;
use crate::commands::Failure;

/// The datasets that a model has learned from when an experiment is done; it had learned from `before` when that began. The
/// experiment is in the file `config`.
///
/// # Errors
/// A dataset that cannot be read, or that is split in two ways.
pub fn learned_from(
    before: &[LearnedFrom],
    experiment: &Experiment,
    config: &Path,
) -> Result<Vec<LearnedFrom>, Failure> {
    let mut all = before.to_vec();
    for phase in experiment.phases()? {
        if let Some(new) = dataset(&phase.experiment.data)?
            && !has(&all, new, config)?
        {
            all.push(new);
        }
    }
    Ok(all)
}

/// A warning, where the data of a table is not among what the model has learned from.
///
/// # Errors
/// As [`learned_from`].
pub fn other_data(before: &[LearnedFrom], data: &DataConfig, config: &Path) -> Result<Option<String>, Failure> {
    let (Some(here), Some(path)) = (dataset(data)?, &data.path) else { return Ok(None) };
    if before.is_empty() || has(before, here, config)? {
        return Ok(None);
    }
    Ok(Some(format!(
        "{} is not the dataset that the model was trained on: {}, and that was {}",
        path.display(),
        name(&here),
        before.iter().map(name).collect::<Vec<_>>().join(", ")
    )))
}

/// A dataset's name by its content.
pub fn name(dataset: &LearnedFrom) -> String {
    format!("{:08x}", dataset.dataset)
}

/// The dataset that a table of data reads, if it is one.
fn dataset(data: &DataConfig) -> Result<Option<LearnedFrom>, DataError> {
    match (data.source, &data.path) {
        (SourceKind::Disk, Some(path)) => {
            Ok(Some(LearnedFrom { dataset: Manifest::read(path)?.identity(), validation: data.validation }))
        }
        _ => Ok(None),
    }
}

/// Says whether a dataset was learned from; an error where it was with another split.
fn has(before: &[LearnedFrom], new: LearnedFrom, config: &Path) -> Result<bool, String> {
    match before.iter().find(|old| old.dataset == new.dataset) {
        Some(old) if old.validation != new.validation => Err(format!(
            "{}: data.validation: {}; expected {}, the share of this dataset that was kept from the model in training: with another one it \
             would be tested on what it learned from",
            config.display(),
            new.validation,
            old.validation
        )),
        old => Ok(old.is_some()),
    }
}

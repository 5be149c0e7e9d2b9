//! Starting from another run: `from`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use burn::tensor::Device;
use gedanken_model::{Blueprint, LearnedFrom, WorldModel, part_of};
use gedanken_nn::Named;
use gedanken_run::{RunFolder, say};

use super::Failure;
use super::opened::open_model;
use crate::device::Chosen;
use crate::experiment::{From, FromParts};
use crate::{Experiment, Parts};

/// A run that another one starts from: its checkpoint, its model, and what that has learned from.
pub(super) type Other = (PathBuf, WorldModel, Vec<LearnedFrom>);

/// The run that an experiment starts from, if there is one.
pub(super) fn other_model(experiment: &Experiment, chosen: &Chosen, parts: &Parts) -> Result<Option<Other>, Failure> {
    let Some(from) = experiment.from.as_ref().map(From::whole) else { return Ok(None) };
    let (run, checkpoint) = RunFolder::open_checkpoint(&from.run)?;
    let (model, blueprint) = open_model(&run, &checkpoint, parts, chosen)?;
    Ok(Some((checkpoint.path, model, blueprint.learned_from)))
}

/// A new model, with what its encoder learned elsewhere and the weights of another run where the experiment says so.
pub(super) fn new_model(
    experiment: &Experiment,
    blueprint: &Blueprint,
    (learned, other): (Vec<Named>, Option<Other>),
    device: &Device,
    parts: &Parts,
) -> Result<WorldModel, Failure> {
    let plan = parts.model.plan(&blueprint.model)?;
    let model = WorldModel::new(&plan, blueprint.spaces.clone(), experiment.seed, device).with_encoder(learned);
    let Some((from, (checkpoint, other, _))) = experiment.from.as_ref().map(From::whole).zip(other) else {
        return Ok(model);
    };
    let (model, transfer) = model.take(&other, from.parts.as_deref());
    let of = |names: &[String]| {
        let parts: BTreeSet<&str> = names.iter().map(|name| part_of(name)).collect();
        parts.into_iter().collect::<Vec<_>>().join(", ")
    };
    let (taken, left) = (transfer.taken.len(), transfer.left.len());
    say(&format!("from {}: {taken} tensors taken ({})", checkpoint.display(), of(&transfer.taken)));
    if left > 0 {
        say(&format!("  {left} left there ({})", of(&transfer.left)));
    }
    for (name, here, there) in &transfer.unfitting {
        say(&format!("  {name} does not fit: {here:?} here, {there:?} there"));
    }
    if transfer.taken.is_empty() {
        return Err(format!("from: nothing of {} fits this experiment's model", checkpoint.display()).into());
    }
    Ok(frozen(experiment, model))
}

/// The model with what `from` froze frozen.
pub(super) fn frozen(experiment: &Experiment, model: WorldModel) -> WorldModel {
    match experiment.from.as_ref().map(From::whole) {
        Some(FromParts { parts: Some(parts), freeze: true, .. }) => model.freeze(&parts),
        _ => model,
    }
}

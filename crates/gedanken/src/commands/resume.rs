//! A run that goes on: from which checkpoint, and with what changed.

use std::collections::BTreeSet;
use std::path::Path;

use gedanken_model::{Blueprint, LossConfig, WorldModel, part_of};
use gedanken_nn::named_parameters;
use gedanken_run::{Checkpoint, RunFolder, say};
use gedanken_train::verify;

use super::opened::{damaged, open_model, same_architecture, same_meaning};
use super::{Failure, read, to_store};
use crate::device::Chosen;
use crate::experiment::FromParts;
use crate::{Experiment, Parts};

/// The model of a checkpoint that a run goes on from, all of whose files must be whole.
pub fn open(
    folder: &RunFolder,
    checkpoint: &Checkpoint,
    experiment: &Experiment,
    parts: &Parts,
    chosen: &Chosen,
) -> Result<(WorldModel, Blueprint), Failure> {
    let (model, stored) = open_model(folder, checkpoint, parts, chosen)?;
    verify(&checkpoint.path).map_err(|error| damaged(folder, checkpoint, error.into()))?;
    same_architecture(experiment, &stored.model, &folder.config())?;
    same_heads(&model, &experiment.loss, &stored.model.loss, &folder.config())?;
    Ok((model, Blueprint { model: experiment.model(), ..stored }))
}

/// Refuses other keys of a head than those it was made with, but for its weight in the loss.
pub fn same_heads(model: &WorldModel, asked: &LossConfig, stored: &LossConfig, config: &Path) -> Result<(), Failure> {
    let named = named_parameters(model);
    let heads = named.iter().filter(|named| named.name.starts_with("terms.")).map(|named| part_of(&named.name));
    for head in heads.collect::<BTreeSet<_>>() {
        if let Some((key, asked, stored)) = asked.other_key(stored, head) {
            let config = config.display();
            let about = "which cannot be changed any more";
            return Err(format!("{config}: loss.{head}.{key}: {asked}; the checkpoint has {stored}, {about}").into());
        }
    }
    Ok(())
}

/// Begins again where a checkpoint stands: what lies after it is set aside, and what the run was told to do otherwise is written into
/// its config, so that the next resumption goes on with it. What is refused changes nothing.
pub fn begin(
    folder: &RunFolder,
    checkpoint: Option<&Checkpoint>,
    experiment: &Experiment,
    parts: &Parts,
) -> Result<(), Failure> {
    let (before, made_for) = read(&folder.config(), &[], parts)?;
    same_meaning(experiment.env.make(&parts.environments)?.spec(), made_for.spec(), "--set env")?;
    let (there, here) = (begun(&before)?, begun(experiment)?);
    if let Some(((key, was), (_, now))) = there.iter().zip(&here).find(|(there, here)| there != here) {
        return Err(format!("--set {key}={now}: the run's is {was}, which a resumed run cannot change").into());
    }
    match checkpoint {
        Some(checkpoint) => go_back(folder, checkpoint)?,
        None => say(&format!("{} has no checkpoint; it starts at the beginning", folder.path().display())),
    }
    if before != *experiment {
        let step = checkpoint.map_or(0, |checkpoint| checkpoint.step);
        let head = format!("# gedanken {}; changed after {step} updates", env!("CARGO_PKG_VERSION"));
        folder.change_config(step, &format!("{head}\n{}", to_store(experiment)?))?;
        let kept = folder.path().join("configs");
        say(&format!("config.toml is another one from update {step} on; the one before is kept in {}", kept.display()));
    }
    Ok(())
}

/// Values that a run is begun with, by key.
fn begun(experiment: &Experiment) -> Result<[(&'static str, String); 4], Failure> {
    let Experiment { seed, name, runs, .. } = experiment;
    // Parts may thaw.
    let from = experiment.from.as_ref().map(|from| FromParts { freeze: false, ..from.whole() });
    Ok([
        ("seed", seed.to_string()),
        ("name", name.clone()),
        ("runs", runs.display().to_string()),
        ("from", from.map_or(Ok("none".to_owned()), |from| serde_json::to_string(&from))?),
    ])
}

/// Makes a checkpoint the newest of its run, and says what lay after it.
fn go_back(folder: &RunFolder, checkpoint: &Checkpoint) -> Result<(), Failure> {
    if let Some(aside) = folder.go_back(checkpoint)? {
        let (step, checkpoints, evaluations) = (checkpoint.step, aside.checkpoints, aside.evaluations);
        let count = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
        let (checkpoints, evaluations) = (count(checkpoints, "checkpoint"), count(evaluations, "evaluation"));
        let aside = aside.path.display();
        say(&format!(
            "after update {step} lay {checkpoints} and {evaluations}: set aside, with the curves, in {aside}"
        ));
    }
    Ok(())
}

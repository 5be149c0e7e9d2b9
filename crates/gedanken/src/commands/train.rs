//! `gedanken train`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use clap::Args;
use gedanken_data::{Dataset, SourceKind, Split};
use gedanken_env::Env;
use gedanken_eval::{Splits, TrainingEvaluation};
use gedanken_model::{Blueprint, WorldModel, part_of};
use gedanken_nn::named_parameters;
use gedanken_run::{ProgressBar, RunFolder, Tracker, say, write_atomic};
use gedanken_train::{End, Task, Trainer, load_model};

use super::{
    DeviceArg, Failure, Overrides, blueprint, pick_device, print, protocol, read, same_architecture, same_version,
};
use crate::config::to_toml;
use crate::experiment::{From, FromParts};
use crate::{Experiment, Parts};

#[derive(Args)]
pub struct TrainArgs {
    /// The experiment's TOML file (not with --resume: a run knows its own)
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    file: Option<PathBuf>,
    /// Go on with a stopped run from its last checkpoint
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn train(args: &TrainArgs, parts: &Parts) -> Result<(), Failure> {
    let resumed = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let file = match &resumed {
        Some(folder) => {
            same_version(&folder.config())?;
            folder.config()
        }
        None => args.file.clone().unwrap_or_default(),
    };
    let (experiment, env) = read(&file, &args.overrides.set, parts)?;
    let claimed = resumed.as_ref().map(RunFolder::claim).transpose()?;
    let chosen = pick_device(&args.device, &experiment)?;
    let source = experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;
    if let Some(difference) = other_world(&experiment, env.as_ref())? {
        say(&format!("warning: {difference}"));
    }

    let checkpoint = resumed.as_ref().map(RunFolder::latest_checkpoint).transpose()?.flatten();
    // A run is begun when nothing it needs is missing.
    let other = if checkpoint.is_none() { other_model(&experiment, &chosen.device, parts)? } else { None };
    let folder = match resumed {
        Some(folder) => folder,
        None => start(&experiment)?,
    };
    let _claim = claimed.map_or_else(|| folder.claim(), Ok)?;
    let (mut trainer, blueprint) = match &checkpoint {
        Some(checkpoint) => resume(&experiment, &folder, &checkpoint.path, &chosen.device, parts)?,
        None => {
            let blueprint = blueprint(&experiment, env.as_ref(), source.as_ref())?;
            let model = new_model(&experiment, &blueprint, other, &chosen.device, parts)?;
            let task = Task::world_model(model, blueprint.clone(), &chosen.device);
            (Trainer::new(experiment.train.clone(), task, folder.clone()), blueprint)
        }
    };

    let protocol = protocol(&experiment, &folder.config(), &blueprint, &chosen, parts)?;
    if args.resume.is_some() {
        if checkpoint.is_none() {
            say(&format!("{} has no checkpoint; it starts again", folder.path().display()));
        }
        if !args.overrides.set.is_empty() {
            change(&folder, &experiment, trainer.step(), parts)?;
        }
    }
    let progress = ProgressBar::new(experiment.train.steps, trainer.step());
    let warn = progress.clone();
    let warn = move |message: &str| warn.message(message);
    let mut tracker = match trainer.step() {
        0 if args.resume.is_none() => Tracker::create(folder.path(), warn)?,
        step => Tracker::resume(folder.path(), step, warn)?,
    };
    progress.message(&beginning(&experiment, &chosen.name, &trainer, &folder));

    // A dataset may have too little to validate with.
    let validation = experiment.data.open(env.as_ref(), Split::Validation, experiment.seed).ok();
    let splits = validation.map(|validation| Splits { training: source.clone(), validation });
    let mut data = experiment.data.prefetch(source, trainer.step());
    let tell = progress.clone();
    let hears = Box::new(move |line: &str| tell.message(line));
    let mut evaluation = TrainingEvaluation { protocol: &protocol, splits, say: hears };
    let (stop, trained) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    listen(&stop, &trained);
    let end = trainer.run(&mut data, &mut evaluation, &mut tracker, &progress, &stop);
    drop(evaluation);
    progress.finish();
    let end = end?;
    tracker.flush()?;
    let run = folder.path().display().to_string();
    if end == End::Stopped {
        say(&format!("stopped at update {}; go on with: gedanken train --resume {run}", trainer.step()));
        return print(&run);
    }
    trained.store(true, Ordering::Relaxed);
    if stop.load(Ordering::Relaxed) {
        say(&format!("stopped before the evaluation; it is made by: gedanken eval {run}"));
    } else if protocol.env.spec().task.is_none() {
        say(&format!("{} has no task: nothing is evaluated", experiment.env.name));
    } else {
        finish(&protocol, &trainer, &folder, &mut tracker)?;
    }
    print(&run)
}

/// The first line of a training.
fn beginning(experiment: &Experiment, device: &str, trainer: &Trainer<WorldModel>, folder: &RunFolder) -> String {
    let (name, steps, folder) = (&experiment.name, experiment.train.steps, folder.path().display());
    let (parameters, step) = (parameters(trainer), trainer.step());
    format!("{name} on {device}: {parameters} parameters, update {step} of {steps}, into {folder}")
}

/// The model of the run that an experiment starts from, and its checkpoint, if there is one.
fn other_model(
    experiment: &Experiment,
    device: &Device,
    parts: &Parts,
) -> Result<Option<(PathBuf, WorldModel)>, Failure> {
    let Some(from) = experiment.from.as_ref().map(From::whole) else { return Ok(None) };
    let (_, checkpoint) = RunFolder::open_checkpoint(&from.run)?;
    let (model, _) = load_model(&checkpoint.path, &parts.model, device)?;
    Ok(Some((checkpoint.path, model)))
}

/// A new model, with the weights of another run where the experiment says so.
fn new_model(
    experiment: &Experiment,
    blueprint: &Blueprint,
    other: Option<(PathBuf, WorldModel)>,
    device: &Device,
    parts: &Parts,
) -> Result<WorldModel, Failure> {
    let plan = parts.model.plan(&blueprint.model)?;
    let model = WorldModel::new(&plan, blueprint.spaces.clone(), experiment.seed, device);
    let Some((from, (checkpoint, other))) = experiment.from.as_ref().map(From::whole).zip(other) else {
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
fn frozen(experiment: &Experiment, model: WorldModel) -> WorldModel {
    match experiment.from.as_ref().map(From::whole) {
        Some(FromParts { parts: Some(parts), freeze: true, .. }) => model.freeze(&parts),
        _ => model,
    }
}

/// A run that goes on from a checkpoint, with the loss that the experiment has now.
fn resume(
    experiment: &Experiment,
    folder: &RunFolder,
    checkpoint: &Path,
    device: &Device,
    parts: &Parts,
) -> Result<(Trainer<WorldModel>, Blueprint), Failure> {
    let config = folder.config().display().to_string();
    let (model, stored) = load_model(checkpoint, &parts.model, device)?;
    same_architecture(experiment, &stored.model, &folder.config())?;
    let model = model.with_loss(&parts.model.plan(&experiment.model())?, device).map_err(|name| {
        format!("{config}: loss.{name}: a head with weights of its own, which a run has from its start or never; a new run may start from this one: from = \"{}\"", folder.path().display())
    })?;
    let blueprint = Blueprint { model: experiment.model(), ..stored };
    let task = Task::world_model(frozen(experiment, model), blueprint.clone(), device);
    let trainer = Trainer::resume(experiment.train.clone(), task, folder.clone(), checkpoint)?;
    if trainer.step() > experiment.train.steps {
        let steps = experiment.train.steps;
        return Err(format!("{config}: train.steps: {steps}; the run has {} updates behind it", trainer.step()).into());
    }
    Ok((trainer, blueprint))
}

/// Differences between the world of a dataset and the experiment's, in which its model is evaluated, if there are any.
fn other_world(experiment: &Experiment, env: &dyn Env) -> Result<Option<String>, Failure> {
    let (SourceKind::Disk, Some(path)) = (experiment.data.source, &experiment.data.path) else { return Ok(None) };
    let made = Dataset::open(path)?.manifest().env.clone();
    // An option that there was not yet says nothing.
    let options = experiment.env.options.iter().filter_map(|(key, here)| {
        let there = made.options.get(key).filter(|there| *there != here)?;
        Some(format!("env.{key} = {there}, here {here}"))
    });
    let factors = env.spec().factors.iter().filter_map(|factor| {
        let of = |factors: &BTreeMap<String, f64>| factors.get(&factor.name).copied().unwrap_or(factor.default);
        let (there, here) = (of(&made.factors), of(&experiment.env.factors));
        (there != here).then(|| format!("env.factors.{} = {there}, here {here}", factor.name))
    });
    let found: Vec<String> = options.chain(factors).collect();
    let about =
        "the model learns the one and is evaluated in the other (what differs in evaluation alone belongs to eval.env)";
    Ok((!found.is_empty()).then(|| format!("{} was made with {}: {about}", path.display(), found.join("; "))))
}

/// Numbers that are learned.
fn parameters(trainer: &Trainer<WorldModel>) -> usize {
    let named = named_parameters(&trainer.model());
    named.iter().filter(|p| !p.is_statistic()).map(|p| p.values.len()).sum()
}

/// Writes what a resumed run was told to do otherwise into its experiment: the next resumption goes on with it.
fn change(folder: &RunFolder, experiment: &Experiment, step: u64, parts: &Parts) -> Result<(), Failure> {
    let (before, _) = read(&folder.config(), &[], parts)?;
    for (key, before, now) in
        [("seed", before.seed.to_string(), experiment.seed.to_string()), ("name", before.name, experiment.name.clone())]
    {
        if before != now {
            return Err(format!("--set {key}={now}: the run's is {before}, which a resumed run cannot change").into());
        }
    }
    let head = format!("# gedanken {}; changed after {step} updates", env!("CARGO_PKG_VERSION"));
    Ok(write_atomic(&folder.config(), format!("{head}\n{}", to_toml(experiment)?).as_bytes())?)
}

/// Makes the run's folder and writes the experiment into it, before anything else can go wrong.
fn start(experiment: &Experiment) -> Result<RunFolder, Failure> {
    let folder = RunFolder::create(&experiment.runs, &experiment.name, experiment.seed)?;
    let text = format!("# gedanken {}\n{}", env!("CARGO_PKG_VERSION"), to_toml(experiment)?);
    write_atomic(&folder.config(), text.as_bytes())?;
    Ok(folder)
}

/// The evaluation at the end.
fn finish(
    protocol: &gedanken_eval::Protocol,
    trainer: &Trainer<WorldModel>,
    folder: &RunFolder,
    tracker: &mut Tracker,
) -> Result<(), Failure> {
    let step = trainer.step();
    let into: PathBuf = folder.eval(step);
    let report =
        protocol.full(&trainer.model(), step, Path::new(&into), &mut |row| say(&format!("evaluating: {row}")))?;
    tracker.text(step, "report", &format!("```\n{report}\n```"));
    tracker.flush()?;
    print(&report.to_string())
}

/// Ctrl-C stops a training after its update. A second one, or one after the training, ends the program at once.
fn listen(stop: &Arc<AtomicBool>, trained: &Arc<AtomicBool>) {
    let (stop, trained) = (stop.clone(), trained.clone());
    let installed = ctrlc::set_handler(move || {
        if trained.load(Ordering::Relaxed) {
            say("\nstopped; the training is done, and gedanken eval makes its evaluation");
            std::process::exit(130);
        }
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say("\nstopping after this update; press Ctrl-C again to stop at once");
    });
    if let Err(error) = installed {
        say(&format!("Ctrl-C will not save: {error}"));
    }
}

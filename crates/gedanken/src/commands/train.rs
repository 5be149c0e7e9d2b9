//! `gedanken train`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use gedanken_data::{Dataset, SourceKind, Split};
use gedanken_env::{Env, Registry};
use gedanken_eval::TrainingEvaluation;
use gedanken_run::{ProgressBar, RunFolder, Tracker, say, write_atomic};
use gedanken_train::{End, Trainer};

use super::{DeviceArg, Failure, Overrides, blueprint, pick_device, print, protocol, read, same_model};
use crate::Experiment;
use crate::config::to_toml;

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

pub fn train(args: &TrainArgs, registry: &Registry) -> Result<(), Failure> {
    let resumed = args.resume.as_deref().map(RunFolder::open).transpose()?;
    let file = match &resumed {
        Some(folder) => folder.config(),
        None => args.file.clone().unwrap_or_default(),
    };
    let (experiment, env) = read(&file, &args.overrides.set, registry)?;
    let claimed = resumed.as_ref().map(RunFolder::claim).transpose()?;
    let chosen = pick_device(&args.device, &experiment)?;
    let source = experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;
    if let Some(difference) = other_world(&experiment, env.as_ref())? {
        say(&format!("warning: {difference}"));
    }

    let checkpoint = resumed.as_ref().map(RunFolder::latest_checkpoint).transpose()?.flatten();
    let folder = match resumed {
        Some(folder) => folder,
        None => start(&experiment)?,
    };
    let _claim = claimed.map_or_else(|| folder.claim(), Ok)?;
    let mut trainer = match &checkpoint {
        Some(checkpoint) => {
            let trainer = Trainer::resume(experiment.train.clone(), folder.clone(), &checkpoint.path, &chosen.device)?;
            same_model(&experiment, &trainer.blueprint().model, &folder.config())?;
            if trainer.step() > experiment.train.steps {
                let (config, steps) = (folder.config().display().to_string(), experiment.train.steps);
                return Err(format!(
                    "{config}: train.steps: {steps}; the run has {} updates behind it",
                    trainer.step()
                )
                .into());
            }
            trainer
        }
        None => {
            let blueprint = blueprint(&experiment, env.as_ref(), source.as_ref())?;
            Trainer::new(experiment.train.clone(), blueprint, folder.clone(), experiment.seed, &chosen.device)
        }
    };

    let protocol = protocol(&experiment, &folder.config(), trainer.blueprint(), &chosen, registry)?;
    if args.resume.is_some() {
        if checkpoint.is_none() {
            say(&format!("{} has no checkpoint; it starts again", folder.path().display()));
        }
        if !args.overrides.set.is_empty() {
            change(&folder, &experiment, trainer.step(), registry)?;
        }
    }
    let progress = ProgressBar::new(experiment.train.steps, trainer.step());
    let warn = progress.clone();
    let warn = move |message: &str| warn.message(message);
    let mut tracker = match trainer.step() {
        0 if args.resume.is_none() => Tracker::create(folder.path(), warn)?,
        step => Tracker::resume(folder.path(), step, warn)?,
    };
    progress.message(&format!(
        "{} on {}: {} parameters, update {} of {}, into {}",
        experiment.name,
        chosen.name,
        parameters(&trainer),
        trainer.step(),
        experiment.train.steps,
        folder.path().display()
    ));

    let mut data = experiment.data.prefetch(source, trainer.step());
    let tell = progress.clone();
    let mut evaluation = TrainingEvaluation { protocol: &protocol, say: Box::new(move |line| tell.message(line)) };
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
    } else if experiment.eval.tasks > 0 {
        finish(&protocol, &trainer, &folder, &mut tracker)?;
    }
    print(&run)
}

/// How the world of a dataset differs from the experiment's, in which its model is evaluated, if it does.
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

/// How many numbers are learned.
fn parameters(trainer: &Trainer) -> usize {
    let named = gedanken_model::named_parameters(&trainer.model());
    named.iter().filter(|p| !p.is_statistic()).map(|p| p.values.len()).sum()
}

/// Writes what a resumed run was told to do otherwise into its experiment: the next resumption goes on with it.
fn change(folder: &RunFolder, experiment: &Experiment, step: u64, registry: &Registry) -> Result<(), Failure> {
    let (before, _) = read(&folder.config(), &[], registry)?;
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
    trainer: &Trainer,
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

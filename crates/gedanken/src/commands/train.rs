//! `gedanken train`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use gedanken_data::Split;
use gedanken_env::Registry;
use gedanken_eval::TrainingEvaluation;
use gedanken_model::ModelConfig;
use gedanken_train::progress::Progress;
use gedanken_train::run_folder::write_atomic;
use gedanken_train::{End, RunFolder, Tracker, Trainer};

use super::{DeviceArg, Failure, Overrides, blueprint, evaluator, pick_device, print, read};
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
    let chosen = pick_device(&args.device, &experiment)?;
    let source = experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;

    let checkpoint = resumed.as_ref().map(RunFolder::latest_checkpoint).transpose()?.flatten();
    let folder = match resumed {
        Some(folder) => folder,
        None => start(&experiment)?,
    };
    let mut trainer = match &checkpoint {
        Some(checkpoint) => {
            let trainer = Trainer::resume(experiment.train.clone(), folder.clone(), &checkpoint.path, &chosen.device)?;
            same_model(&experiment.model(), &trainer.blueprint().model, &folder.config())?;
            trainer
        }
        None => {
            let blueprint = blueprint(&experiment, env.as_ref(), source.as_ref())?;
            Trainer::new(experiment.train.clone(), blueprint, folder.clone(), experiment.seed, &chosen.device)
        }
    };

    let progress = Progress::new(experiment.train.steps, trainer.step());
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

    let evaluator = evaluator(&experiment, &folder.config(), trainer.blueprint(), &chosen, registry)?;
    let mut data = experiment.data.prefetch(source, trainer.step());
    let say = progress.clone();
    let mut evaluation = TrainingEvaluation { evaluator: &evaluator, say: Box::new(move |line| say.message(line)) };
    let stop = stop_flag();
    let end = trainer.run(&mut data, &mut evaluation, &mut tracker, &progress, &stop);
    drop(evaluation);
    progress.finish();
    let end = end?;
    tracker.flush()?;
    let run = folder.path().display().to_string();
    if end == End::Stopped {
        eprintln!("stopped at update {}; go on with: gedanken train --resume {run}", trainer.step());
        return print(&run);
    }
    if experiment.eval.tasks > 0 {
        finish(&evaluator, &trainer, &folder, &mut tracker)?;
    }
    print(&run)
}

/// A run goes on with the model it has: what the experiment says of it must still be true.
fn same_model(asked: &ModelConfig, stored: &ModelConfig, config: &Path) -> Result<(), Failure> {
    // Through text, as the stored one went: reading a number may round it.
    let parts = |model: &ModelConfig| -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
        Ok(serde_json::from_str(&serde_json::to_string(model)?)?)
    };
    let (asked, stored) = (parts(asked)?, parts(stored)?);
    match asked.iter().find(|(part, value)| stored.get(*part) != Some(*value)) {
        Some((part, value)) => {
            let stored = stored.get(part).cloned().unwrap_or_default();
            let config = config.display();
            Err(format!("{config}: {part}: {value}; the checkpoint has {stored}, which a resumed run cannot change")
                .into())
        }
        None => Ok(()),
    }
}

/// How many numbers are learned.
fn parameters(trainer: &Trainer) -> usize {
    let named = gedanken_model::named_parameters(&trainer.model());
    named.iter().filter(|p| !p.is_statistic()).map(|p| p.values.len()).sum()
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
    evaluator: &gedanken_eval::Evaluator,
    trainer: &Trainer,
    folder: &RunFolder,
    tracker: &mut Tracker,
) -> Result<(), Failure> {
    let step = trainer.step();
    let into: PathBuf = folder.eval(step);
    let report = evaluator.full(&trainer.model(), step, Path::new(&into), &mut |row| eprintln!("evaluating: {row}"))?;
    tracker.text(step, "report", &format!("```\n{report}\n```"));
    tracker.flush()?;
    print(&report.to_string())
}

/// Set by Ctrl-C; a second one ends the program at once.
fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let installed = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this update; press Ctrl-C again to stop at once");
    });
    if let Err(error) = installed {
        eprintln!("Ctrl-C will not save: {error}");
    }
    stop
}

//! `gedanken train`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use gedanken_data::{Dataset, Source, SourceKind, Split};
use gedanken_env::Env;
use gedanken_eval::{Splits, TrainingEvaluation};
use gedanken_model::{Blueprint, LearnedFrom, WorldModel};
use gedanken_nn::named_parameters;
use gedanken_run::{Checkpoint, ProgressBar, RunFolder, Tracker, say, write_atomic};
use gedanken_train::{End, Evaluate, Evaluated, is_evaluated, load_model};

use super::from::{new_model, other_model};
use super::opened::same_version;
use super::session::{Session, warn_of};
use super::{DeviceArg, Failure, Overrides, blueprint, pick_device, print, protocol, read, resume, to_store};
use crate::charts::charts;
use crate::learned_from::{learned_from, name};
use crate::phases::Phase;
use crate::provenance::flatten;
use crate::room::too_large;
use crate::signals::{self, Last};
use crate::{Experiment, Parts};

#[derive(Args)]
pub struct TrainArgs {
    /// The experiment's TOML file (not with --resume: a run knows its own)
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    file: Option<PathBuf>,
    /// Go on with a stopped run from its last checkpoint, or with the run of the checkpoint named from that one
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Go on although the data is not what the run was trained on so far
    #[arg(long, requires = "resume")]
    other_data: bool,
    /// Stop, saved, when standard input ends, as on a signal
    #[arg(long, hide = true)]
    stop_with_input: bool,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn train(args: &TrainArgs, parts: &Parts) -> Result<(), Failure> {
    if args.stop_with_input {
        signals::listen_to_input();
    }
    let (resumed, named) = args.resume.as_deref().map(RunFolder::open_at).transpose()?.unzip();
    let file = match &resumed {
        Some(folder) => {
            same_version(&folder.config())?;
            folder.config()
        }
        None => args.file.clone().unwrap_or_default(),
    };
    let (mut experiment, env) = read(&file, &args.overrides.set, parts)?;
    if experiment.sweep.take().is_some() {
        let file = file.display();
        say(&format!("one run of {file}, without its [sweep]; all of them: gedanken sweep {file} --out DIR"));
    }
    has_room(&experiment, env.as_ref(), &file)?;
    let claimed = resumed.as_ref().map(RunFolder::claim).transpose()?;
    let chosen = pick_device(args.device.device.as_deref(), &experiment)?;
    let source = experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;
    // A phase is hours away.
    for (number, phase) in experiment.phases()?.iter().enumerate().filter(|(_, phase)| phase.name.is_some()) {
        let data = &phase.experiment.data;
        let opened = match phase.latents {
            None => data.open(env.as_ref(), Split::Train, experiment.seed),
            Some(_) => data.open_episodes(env.as_ref(), Split::Train, experiment.seed),
        };
        opened.map_err(|error| format!("{}: phase[{number}]: {error}", file.display()))?;
    }
    if let Some(difference) = other_world(&experiment, env.as_ref(), parts)? {
        say(&format!("warning: {difference}"));
    }

    let checkpoint = match (&resumed, named.flatten()) {
        (Some(folder), None) => folder.latest_checkpoint()?,
        (_, named) => named,
    };
    // A run is begun when nothing it needs is missing.
    let other = if checkpoint.is_none() { other_model(&experiment, &chosen, parts)? } else { None };
    let learned = match checkpoint {
        None => parts.model.plan(&experiment.model())?.learned_elsewhere(experiment.spaces(env.as_ref()).pixels)?,
        Some(_) => Vec::new(),
    };
    let before = other.as_ref().map_or(&[][..], |(_, _, before)| before);
    let learns = learned_from(before, &experiment, &file)?;
    let folder = match resumed {
        Some(folder) => folder,
        None => start(&experiment)?,
    };
    let _claim = claimed.map_or_else(|| folder.claim(), Ok)?;
    let (model, blueprint) = match &checkpoint {
        Some(checkpoint) => {
            let (model, stored) = resume::open(&folder, checkpoint, &experiment, parts, &chosen)?;
            let learned_from = learned_from(&stored.learned_from, &experiment, &file)?;
            same_data(&stored.learned_from, &learned_from, args.other_data, &folder)?;
            (model, Blueprint { learned_from, ..stored })
        }
        None => {
            let blueprint =
                Blueprint { learned_from: learns, ..blueprint(&experiment, env.as_ref(), source.as_ref())? };
            (new_model(&experiment, &blueprint, (learned, other), &chosen.device, parts)?, blueprint)
        }
    };

    let protocol = protocol(&experiment, &folder.config(), &blueprint, &chosen, parts)?;
    let session = Session {
        env: env.as_ref(),
        whole: &experiment,
        blueprint: &blueprint,
        folder: &folder,
        parts,
        chosen: &chosen,
        protocol: &protocol,
    };
    if run(&session, model, checkpoint.as_ref(), source, args.resume.is_some())? == End::Finished {
        folder.finish()?;
    }
    if let Some(best) = folder.best() {
        let (number, value, step, path) = (best.number, best.value, best.step, folder.best_path());
        say(&format!("best {number}: {value:.4} at update {step}, kept in {}", path.display()));
    }
    print(&folder.path().display().to_string())
}

/// Refuses a training that cannot fit into this machine's memory.
pub(super) fn has_room(experiment: &Experiment, env: &dyn Env, file: &Path) -> Result<(), Failure> {
    let pictures = |phase: &Phase| if phase.latents.is_none() { too_large(&phase.experiment, env) } else { None };
    match experiment.phases()?.iter().find_map(pictures) {
        Some((key, problem)) => Err(format!("{}: {key}: {problem}", file.display()).into()),
        None => Ok(()),
    }
}

/// Trains a model through the phases that are left, from a checkpoint or from the beginning, and evaluates it; or is stopped.
fn run(
    session: &Session,
    model: WorldModel,
    checkpoint: Option<&Checkpoint>,
    source: Arc<dyn Source>,
    resumed: bool,
) -> Result<End, Failure> {
    let Session { folder, whole, parts, chosen, protocol, .. } = *session;
    let phases = whole.phases()?;
    let (begun, steps) = (checkpoint.map_or(0, |checkpoint| checkpoint.step), phases.last().map_or(0, Phase::end));
    if begun > steps {
        let config = folder.config();
        return Err(format!("{}: train.steps: {steps}; the run has {begun} updates behind it", config.display()).into());
    }
    // A phase ends with its evaluation.
    let behind = if is_evaluated(folder, begun)? { begun } else { begun.saturating_sub(1) };
    let mut left = phases.iter().skip_while(|phase| phase.end() <= behind && phase.end() < steps);
    let Some(mut phase) = left.next() else { return Err("there is no phase".into()) };
    let first_line = beginning(whole, &chosen.name, &model, [begun, steps], folder);
    let mut trainer = session.enter(phase, model, checkpoint)?;
    if resumed {
        resume::begin(folder, checkpoint, whole, parts)?;
    }
    folder.go_on()?;
    let progress = ProgressBar::new(steps, begun);
    let warn = progress.clone();
    let warn = move |message: &str| warn.message(message);
    let mut tracker = match resumed {
        false => Tracker::create(folder.path(), warn)?,
        true => Tracker::resume(folder.path(), begun, warn)?,
    };
    let mut settings = BTreeMap::new();
    flatten("", &serde_json::to_value(whole)?, &mut settings);
    tracker.dashboards(begun, &settings.into_iter().collect::<Vec<_>>(), &charts(session.env.spec()));
    progress.message(&first_line);

    let splits = splits(whole, session.env, source, &progress);
    let tell = progress.clone();
    let hears = Box::new(move |line: &str| tell.message(line));
    let evaluation = TrainingEvaluation { protocol, splits, say: hears, run: folder, folder: None };
    let mut evaluation = Interruptible { evaluation, run: folder };
    loop {
        let last = || stopped(folder, trainer.step());
        let mut data = signals::at_once(last(), || session.data(phase, &trainer, &progress))?;
        let end = signals::finishing(|stop| trainer.run(&mut data, &mut evaluation, &mut tracker, &progress, stop));
        signals::from_now_on(stopped(folder, trainer.step()));
        drop(data);
        if !matches!(end, Ok(End::Finished)) {
            progress.finish();
        }
        let end = end?;
        tracker.flush()?;
        if end == End::Stopped {
            stopped(folder, trainer.step()).say();
            return Ok(end);
        }
        session.leave(phase)?;
        let Some(next) = left.next() else { break };
        phase = next;
        // As if the run were resumed there: nothing of a phase but its checkpoint reaches into the next.
        let (model, _) = load_model(&folder.checkpoint(trainer.step()), &parts.model, &chosen.device)?;
        trainer = session.enter(phase, model, None)?;
    }
    progress.finish();
    session.evaluate(&mut evaluation.evaluation, &trainer, &mut tracker)?;
    Ok(End::Finished)
}

/// Last words of a training that is stopped after so many updates, all of which are saved.
fn stopped(folder: &RunFolder, step: u64) -> Last {
    let run = folder.path().display().to_string();
    let words = format!("stopped at update {step}; go on with: gedanken train --resume {run}");
    Last { words, result: Some(run), code: 0 }
}

/// Evaluations that a signal ends at once: the checkpoint is there, and they are made again when the run goes on.
struct Interruptible<'a> {
    evaluation: TrainingEvaluation<'a>,
    run: &'a RunFolder,
}

impl Evaluate<WorldModel> for Interruptible<'_> {
    fn evaluate(&mut self, model: &WorldModel, step: u64, tracker: &mut Tracker) -> Evaluated {
        signals::at_once(stopped(self.run, step), || self.evaluation.evaluate(model, step, tracker))
    }
}

/// The training data and what it is validated on; none where a dataset has too little for that.
fn splits(experiment: &Experiment, env: &dyn Env, training: Arc<dyn Source>, progress: &ProgressBar) -> Option<Splits> {
    let validation = experiment.data.open(env, Split::Validation, experiment.seed);
    match &validation {
        Ok(validation) => warn_of(validation.as_ref(), progress),
        Err(error) => progress.message(&format!("no curves of validation: {error}")),
    }
    Some(Splits { training, validation: validation.ok()? })
}

/// Refuses a run whose data is another one than before, unless that is wanted.
fn same_data(before: &[LearnedFrom], all: &[LearnedFrom], other: bool, folder: &RunFolder) -> Result<(), Failure> {
    match &all[before.len()..] {
        [new, ..] if !before.is_empty() && !other => Err(format!(
            "{}: data.path: {} is not the dataset that the run was trained on so far, {}, whatever its path; --other-data goes on with it \
             all the same",
            folder.config().display(),
            name(new),
            before.iter().map(name).collect::<Vec<_>>().join(", ")
        )
        .into()),
        _ => Ok(()),
    }
}

/// The first line of a training.
fn beginning(
    experiment: &Experiment,
    device: &str,
    model: &WorldModel,
    [step, steps]: [u64; 2],
    folder: &RunFolder,
) -> String {
    let (name, folder, parameters) = (&experiment.name, folder.path().display(), parameters(model));
    format!("{name} on {device}: {parameters} parameters, update {step} of {steps}, into {folder}")
}

/// Differences between the world of a dataset and the experiment's, in which its model is evaluated, if there are any. Options that the schema marks
/// `x-same-world` say how a world is run (a Python, its processes), not which one it is.
fn other_world(experiment: &Experiment, env: &dyn Env, parts: &Parts) -> Result<Option<String>, Failure> {
    let (SourceKind::Disk, Some(path)) = (experiment.data.source, &experiment.data.path) else { return Ok(None) };
    let made = Dataset::open(path)?.manifest().env.clone();
    let schema = parts.environments.entry(&experiment.env.name)?.schema();
    let tells = |key: &str| schema["properties"][key]["x-same-world"] != true;
    // An option that there was not yet says nothing.
    let options = experiment.env.options.iter().filter(|(key, _)| tells(key)).filter_map(|(key, here)| {
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
fn parameters(model: &WorldModel) -> usize {
    let named = named_parameters(model);
    named.iter().filter(|p| !p.is_statistic()).map(|p| p.values.len()).sum()
}

/// Makes the run's folder and writes the experiment into it, before anything else can go wrong.
fn start(experiment: &Experiment) -> Result<RunFolder, Failure> {
    let folder = RunFolder::create(&experiment.runs, &experiment.name, experiment.seed)?;
    let text = format!("# gedanken {}\n{}", env!("CARGO_PKG_VERSION"), to_store(experiment)?);
    write_atomic(&folder.config(), text.as_bytes())?;
    Ok(folder)
}

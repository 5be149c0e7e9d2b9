//! `gedanken train`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use clap::Args;
use gedanken_data::{
    Collected, Dataset, DatasetSource, Episode, Episodes, LatentEncoder, LatentsConfig, Prefetch, Source, SourceKind,
    Split, WindowConfig,
};
use gedanken_env::{Env, derive_seed};
use gedanken_eval::{Protocol, Setup, Splits, TasksFrom, TrainingEvaluation};
use gedanken_model::{Blueprint, LearnedFrom, WorldModel, part_of};
use gedanken_nn::named_parameters;
use gedanken_run::{Checkpoint, FolderError, ProgressBar, RunFolder, Tracker, say, write_atomic};
use gedanken_train::{End, Evaluate, Evaluated, Task, Trainer, is_evaluated, load_model, to_half};

use super::data::env_record;
use super::{
    DeviceArg, Failure, Overrides, blueprint, open_model, pick_device, print, protocol, read, resume, same_version,
    to_store,
};
use crate::device::Chosen;
use crate::experiment::{From, FromParts};
use crate::learned_from::{learned_from, name};
use crate::phases::{MAKE_LATENTS, Phase};
use crate::provenance::{self, CheckpointRecord, Provenance, Told};
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
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn train(args: &TrainArgs, parts: &Parts) -> Result<(), Failure> {
    let (resumed, named) = args.resume.as_deref().map(RunFolder::open_at).transpose()?.unzip();
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
    let phases = experiment.phases()?;
    let source = experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;
    if let Some(difference) = other_world(&experiment, env.as_ref())? {
        say(&format!("warning: {difference}"));
    }

    let checkpoint = match (&resumed, named.flatten()) {
        (Some(folder), None) => folder.latest_checkpoint()?,
        (_, named) => named,
    };
    // A run is begun when nothing it needs is missing.
    let other = if checkpoint.is_none() { other_model(&experiment, &chosen, parts)? } else { None };
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
            (new_model(&experiment, &blueprint, other, &chosen.device, parts)?, blueprint)
        }
    };

    let protocol = protocol(&experiment, &folder.config(), &blueprint, &chosen, parts)?;
    let session = Session { env: env.as_ref(), whole: &experiment, blueprint: &blueprint, folder: &folder, parts };
    let (begun, steps) = (checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step), total(&phases));
    if begun > steps {
        let config = folder.config();
        return Err(format!("{}: train.steps: {steps}; the run has {begun} updates behind it", config.display()).into());
    }
    // A phase ends with its evaluation.
    let behind = if is_evaluated(&folder, begun)? { begun } else { begun.saturating_sub(1) };
    let mut left = phases.iter().skip_while(|phase| phase.end() <= behind && phase.end() < steps);
    let Some(mut phase) = left.next() else { return Err("there is no phase".into()) };
    let first_line = beginning(&experiment, &chosen.name, &model, [begun, steps], &folder);
    let mut trainer = session.enter(phase, model, checkpoint.as_ref(), &chosen.device)?;
    if args.resume.is_some() {
        resume::begin(&folder, checkpoint.as_ref(), &experiment, parts)?;
    }
    let progress = ProgressBar::new(steps, begun);
    let warn = progress.clone();
    let warn = move |message: &str| warn.message(message);
    let mut tracker = match begun {
        0 if args.resume.is_none() => Tracker::create(folder.path(), warn)?,
        step => Tracker::resume(folder.path(), step, warn)?,
    };
    progress.message(&first_line);

    let splits = splits(&experiment, env.as_ref(), source, &progress);
    let tell = progress.clone();
    let hears = Box::new(move |line: &str| tell.message(line));
    let evaluation = TrainingEvaluation { protocol: &protocol, splits, say: hears, run: &folder, folder: None };
    let mut evaluation = Interruptible { evaluation, run: &folder };
    loop {
        let last = || stopped(&folder, trainer.step());
        let mut data = signals::at_once(last(), || session.data(phase, &trainer, &chosen.device, &progress))?;
        let end = signals::finishing(|stop| trainer.run(&mut data, &mut evaluation, &mut tracker, &progress, stop));
        signals::from_now_on(stopped(&folder, trainer.step()));
        drop(data);
        if !matches!(end, Ok(End::Finished)) {
            progress.finish();
        }
        let end = end?;
        tracker.flush()?;
        if end == End::Stopped {
            stopped(&folder, trainer.step()).say();
            return Ok(());
        }
        session.leave(phase)?;
        let Some(next) = left.next() else { break };
        phase = next;
        // As if the run were resumed there: nothing of a phase but its checkpoint reaches into the next.
        let (model, _) = load_model(&folder.checkpoint(trainer.step()), &parts.model, &chosen.device)?;
        trainer = session.enter(phase, model, None, &chosen.device)?;
    }
    progress.finish();
    if protocol.env.spec().task.is_none() {
        say(&format!("{} has no task: nothing is evaluated", experiment.env.name));
    } else {
        let checkpoint = CheckpointRecord::of(&folder.checkpoint(trainer.step()), trainer.step())?;
        let provenance = Provenance::new(&experiment, env.as_ref(), checkpoint, &chosen.name);
        let provenance = Provenance { config: folder.config(), ..provenance };
        let provenance = provenance::of_evaluation(provenance, &experiment, &protocol, parts)?;
        let run = folder.path().display().to_string();
        let words = format!("stopped before the evaluation; it is made by: gedanken eval {run}");
        // Whoever asked for a stop in time has a whole training.
        let code = if signals::asked() { 0 } else { 130 };
        let last = Last { words, result: Some(run), code };
        signals::at_once(last, || finish(&mut evaluation.evaluation, &trainer, &provenance, &mut tracker))?;
    }
    if let Some(best) = folder.best() {
        let (number, value, step, path) = (best.number, best.value, best.step, folder.best_path());
        say(&format!("best {number}: {value:.4} at update {step}, kept in {}", path.display()));
    }
    print(&folder.path().display().to_string())
}

/// What a training says that is stopped after so many updates, all of which are saved.
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

/// A run in training, and what all its phases share.
struct Session<'a> {
    env: &'a dyn Env,
    whole: &'a Experiment,
    blueprint: &'a Blueprint,
    folder: &'a RunFolder,
    parts: &'a Parts,
}

impl Session<'_> {
    /// The trainer of a phase, for a model with the weights of `checkpoint`, if there is one; the optimiser goes on where the checkpoint
    /// lies inside the phase.
    fn enter(
        &self,
        phase: &Phase,
        model: WorldModel,
        checkpoint: Option<&Checkpoint>,
        device: &Device,
    ) -> Result<Trainer<WorldModel>, Failure> {
        let Self { whole, blueprint, folder, parts, .. } = *self;
        let plan = parts.model.plan_of_phase(&phase.experiment.model(), &whole.model())?;
        let model = model.with_loss(&plan, device).map_err(|name| {
            let (config, run) = (folder.config(), folder.path());
            format!("{}: loss.{name}: a head with weights of its own, which a run has from its start or never; a new run may start from this one: from = \"{}\"", config.display(), run.display())
        })?;
        let mut model = frozen(whole, model);
        if let Some(learn) = &phase.learn {
            let rest = parts.model.names().into_iter().filter(|name| learn.iter().all(|part| part != name));
            model = model.freeze(&rest.map(str::to_owned).collect::<Vec<_>>());
        }
        let task = match phase.latents {
            Some(_) => Task::on_latents(model, blueprint.clone(), phase.experiment.data.window.frameskip, device),
            None => Task::world_model(model, blueprint.clone(), device),
        };
        let (train, folder) = (phase.experiment.train.clone(), folder.clone());
        match checkpoint.filter(|checkpoint| checkpoint.step > phase.first) {
            Some(checkpoint) => Ok(Trainer::resume(train, task, folder, phase.first, &checkpoint.path)?),
            None => Ok(Trainer::new(train, task, folder, phase.first)),
        }
    }

    /// The batches of a phase, from where its trainer stands.
    fn data(
        &self,
        phase: &Phase,
        trainer: &Trainer<WorldModel>,
        device: &Device,
        progress: &ProgressBar,
    ) -> Result<Prefetch, Failure> {
        let Phase { experiment, number, .. } = phase;
        if let Some(name) = &phase.name {
            let learn = phase.learn.as_ref().map_or("everything".to_owned(), |parts| parts.join(", "));
            progress.message(&format!("phase {name}: {learn} until update {}", phase.end()));
        }
        // Every phase has batches of its own.
        let seed = if *number == 0 { experiment.seed } else { derive_seed(experiment.seed, &[PHASE, *number as u64]) };
        let source: Arc<dyn Source> = match &phase.latents {
            None => experiment.data.open(self.env, Split::Train, seed)?,
            Some(latents) => {
                let kept = self.keep(phase, latents, trainer, seed, device, progress)?;
                let window = WindowConfig { frameskip: 1, ..experiment.data.window };
                Arc::new(DatasetSource::new(kept, window, Split::Train, 0.0, seed)?)
            }
        };
        warn_of(source.as_ref(), progress);
        Ok(experiment.data.prefetch(source, trainer.next_batch()))
    }

    /// The latents of a phase's episodes.
    fn keep(
        &self,
        phase: &Phase,
        latents: &LatentsConfig,
        trainer: &Trainer<WorldModel>,
        seed: u64,
        device: &Device,
        progress: &ProgressBar,
    ) -> Result<Arc<Dataset>, Failure> {
        let model = &trainer.model();
        let (statistics, shape) = (&self.blueprint.statistics, model.latent_shape());
        let encode = |pixels: &[u8], labels: &[f32]| {
            let pixels = statistics.pixels(pixels, model.spaces().pixels, device);
            to_half(model.encode(pixels, model.felt(statistics.labels(labels, device))))
        };
        let shape = [shape.tokens(), shape.dim];
        let encoder = LatentEncoder { shape, identity: identity(model), encode: &encode };
        let (out, start, mut told) = (self.latents(phase), Instant::now(), Instant::now());
        let mut tell = |at: Collected| {
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                progress.message(&format!("  {} of {} episodes encoded", at.episodes, at.total));
            }
        };
        let (data, made) = (&phase.experiment.data, env_record(&phase.experiment));
        let episodes = Episodes { data, env: self.env, made, seed };
        let plan = |count| -> Result<_, Failure> {
            // A phase that goes on had another model when it began.
            let began = self.folder.checkpoint(phase.first);
            match trainer.done() == 0 || !began.exists() {
                true => self.plan(phase, model, count, seed, device, progress),
                false => {
                    let (model, _) = load_model(&began, &self.parts.model, device)?;
                    self.plan(phase, &model, count, seed, device, progress)
                }
            }
        };
        let kept = latents.keep(episodes, &encoder, &out, plan, &mut tell)?;
        let (counts, seconds) = (kept.manifest().counts, start.elapsed().as_secs_f64());
        let (frames, episodes) = (counts.frames, counts.episodes);
        progress.message(&format!("  latents of {frames} frames in {episodes} episodes kept ({seconds:.0} s)"));
        Ok(kept)
    }

    /// Episodes of training tasks in which the model plans.
    fn plan(
        &self,
        phase: &Phase,
        model: &WorldModel,
        count: usize,
        seed: u64,
        device: &Device,
        progress: &ProgressBar,
    ) -> Result<Vec<Episode>, Failure> {
        let (experiment, start, mut told) = (&phase.experiment, Instant::now(), Instant::now());
        let recorded = experiment.eval.tasks_from == TasksFrom::Recorded;
        let episodes = || experiment.data.open_episodes(self.env, Split::Train, seed);
        let protocol = Protocol {
            env: self.env.boxed_clone(),
            config: experiment.eval.clone(),
            source: recorded.then(episodes).transpose()?,
            remarks: Vec::new(),
            practice: None,
            planner: experiment.planner.init(&self.parts.strategies)?,
            blueprint: self.blueprint.clone(),
            device: device.clone(),
        };
        let setup = Setup { protocol: &protocol, model };
        let planned = setup.record(count, seed, &mut |done| {
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                progress.message(&format!("  {done} of {count} episodes planned"));
            }
        })?;
        progress.message(&format!("  {count} episodes planned ({:.0} s)", start.elapsed().as_secs_f64()));
        Ok(planned)
    }

    /// Where the latents of a phase are kept while it lasts.
    fn latents(&self, phase: &Phase) -> PathBuf {
        self.folder.path().join(format!("latents-{}", phase.number))
    }

    /// Removes what a phase kept.
    fn leave(&self, phase: &Phase) -> Result<(), Failure> {
        let kept = self.latents(phase);
        if phase.latents.is_some() && kept.exists() {
            std::fs::remove_dir_all(&kept).map_err(FolderError::io("remove", &kept))?;
        }
        Ok(())
    }
}

/// Time between two messages about the encoding of episodes.
const TELL_EVERY: Duration = Duration::from_secs(30);

// A purpose of derived seeds.
const PHASE: u64 = 21;

/// Updates of all phases.
fn total(phases: &[Phase]) -> u64 {
    phases.last().map_or(0, Phase::end)
}

/// A checksum of the weights that make latents.
fn identity(model: &WorldModel) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let of_latents = |name: &str| MAKE_LATENTS.contains(&part_of(name));
    for named in named_parameters(model).into_iter().filter(|named| of_latents(&named.name)) {
        named.values.iter().for_each(|value| hasher.update(&value.to_le_bytes()));
    }
    hasher.finalize()
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

/// Says what a source leaves out.
fn warn_of(source: &dyn Source, progress: &ProgressBar) {
    if let Some(remark) = source.remark() {
        progress.message(&format!("warning: {remark}"));
    }
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

/// A run that another one starts from: its checkpoint, its model, and what that has learned from.
type Other = (PathBuf, WorldModel, Vec<LearnedFrom>);

/// The run that an experiment starts from, if there is one.
fn other_model(experiment: &Experiment, chosen: &Chosen, parts: &Parts) -> Result<Option<Other>, Failure> {
    let Some(from) = experiment.from.as_ref().map(From::whole) else { return Ok(None) };
    let (run, checkpoint) = RunFolder::open_checkpoint(&from.run)?;
    let (model, blueprint) = open_model(&run, &checkpoint, parts, chosen)?;
    Ok(Some((checkpoint.path, model, blueprint.learned_from)))
}

/// A new model, with the weights of another run where the experiment says so.
fn new_model(
    experiment: &Experiment,
    blueprint: &Blueprint,
    other: Option<Other>,
    device: &Device,
    parts: &Parts,
) -> Result<WorldModel, Failure> {
    let plan = parts.model.plan(&blueprint.model)?;
    let model = WorldModel::new(&plan, blueprint.spaces.clone(), experiment.seed, device);
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
fn frozen(experiment: &Experiment, model: WorldModel) -> WorldModel {
    match experiment.from.as_ref().map(From::whole) {
        Some(FromParts { parts: Some(parts), freeze: true, .. }) => model.freeze(&parts),
        _ => model,
    }
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

/// The evaluation at the end.
fn finish(
    evaluation: &mut TrainingEvaluation<'_>,
    trainer: &Trainer<WorldModel>,
    provenance: &Provenance,
    tracker: &mut Tracker,
) -> Result<(), Failure> {
    let (step, model, protocol) = (trainer.step(), trainer.model(), evaluation.protocol);
    let report = protocol.full(&model, step, &mut |row| say(&format!("evaluating: {row}")))?;
    protocol.keep(&model, &report, &Told { found: &report, provenance }, &evaluation.folder(step)?)?;
    tracker.text(step, "report", &format!("```\n{report}\n```"));
    tracker.flush()?;
    print(&report.to_string())
}

//! A run in training: the trainer and the data of each of its phases.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gedanken_data::{
    Collected, Dataset, DatasetSource, Episode, Episodes, LatentEncoder, LatentsConfig, Prefetch, Source, Split,
    WindowConfig,
};
use gedanken_env::{Env, derive_seed};
use gedanken_eval::{LearnedWorld, Protocol, Setup, TasksFrom, TrainingEvaluation};
use gedanken_model::{Blueprint, WorldModel, part_of};
use gedanken_nn::named_parameters;
use gedanken_run::{Checkpoint, FolderError, ProgressBar, RunFolder, Tracker, say};
use gedanken_train::{Task, Trainer, load_model, to_half};

use super::data::env_record;
use super::from::frozen;
use super::{Failure, print};
use crate::device::Chosen;
use crate::phases::{MAKE_LATENTS, Phase};
use crate::provenance::{self, CheckpointRecord, Provenance, Told};
use crate::signals::{self, Last};
use crate::{Experiment, Parts};

/// A run in training, and what all its phases share.
pub(super) struct Session<'a> {
    pub env: &'a dyn Env,
    pub whole: &'a Experiment,
    pub blueprint: &'a Blueprint,
    pub folder: &'a RunFolder,
    pub parts: &'a Parts,
    pub chosen: &'a Chosen,
    pub protocol: &'a Protocol,
}

impl Session<'_> {
    /// The trainer of a phase, for a model with the weights of `checkpoint`, if there is one; the optimiser goes on where the checkpoint
    /// lies inside the phase.
    pub fn enter(
        &self,
        phase: &Phase,
        model: WorldModel,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Trainer<WorldModel>, Failure> {
        let Self { whole, blueprint, folder, parts, chosen: Chosen { device, .. }, .. } = *self;
        let plan = parts.model.plan_of_phase(&phase.experiment.model(), &whole.model())?;
        let model = model.with_loss(&plan, device).map_err(|name| {
            let (config, run) = (folder.config(), folder.path());
            format!("{}: loss.{name}: a head with weights of its own, which a run has from its start or never; a new run may start from this one: from = \"{}\"", config.display(), run.display())
        })?;
        let mut model = frozen(whole, model).freeze(&plan.frozen());
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
    pub fn data(
        &self,
        phase: &Phase,
        trainer: &Trainer<WorldModel>,
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
                let kept = self.keep(phase, latents, trainer, seed, progress)?;
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
        progress: &ProgressBar,
    ) -> Result<Arc<Dataset>, Failure> {
        let (model, device) = (&trainer.model(), &self.chosen.device);
        let (statistics, shape) = (&self.blueprint.statistics, model.latent_shape());
        let world = LearnedWorld { model, statistics, device };
        let encode = |pixels: &[u8], labels: &[f32]| to_half(world.encode(pixels, labels));
        let shape = [shape.tokens(), shape.dim];
        let encoder = LatentEncoder { shape, identity: identity(model), encode: &encode };
        let (out, start) = (self.latents(phase), Instant::now());
        let mut now_and_then = now_and_then(progress, "encoded");
        let mut tell = |at: Collected| now_and_then(at.episodes, at.total);
        let (data, made) = (&phase.experiment.data, env_record(&phase.experiment));
        let episodes = Episodes { data, env: self.env, made, seed };
        let plan = |count| -> Result<_, Failure> {
            // A phase that goes on had another model when it began.
            let began = self.folder.checkpoint(phase.first);
            match trainer.done() == 0 || !began.exists() {
                true => self.plan(phase, model, count, seed, progress),
                false => {
                    let (model, _) = load_model(&began, &self.parts.model, device)?;
                    self.plan(phase, &model, count, seed, progress)
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
        progress: &ProgressBar,
    ) -> Result<Vec<Episode>, Failure> {
        let (experiment, start) = (&phase.experiment, Instant::now());
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
            device: self.chosen.device.clone(),
        };
        let setup = Setup { protocol: &protocol, model };
        let mut tell = now_and_then(progress, "planned");
        let planned = setup.record(count, seed, &mut |done| tell(done, count))?;
        progress.message(&format!("  {count} episodes planned ({:.0} s)", start.elapsed().as_secs_f64()));
        Ok(planned)
    }

    /// The evaluation at the end.
    pub fn evaluate(
        &self,
        evaluation: &mut TrainingEvaluation<'_>,
        trainer: &Trainer<WorldModel>,
        tracker: &mut Tracker,
    ) -> Result<(), Failure> {
        let Self { whole, folder, protocol, env, parts, chosen, .. } = self;
        let (step, model) = (trainer.step(), trainer.model());
        let checkpoint = CheckpointRecord::of(&folder.checkpoint(step), step)?;
        let provenance = Provenance::new(whole, *env, checkpoint, &chosen.name);
        let provenance = Provenance { config: folder.config(), ..provenance };
        let provenance = provenance::of_evaluation(provenance, whole, protocol, parts)?;
        let run = folder.path().display().to_string();
        let words = format!("stopped before the evaluation; it is made by: gedanken eval {run}");
        // Whoever asked for a stop in time has a whole training.
        let last = Last { words, result: Some(run), code: if signals::asked() { 0 } else { 130 } };
        signals::at_once(last, || {
            let report = protocol.full(&model, step, &mut |row| say(&format!("evaluating: {row}")))?;
            let told = Told { found: &report, provenance: &provenance };
            protocol.keep(&model, &report, &told, &evaluation.folder(step)?, folder.path())?;
            tracker.text(step, "report", &format!("```\n{report}\n```"));
            tracker.results(step, &report.results());
            tracker.flush()?;
            print(&report.to_string())
        })
    }

    /// Where the latents of a phase are kept while it lasts.
    fn latents(&self, phase: &Phase) -> PathBuf {
        self.folder.path().join(format!("latents-{}", phase.number))
    }

    /// Removes what a phase kept.
    pub fn leave(&self, phase: &Phase) -> Result<(), Failure> {
        let kept = self.latents(phase);
        if phase.latents.is_some() && kept.exists() {
            std::fs::remove_dir_all(&kept).map_err(FolderError::io("remove", &kept))?;
        }
        Ok(())
    }
}

/// Time between two messages about a long work on episodes.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Says how many of all episodes are `done`, when it is called and nothing was said for a while.
fn now_and_then<'a>(progress: &'a ProgressBar, done: &'a str) -> impl FnMut(usize, usize) + 'a {
    let mut told = Instant::now();
    move |count, total| {
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            progress.message(&format!("  {count} of {total} episodes {done}"));
        }
    }
}

// A purpose of derived seeds.
const PHASE: u64 = 21;

/// A checksum of the weights that make latents.
fn identity(model: &WorldModel) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let of_latents = |name: &str| MAKE_LATENTS.contains(&part_of(name));
    for named in named_parameters(model).into_iter().filter(|named| of_latents(&named.name)) {
        named.values.iter().for_each(|value| hasher.update(&value.to_le_bytes()));
    }
    hasher.finalize()
}

/// Says what a source leaves out.
pub(super) fn warn_of(source: &dyn Source, progress: &ProgressBar) {
    if let Some(remark) = source.remark() {
        progress.message(&format!("warning: {remark}"));
    }
}

//! `gedanken collect` and `gedanken data`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gedanken_data::{CollectConfig, Collected, Dataset, EnvRecord, Recordings};
use gedanken_env::Env;
use gedanken_recordings::Import;

use super::{Failure, Overrides, print, read, say};
use crate::{Experiment, Parts};

#[derive(Args)]
pub struct CollectArgs {
    /// The experiment's TOML file
    file: PathBuf,
    /// The dataset's folder; default: data.path of the experiment, else data/<name>
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take the episodes of another program in the place of scripted ones: columns state, action and ep_len
    #[arg(long, value_name = "RECORDINGS.safetensors")]
    from: Option<PathBuf>,
    /// Take them although their actions do not lead from state to state
    #[arg(long, requires = "from")]
    unfitting: bool,
    #[command(flatten)]
    overrides: Overrides,
}

/// Source, columns and size of `gedanken data import`.
#[derive(Args)]
pub struct ImportArgs {
    /// A file (.npz, .h5) or folder (LeRobot, stable-worldmodel), or a name that LeRobot or stable-worldmodel knows
    source: String,
    /// The dataset's folder, a new one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Side of the pictures in the dataset, px
    #[arg(long, value_name = "PX", default_value_t = 64, value_parser = clap::value_parser!(u32).range(8..=1024))]
    size: u32,
    /// The loader: npz, hdf5, lerobot or stable-worldmodel; default: by the source's name and content
    #[arg(long, value_parser = ["npz", "hdf5", "lerobot", "stable-worldmodel"])]
    format: Option<String>,
    /// The column of pictures; default: the only one, or `pixels`
    #[arg(long, value_name = "COLUMN")]
    pixels: Option<String>,
    /// The column of actions
    #[arg(long, value_name = "COLUMN", default_value = "action")]
    action: String,
    /// The columns that probes read, with commas between them; default: all numbers that describe what is seen
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    labels: Option<Vec<String>>,
    /// Take only so many episodes, the first ones
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: Option<u32>,
    /// The Python that has the loader's packages
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: String,
    /// Seconds that an answer of it may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0)]
    timeout: f64,
}

#[derive(Subcommand)]
pub enum DataCommand {
    /// Take episodes that another program recorded, pictures as they are: no simulator is needed.
    #[command(after_help = "Example: gedanken data import pusht.h5 --out data/pusht --python venv/bin/python")]
    Import(ImportArgs),
    /// Check a dataset and say what is in it.
    #[command(after_help = "Example: gedanken data inspect data/two_rooms --json")]
    Inspect {
        /// The dataset's folder
        folder: PathBuf,
        /// Control steps of the windows in which movement is counted, as data.window.frameskip
        #[arg(long, value_name = "STEPS", default_value = "5")]
        frameskip: NonZeroUsize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Says how far it is, ten times.
fn tenths() -> impl FnMut(Collected) {
    let mut tenth = 0;
    move |at: Collected| {
        let now = 10 * at.episodes / at.total.max(1);
        if now > tenth {
            tenth = now;
            say(&format!("{} of {} episodes, {} frames", at.episodes, at.total, at.frames));
        }
    }
}

pub fn collect(args: &CollectArgs, parts: &Parts) -> Result<(), Failure> {
    let (experiment, env) = read(&args.file, &args.overrides.set, parts)?;
    let out = args.out.clone().or_else(|| experiment.data.path.clone());
    let out = out.unwrap_or_else(|| PathBuf::from("data").join(&experiment.name));
    let made = env_record(&experiment);
    let progress = &mut tenths();
    let (env, config, seed) = (env.as_ref(), &experiment.collect, experiment.seed);
    match &args.from {
        Some(from) => {
            let recordings = Recordings::open(from, env.spec())?;
            fitting(&recordings, from, env, seed, args.unfitting)?;
            recordings.write(env, made, seed, config.shard_mib, &out, progress)?
        }
        None => gedanken_data::collect(config, env, made, seed, &out, progress)?,
    };
    print(&out.display().to_string())
}

/// Says how well the states and actions of recordings go together, and refuses those that do not, unless they are to be taken all the same.
fn fitting(recordings: &Recordings, from: &Path, env: &dyn Env, seed: u64, anyway: bool) -> Result<(), Failure> {
    if let Some(remark) = recordings.remark() {
        say(&remark);
    }
    let retraced = recordings.retrace(env, seed)?;
    say(&retraced.to_string());
    match retraced.problem() {
        Some(problem) if !anyway => {
            Err(format!("{}: {problem}; --unfitting takes them all the same", from.display()).into())
        }
        Some(problem) => {
            say(&format!("warning: {problem}"));
            Ok(())
        }
        None => Ok(()),
    }
}

/// The experiment's environment, for whoever opens its dataset.
pub(super) fn env_record(experiment: &Experiment) -> EnvRecord {
    EnvRecord {
        name: experiment.env.name.clone(),
        options: serde_json::Value::Object(experiment.env.options.clone()),
        factors: experiment.env.factors.clone(),
    }
}

pub fn data(command: &DataCommand, parts: &Parts) -> Result<(), Failure> {
    match command {
        DataCommand::Import(args) => args.import(),
        DataCommand::Inspect { folder, frameskip, json } => inspect(folder, *frameskip, *json, parts),
    }
}

impl ImportArgs {
    fn import(&self) -> Result<(), Failure> {
        let import = Import {
            source: self.source.clone(),
            format: self.format.clone(),
            pixels: self.pixels.clone(),
            action: self.action.clone(),
            labels: self.labels.clone(),
            size: self.size as usize,
            python: self.python.clone(),
            timeout: self.timeout,
            episodes: self.episodes.map(|episodes| episodes as usize),
            shard_mib: CollectConfig::default().shard_mib,
        };
        let imported = import.write(&self.out, &mut tenths())?;
        say(&imported.to_string());
        print(&self.out.display().to_string())
    }
}

fn inspect(folder: &Path, frameskip: NonZeroUsize, json: bool, parts: &Parts) -> Result<(), Failure> {
    let dataset = Dataset::open(folder)?;
    dataset.verify()?;
    let mut summary = dataset.summary(frameskip.get())?;
    if let Some(pixels) = &mut summary.pixels {
        let EnvRecord { name, options, factors } = &dataset.manifest().env;
        // What this program does not know, or knows otherwise, is not simulated.
        let env = gedanken_env::make(&parts.environments, name, options, factors).ok();
        let env = env.filter(|env| dataset.check_env(env.spec()).is_ok());
        pixels.answer = env.and_then(|env| dataset.answer(env.as_ref(), frameskip.get()).ok().flatten());
    }
    match json {
        true => print(&serde_json::to_string_pretty(&summary)?),
        false => print(summary.to_string().trim_end()),
    }
}

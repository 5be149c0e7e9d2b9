//! `gedanken collect` and `gedanken data`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use gedanken_data::{Dataset, EnvRecord, Recordings};

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
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Subcommand)]
pub enum DataCommand {
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

pub fn collect(args: &CollectArgs, parts: &Parts) -> Result<(), Failure> {
    let (experiment, env) = read(&args.file, &args.overrides.set, parts)?;
    let out = args.out.clone().or_else(|| experiment.data.path.clone());
    let out = out.unwrap_or_else(|| PathBuf::from("data").join(&experiment.name));
    let made = env_record(&experiment);
    let mut tenth = 0;
    let progress = &mut |at: gedanken_data::Collected| {
        let now = 10 * at.episodes / at.total.max(1);
        if now > tenth {
            tenth = now;
            say(&format!("{} of {} episodes, {} frames", at.episodes, at.total, at.frames));
        }
    };
    let (env, config, seed) = (env.as_ref(), &experiment.collect, experiment.seed);
    match &args.from {
        Some(from) => Recordings::open(from, env.spec())?.write(env, made, seed, config.shard_mib, &out, progress)?,
        None => gedanken_data::collect(config, env, made, seed, &out, progress)?,
    };
    print(&out.display().to_string())
}

/// The experiment's environment, for whoever opens its dataset.
pub(super) fn env_record(experiment: &Experiment) -> EnvRecord {
    EnvRecord {
        name: experiment.env.name.clone(),
        options: serde_json::Value::Object(experiment.env.options.clone()),
        factors: experiment.env.factors.clone(),
    }
}

pub fn data(command: &DataCommand) -> Result<(), Failure> {
    let DataCommand::Inspect { folder, frameskip, json } = command;
    let dataset = Dataset::open(folder)?;
    dataset.verify()?;
    let summary = dataset.summary(frameskip.get())?;
    match json {
        true => print(&serde_json::to_string_pretty(&summary)?),
        false => print(summary.to_string().trim_end()),
    }
}

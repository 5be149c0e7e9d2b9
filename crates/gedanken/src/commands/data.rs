//! `gedanken collect` and `gedanken data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gedanken_data::{Dataset, EnvRecord};
use gedanken_env::Registry;

use super::{Failure, Overrides, print, read};

#[derive(Args)]
pub struct CollectArgs {
    /// The experiment's TOML file
    file: PathBuf,
    /// The dataset's folder; default: data.path of the experiment, else data/<name>
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn collect(args: &CollectArgs, registry: &Registry) -> Result<(), Failure> {
    let (experiment, env) = read(&args.file, &args.overrides.set, registry)?;
    let out = args.out.clone().or_else(|| experiment.data.path.clone());
    let out = out.unwrap_or_else(|| PathBuf::from("data").join(&experiment.name));
    let made = EnvRecord {
        name: experiment.env.name.clone(),
        options: serde_json::Value::Object(experiment.env.options.clone()),
        factors: experiment.env.factors.clone(),
    };
    let mut tenth = 0;
    gedanken_data::collect(&experiment.collect, env.as_ref(), made, experiment.seed, &out, &mut |at| {
        let now = 10 * at.episodes / at.total.max(1);
        if now > tenth {
            tenth = now;
            eprintln!("{} of {} episodes, {} frames", at.episodes, at.total, at.frames);
        }
    })?;
    print(&out.display().to_string())
}

pub fn data(command: &DataCommand) -> Result<(), Failure> {
    let DataCommand::Inspect { folder, json } = command;
    let dataset = Dataset::open(folder)?;
    dataset.verify()?;
    let summary = dataset.summary()?;
    match json {
        true => print(&serde_json::to_string_pretty(&summary)?),
        false => print(summary.to_string().trim_end()),
    }
}

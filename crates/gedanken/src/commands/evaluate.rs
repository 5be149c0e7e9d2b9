//! `gedanken eval` and `gedanken plan`.

use std::path::{Path, PathBuf};

use clap::Args;
use gedanken_env::Registry;
use gedanken_eval::Evaluator;
use gedanken_model::WorldModel;
use gedanken_train::run_folder::{FolderError, write_atomic};
use gedanken_train::{RunFolder, load_model};

use super::{DeviceArg, Failure, Overrides, evaluator, pick_device, print, read};

#[derive(Args)]
pub struct EvalArgs {
    /// A run's folder (its last checkpoint) or one of its checkpoints
    run: PathBuf,
    /// Write the report here too
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

#[derive(Args)]
pub struct PlanArgs {
    /// A run's folder (its last checkpoint) or one of its checkpoints
    run: PathBuf,
    /// Which task of the protocol
    #[arg(long, default_value_t = 0)]
    task: usize,
    /// Where the film goes
    #[arg(long, value_name = "OUT.gif")]
    film: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

/// A model to evaluate, and where it came from.
struct Opened {
    evaluator: Evaluator,
    model: WorldModel,
    folder: RunFolder,
    step: u64,
}

fn open(run: &Path, overrides: &Overrides, device: &DeviceArg, registry: &Registry) -> Result<Opened, Failure> {
    let (folder, checkpoint) = RunFolder::open_checkpoint(run)?;
    let (experiment, _) = read(&folder.config(), &overrides.set, registry)?;
    let chosen = pick_device(device, &experiment)?;
    let (model, blueprint) = load_model(&checkpoint.path, &chosen.device)?;
    let evaluator = evaluator(&experiment, &folder.config(), &blueprint, &chosen, registry)?;
    Ok(Opened { evaluator, model, folder, step: checkpoint.step })
}

pub fn eval(args: &EvalArgs, registry: &Registry) -> Result<(), Failure> {
    let opened = open(&args.run, &args.overrides, &args.device, registry)?;
    let folder = opened.folder.eval(opened.step);
    let report =
        opened.evaluator.full(&opened.model, opened.step, &folder, &mut |row| eprintln!("evaluating: {row}"))?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::other);
        write_atomic(path, text.map_err(FolderError::io("write", path))?.as_bytes())?;
    }
    print(&format!("{report}{}", folder.display()))
}

pub fn plan(args: &PlanArgs, registry: &Registry) -> Result<(), Failure> {
    let opened = open(&args.run, &args.overrides, &args.device, registry)?;
    opened.evaluator.film(&opened.model, args.task, &args.film)?;
    print(&args.film.display().to_string())
}

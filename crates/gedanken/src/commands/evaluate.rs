//! `gedanken eval` and `gedanken plan`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gedanken_eval::{Contest, Protocol};
use gedanken_model::WorldModel;
use gedanken_run::RunFolder;

use super::{
    DeviceArg, Failure, Overrides, check_outputs, open_model, pick_device, print, protocol, read, report,
    same_architecture, same_version, say,
};
use crate::Parts;

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
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct PlanArgs {
    #[command(subcommand)]
    command: Option<PlanCommand>,
    /// A run's folder (its last checkpoint) or one of its checkpoints
    #[arg(required = true)]
    run: Option<PathBuf>,
    /// Which task of the protocol, or of those that would follow
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..1_000_000))]
    task: u32,
    /// Where the film goes
    #[arg(long, value_name = "OUT.gif", required = true)]
    film: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

#[derive(Subcommand)]
enum PlanCommand {
    /// Compare all planners on a run's model at equal model evaluations: one table, one plot.
    #[command(
        after_help = "Example: gedanken plan bench runs/quickstart/2026-11-22T13-05-12-seed1 --tasks 100 --plot planners.png"
    )]
    Bench(BenchArgs),
}

#[derive(Args)]
pub struct BenchArgs {
    /// A run's folder (its last checkpoint) or one of its checkpoints
    run: PathBuf,
    /// Model evaluations of a plan, one or more
    #[arg(long, value_delimiter = ',', default_value = "400,1600,6400", value_parser = clap::value_parser!(u64).range(1..))]
    budgets: Vec<u64>,
    /// Only these planners: kinds of `[planner]`, `mppi-fixed`, `hybrid`
    #[arg(long, value_delimiter = ',')]
    planners: Vec<String>,
    /// Tasks. Default: the protocol's
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tasks: Option<u32>,
    /// Plan on the true simulator in the model's place
    #[arg(long)]
    simulator: bool,
    /// Write the numbers here too
    #[arg(long, value_name = "OUT.json")]
    json: Option<PathBuf>,
    /// Draw success against evaluations
    #[arg(long, value_name = "OUT.png")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

/// A model to evaluate, and where it came from.
struct Opened {
    protocol: Protocol,
    model: WorldModel,
    folder: RunFolder,
    step: u64,
}

fn open(run: &Path, overrides: &Overrides, device: &DeviceArg, parts: &Parts) -> Result<Opened, Failure> {
    let (folder, checkpoint) = RunFolder::open_checkpoint(run)?;
    same_version(&folder.config())?;
    let (experiment, _) = read(&folder.config(), &overrides.set, parts)?;
    let chosen = pick_device(device, &experiment)?;
    let (model, blueprint) = open_model(&folder, &checkpoint, parts, &chosen)?;
    let protocol = protocol(&experiment, &folder.config(), &blueprint, &chosen, parts)?;
    same_architecture(&experiment, &blueprint.model, &folder.config())?;
    Ok(Opened { protocol, model, folder, step: checkpoint.step })
}

pub fn eval(args: &EvalArgs, parts: &Parts) -> Result<(), Failure> {
    let opened = open(&args.run, &args.overrides, &args.device, parts)?;
    check_outputs(args.json.iter().chain([&opened.folder.next_eval(opened.step)]))?;
    let found = opened.protocol.full(&opened.model, opened.step, &mut |row| say(&format!("evaluating: {row}")))?;
    // Not before, so that what fails or is stopped leaves no empty one.
    let folder = opened.folder.claim_eval(opened.step)?;
    opened.protocol.keep(&opened.model, &found, &folder)?;
    report(&format!("{found}{}", folder.display()), args.json.as_deref(), &found)
}

pub fn plan(args: &PlanArgs, parts: &Parts) -> Result<(), Failure> {
    if let Some(PlanCommand::Bench(args)) = &args.command {
        return bench(args, parts);
    }
    let (Some(run), Some(film)) = (&args.run, &args.film) else { return Err("expected RUN and --film".into()) };
    check_outputs([film])?;
    let opened = open(run, &args.overrides, &args.device, parts)?;
    opened.protocol.film(&opened.model, args.task as usize, film)?;
    print(&film.display().to_string())
}

fn bench(args: &BenchArgs, parts: &Parts) -> Result<(), Failure> {
    check_outputs(args.json.iter().chain(&args.plot))?;
    let opened = open(&args.run, &args.overrides, &args.device, parts)?;
    let contest = Contest {
        budgets: args.budgets.clone(),
        strategies: parts.strategies.clone(),
        planners: args.planners.clone(),
        tasks: args.tasks.map_or(opened.protocol.config.tasks, |tasks| tasks as usize),
        simulator: args.simulator,
    };
    let found = opened.protocol.compare(&opened.model, &contest, &mut |row| say(&format!("planning: {row}")))?;
    let reported = report(found.to_string().trim_end(), args.json.as_deref(), &found);
    if let Some(path) = &args.plot {
        found.plot().save_png(path)?;
    }
    reported
}

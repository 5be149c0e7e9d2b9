//! `gedanken eval` and `gedanken plan`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gedanken_eval::{Contest, Protocol};
use gedanken_run::{Claim, FolderError, check_ending};

use super::opened::{Opened, open};
use super::{DeviceArg, Failure, Overrides, check_outputs, print, protocol, report, say};
use crate::provenance::{Provenance, Told};
use crate::{Parts, provenance};

#[derive(Args)]
pub struct EvalArgs {
    /// A run's folder (its last checkpoint) or one of its checkpoints
    run: PathBuf,
    /// Write the report here too; it is enough where the run's folder cannot be written to
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// The evaluation's folder, a new one. Default: eval/step-N of the run
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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

/// A model under the protocol of its run, and all that its numbers depend on.
fn under_protocol(
    run: &Path,
    overrides: &Overrides,
    device: &DeviceArg,
    parts: &Parts,
) -> Result<(Opened, Protocol, Provenance), Failure> {
    let opened = open(run, overrides, device, parts)?;
    let Opened { experiment, folder, blueprint, chosen, .. } = &opened;
    let protocol = protocol(experiment, &folder.config(), blueprint, chosen, parts)?;
    let provenance = provenance::of_evaluation(opened.provenance()?, experiment, &protocol, parts)?;
    Ok((opened, protocol, provenance))
}

pub fn eval(args: &EvalArgs, parts: &Parts) -> Result<(), Failure> {
    let (opened, protocol, provenance) = under_protocol(&args.run, &args.overrides, &args.device, parts)?;
    check_outputs(&args.json)?;
    let (folder, claim) = args.folder(&opened)?;
    let say = &mut |row: &str| say(&format!("evaluating: {row}"));
    let found = protocol.full(&opened.model, opened.step, say)?;
    let told = Told { found: &found, provenance: &provenance };
    // Not before, so that what fails or is stopped leaves no empty one.
    let folder = match (&folder, &args.out) {
        (Some(_), None) => Some(opened.folder.claim_eval(opened.step)?),
        _ => folder,
    };
    let kept = folder
        .as_ref()
        .map_or(Ok(()), |folder| protocol.keep(&opened.model, &found, &told, folder, opened.folder.path()));
    let place = folder.as_ref().or(args.json.as_ref()).map_or(String::new(), |path| path.display().to_string());
    report(&format!("{told}{place}"), args.json.as_deref(), &told)?;
    claim.map_or(Ok(()), Claim::release)?;
    Ok(kept?)
}

impl EvalArgs {
    /// The folder of the evaluation, `--out`'s kept from all others until it is written; none where the run's cannot be written to and `--json`
    /// is told all.
    fn folder(&self, opened: &Opened) -> Result<(Option<PathBuf>, Option<Claim>), Failure> {
        if let Some(folder) = &self.out {
            let report = folder.join("report.json");
            let taken = || {
                Failure::from(format!(
                    "--out {}: there is an evaluation in it; expected a new folder",
                    folder.display()
                ))
            };
            let there = || report.exists();
            if there() {
                return Err(taken());
            }
            check_outputs([&report])?;
            std::fs::create_dir_all(folder).map_err(FolderError::io("create", folder))?;
            let claim = Claim::of(folder, ".evaluating")?;
            // Another process may have ended in between.
            if there() {
                return Err(taken());
            }
            return Ok((Some(folder.clone()), Some(claim)));
        }
        let folder = opened.folder.next_eval(opened.step);
        match (check_outputs([&folder]), &self.json) {
            (Ok(()), _) => Ok((Some(folder), None)),
            (Err(error), Some(json)) => {
                say(&format!("{error}: the report goes into {} alone, without films", json.display()));
                Ok((None, None))
            }
            (Err(error), None) => {
                Err(format!("{error}; --out DIR writes the evaluation elsewhere, --json OUT its report").into())
            }
        }
    }
}

pub fn plan(args: &PlanArgs, parts: &Parts) -> Result<(), Failure> {
    if let Some(PlanCommand::Bench(args)) = &args.command {
        return bench(args, parts);
    }
    let (Some(run), Some(film)) = (&args.run, &args.film) else { return Err("expected RUN and --film".into()) };
    check_ending(film, "gif")?;
    check_outputs([film])?;
    let (opened, protocol, _) = under_protocol(run, &args.overrides, &args.device, parts)?;
    let filmed = protocol.film(&opened.model, args.task as usize, film)?;
    print(&format!("task {}: {filmed}\n{}", args.task, film.display()))
}

fn bench(args: &BenchArgs, parts: &Parts) -> Result<(), Failure> {
    args.plot.iter().try_for_each(|path| check_ending(path, "png"))?;
    check_outputs(args.json.iter().chain(&args.plot))?;
    let (opened, protocol, provenance) = under_protocol(&args.run, &args.overrides, &args.device, parts)?;
    let contest = Contest {
        budgets: args.budgets.clone(),
        strategies: parts.strategies.clone(),
        planners: args.planners.clone(),
        tasks: args.tasks.map_or(protocol.config.tasks, |tasks| tasks as usize),
        simulator: args.simulator,
    };
    let found = protocol.compare(&opened.model, &contest, &mut |row| say(&format!("planning: {row}")))?;
    let told = Told { found: &found, provenance: &provenance };
    let reported = report(told.to_string().trim_end(), args.json.as_deref(), &told);
    if let Some(path) = &args.plot {
        found.plot().save_png(path)?;
    }
    reported
}

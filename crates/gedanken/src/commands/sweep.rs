//! `gedanken sweep`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use gedanken_data::{SourceKind, Split};
use gedanken_run::say;
use serde_json::{Map, Value};

use super::compare::print_table;
use super::train::has_room;
use super::{Failure, Overrides, complete};
use crate::config::{ConfigError, Problem, load_arm, load_experiment};
use crate::sweep::{Arm, Asked, Outcome, Plan, Runner, Task, arms, slurm};
use crate::{Experiment, Parts, device, signals, threads};

#[derive(Args)]
pub struct SweepArgs {
    /// The experiment's TOML file, with or without a table [sweep]
    file: PathBuf,
    /// The sweep's folder, a new one, or one to go on with
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Values of a key, all combined with those of the others: --grid encoder.width=16,32
    #[arg(long, value_name = "KEY=VALUE,…")]
    grid: Vec<String>,
    /// Seeds: 1..3 are 1, 2 and 3; or 1,2,5. Default: those of [sweep], else the experiment's own
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    seeds: Option<Seeds>,
    /// Runs at once. Default: on a CPU one for each core, on a GPU one
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    jobs: Option<u32>,
    /// Hand the runs to Slurm, as a job array with the options of [sweep.slurm]; --jobs is how many run at once, all if there is none
    #[arg(long, conflicts_with = "dry_run")]
    slurm: bool,
    /// Check every run and say what there is to do; nothing is made
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    overrides: Overrides,
}

/// A list of seeds, as one argument.
#[derive(Clone, Debug)]
struct Seeds(Vec<u64>);

fn parse_seeds(text: &str) -> Result<Seeds, String> {
    let expected = "expected 1..3, which is 1, 2 and 3, or 1,2,5";
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| expected.to_owned());
    let mut seeds = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            None => seeds.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first || last - first >= 10_000 {
                    return Err(expected.to_owned());
                }
                seeds.extend(first..=last);
            }
        }
    }
    Ok(Seeds(seeds))
}

pub fn sweep(args: &SweepArgs, parts: &Parts) -> Result<(), Failure> {
    let asked = Asked::new(&args.grid, args.seeds.as_ref().map_or(&[], |seeds| &seeds.0))?;
    let whole = load_experiment(&args.file, &args.overrides.set, parts)?;
    let experiments = checked(args, arms(&whole, &asked)?, parts)?;
    // Elsewhere, other cores and devices.
    let (jobs, threads) = if args.slurm { (0, 0) } else { at_once(args.jobs, &experiments)? };
    let mut plan = Plan::new(&args.out, experiments, parts)?;
    let (count, out) = (plan.tasks.len(), args.out.display());
    if plan.new > 0 {
        let runs = if plan.new == 1 { "1 run".to_owned() } else { format!("{} runs", plan.new) };
        say(&format!("{out}: the plan is extended by {runs}"));
    }
    if !plan.others.is_empty() {
        say(&format!("{out}: not in this plan, and left as they are: {}", plan.others.join("; ")));
    }
    if args.dry_run {
        return tell_dry(&plan, jobs, threads);
    }
    plan.write()?;
    if args.slurm {
        let options = whole.value.sweep.clone().unwrap_or_default().slurm;
        return hand_over(&plan, &options, args.jobs);
    }
    say(&format!("{count} runs into {out}, {}", effort(jobs, threads)));
    let runner = Runner { plan: &plan, jobs, threads };
    let outcomes = signals::finishing(|stop| runner.run(stop))?;
    told(&plan, &outcomes)
}

/// Runs at once and threads of each, in words.
fn effort(jobs: usize, threads: usize) -> String {
    let at_once = if jobs == 1 { "one at a time".to_owned() } else { format!("{jobs} at once") };
    let of_each = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    format!("{at_once}, {of_each} each")
}

/// Hands what is left to Slurm, and prints the sweep's folder.
fn hand_over(plan: &Plan, options: &Map<String, Value>, jobs: Option<u32>) -> Result<(), Failure> {
    let out = plan.folder.display();
    match slurm::write(plan, options, jobs)? {
        None => say(&format!("{out}: all {} runs are finished", plan.tasks.len())),
        Some(left) => {
            let job = slurm::submit(plan)?;
            say(&format!("job {job}: {left} of {} runs into {out}; squeue --job {job}", plan.tasks.len()));
        }
    }
    super::print(&out.to_string())
}

/// A line for every run: where it stands, its name, and its settings.
fn tell_dry(plan: &Plan, jobs: usize, threads: usize) -> Result<(), Failure> {
    let rows = plan.tasks.iter().map(|task| Ok([task.stands()?, task.arm.name.clone(), task.sets().join(" ")]));
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for [stands, name, sets] in &rows {
        super::print(&format!("{stands:0$}  {name:1$}  {sets}", width(0), width(1)))?;
    }
    super::print(&format!(
        "{} runs into {}, {}; nothing was made",
        rows.len(),
        plan.folder.display(),
        effort(jobs, threads)
    ))
}

/// Every arm's experiment, checked; all problems of all arms are told at once.
fn checked(args: &SweepArgs, arms: Vec<Arm>, parts: &Parts) -> Result<Vec<(Arm, Experiment)>, Failure> {
    let (mut found, mut problems, mut others): (_, Vec<Problem>, _) = (Vec::new(), Vec::new(), BTreeSet::new());
    for arm in arms {
        match experiment(args, &arm, parts) {
            Ok(experiment) => found.push((arm, experiment)),
            Err(error) => match error.downcast_ref::<ConfigError>().map(ConfigError::problems) {
                // What is wrong in every arm is told once.
                Some(own @ [_, ..]) => {
                    let new = own.iter().filter(|problem| !problems.contains(problem)).cloned().collect::<Vec<_>>();
                    problems.extend(new);
                }
                _ => drop(others.insert(format!("{}: {error}", arm.name))),
            },
        }
    }
    if !problems.is_empty() {
        return Err(ConfigError::invalid(problems).into());
    }
    match others.is_empty() {
        true => Ok(found),
        false => Err(others.into_iter().collect::<Vec<_>>().join("\n").into()),
    }
}

fn experiment(args: &SweepArgs, arm: &Arm, parts: &Parts) -> Result<Experiment, Failure> {
    let loaded = load_arm(&args.file, &args.overrides.set, &arm.settings, parts)?;
    let (experiment, env) = complete(loaded, parts)?;
    has_room(&experiment, env.as_ref(), &args.file)?;
    if experiment.data.source == SourceKind::Disk {
        experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;
    }
    Ok(Experiment { sweep: None, ..experiment })
}

/// Runs at once, and threads of each. It follows from the plan, not from what is left of it: a run that goes on has the threads it had.
fn at_once(jobs: Option<u32>, experiments: &[(Arm, Experiment)]) -> Result<(usize, usize), Failure> {
    let names: BTreeSet<&str> = experiments.iter().map(|(_, experiment)| experiment.device.as_str()).collect();
    let chosen = names.iter().map(|name| device::choose(name)).collect::<Result<Vec<_>, _>>()?;
    let all_cpu = chosen.iter().all(|chosen| chosen.name.starts_with("cpu"));
    let cores = threads::count();
    let jobs = jobs.map_or(if all_cpu { cores } else { 1 }, |jobs| jobs as usize).min(experiments.len()).max(1);
    Ok((jobs, (cores / jobs).max(1)))
}

/// The table of what has finished, and what has not.
fn told(plan: &Plan, outcomes: &[Outcome]) -> Result<(), Failure> {
    let tasks = || plan.tasks.iter().zip(outcomes);
    let finished: Vec<PathBuf> =
        tasks().filter(|(_, o)| **o == Outcome::Finished).map(|(task, _)| task.folder.clone()).collect();
    let left = outcomes.iter().filter(|outcome| **outcome == Outcome::Left).count();
    let (count, out) = (plan.tasks.len(), plan.folder.display());
    if left > 0 && signals::asked() {
        let words = format!("stopped: {} of {count} runs finished; the same command goes on", finished.len());
        say(&words);
        std::process::exit(130);
    }
    if !finished.is_empty() {
        print_table(&finished)?;
    }
    super::print(&out.to_string())?;
    let failure = |(task, outcome): (&Task, &Outcome)| match outcome {
        Outcome::Failed(message) => Some(format!("  {}: {message} ({})", task.arm.name, task.log().display())),
        Outcome::Left => Some(format!("  {}: stopped ({})", task.arm.name, task.log().display())),
        Outcome::Finished => None,
    };
    let failed: Vec<String> = tasks().filter_map(failure).collect();
    match failed.len() {
        0 => Ok(()),
        number => {
            let all = failed.join("\n");
            Err(format!("{number} of {count} runs did not finish; the same command tries them again\n{all}").into())
        }
    }
}

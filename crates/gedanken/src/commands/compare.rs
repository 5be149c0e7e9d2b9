//! `gedanken compare`.

use std::path::PathBuf;

use clap::Args;
use gedanken_run::{check_ending, say, write_atomic};

use super::{Failure, check_outputs, print};
use crate::compare::{Comparison, Format, RunResult, compare as group, find};

#[derive(Args)]
pub struct CompareArgs {
    /// Runs, sweeps, folders of runs, or globs of them
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Group by these keys alone. Default: by all that is different but the seed
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    by: Vec<String>,
    /// Further columns: last values of curves, such as latent/effective_rank (names of metrics.jsonl)
    #[arg(long, value_name = "CURVE", value_delimiter = ',')]
    curves: Vec<String>,
    /// Print CSV, rates from 0 to 1
    #[arg(long, group = "format")]
    csv: bool,
    /// Print LaTeX, for booktabs
    #[arg(long, group = "format")]
    tex: bool,
    /// Print Markdown
    #[arg(long, group = "format")]
    md: bool,
    /// Draw the rates with their intervals
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

pub fn compare(args: &CompareArgs) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        check_ending(path, "svg")?;
        check_outputs([path])?;
    }
    let comparison = comparison(&find(&args.runs)?, &args.by)?;
    let known = |curve: &&String| {
        comparison.groups.iter().flat_map(|group| &group.runs).any(|run| run.metrics.contains_key(*curve))
    };
    if let Some(curve) = args.curves.iter().find(|curve| !known(curve)) {
        return Err(format!("--curves {curve}: no run has this curve in its metrics.jsonl").into());
    }
    let format = match (args.csv, args.tex, args.md) {
        (true, ..) => Format::Csv,
        (_, true, _) => Format::Latex,
        (.., true) => Format::Markdown,
        _ => Format::Plain,
    };
    if format == Format::Csv {
        comparison.remarks.iter().for_each(|remark| say(&format!("note: {remark}")));
    }
    print(&comparison.table(format, &args.curves))?;
    match &args.plot {
        Some(path) => Ok(write_atomic(path, comparison.plot().as_bytes())?),
        None => Ok(()),
    }
}

/// Reads and groups runs; those without a report are told.
fn comparison(runs: &[PathBuf], by: &[String]) -> Result<Comparison, Failure> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for run in runs {
        match RunResult::read(run) {
            Ok(Some(result)) => found.push(result),
            Ok(None) => without.push(format!("{} has no report yet", run.display())),
            Err(error) => without.push(format!("left out: {error}")),
        }
    }
    if found.is_empty() {
        return Err(format!("there is nothing to compare\n{}", without.join("\n")).into());
    }
    let mut comparison = group(found, by)?;
    comparison.remarks.extend(without);
    Ok(comparison)
}

/// The plain table of some runs.
pub(super) fn print_table(runs: &[PathBuf]) -> Result<(), Failure> {
    print(&comparison(runs, &[])?.table(Format::Plain, &[]))
}

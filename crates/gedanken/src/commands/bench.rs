//! `gedanken bench`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use gedanken_data::Split;

use super::{DeviceArg, Failure, Overrides, blueprint, check_outputs, pick_device, read, report, say};
use crate::Parts;
use crate::bench::{PARTS, Subject, Timing};

#[derive(Args)]
pub struct BenchArgs {
    /// The experiment's TOML file
    file: PathBuf,
    /// Seconds that each part is timed for, at least
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Time these parts alone (with commas between them)
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = PossibleValuesParser::new(PARTS))]
    parts: Vec<String>,
    /// Write the numbers here too
    #[arg(long, value_name = "OUT.json")]
    json: Option<PathBuf>,
    /// Write the weights, a batch and its loss here, for another program to do the same work
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn bench(args: &BenchArgs, parts: &Parts) -> Result<(), Failure> {
    if !(0.0..=3600.0).contains(&args.seconds) {
        return Err(format!("--seconds {}; expected 0 to 3600", args.seconds).into());
    }
    check_outputs(&args.json)?;
    let (experiment, env) = read(&args.file, &args.overrides.set, parts)?;
    let chosen = pick_device(args.device.device.as_deref(), &experiment)?;
    let source = experiment.data.open(env.as_ref(), Split::Train, experiment.seed)?;
    let subject = Subject {
        experiment: &experiment,
        env: env.as_ref(),
        source: source.as_ref(),
        blueprint: &blueprint(&experiment, env.as_ref(), source.as_ref())?,
        parts,
        chosen: &chosen,
    };
    let timing = Timing { seconds: args.seconds, parts: &args.parts };
    let bench = subject.bench(timing, args.export.as_deref(), &mut |part| say(&format!("timing: {part}")))?;
    report(bench.to_string().trim_end(), args.json.as_deref(), &bench)
}

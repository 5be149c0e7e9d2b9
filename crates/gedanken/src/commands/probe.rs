//! `gedanken probe`.

use std::path::PathBuf;

use clap::Args;
use gedanken_data::{DataConfig, Split, WindowConfig};
use gedanken_eval::{Frames, Probing, probes};
use gedanken_run::RunFolder;

use super::{
    DeviceArg, Failure, Overrides, check_outputs, open_model, pick_device, read, report, same_architecture,
    same_spaces, same_version,
};
use crate::Parts;

#[derive(Args)]
pub struct ProbeArgs {
    /// A run's folder (its last checkpoint) or one of its checkpoints
    run: PathBuf,
    /// Write the numbers here too
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Frames of the training data that the probes learn from
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(2..=1_048_576))]
    frames: u32,
    /// Frames of the validation data that they are tested on
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(2..=1_048_576))]
    test_frames: u32,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn probe(args: &ProbeArgs, parts: &Parts) -> Result<(), Failure> {
    check_outputs(&args.json)?;
    let (folder, checkpoint) = RunFolder::open_checkpoint(&args.run)?;
    same_version(&folder.config())?;
    let (experiment, env) = read(&folder.config(), &args.overrides.set, parts)?;
    let labels = env.spec().require_labels()?;
    let chosen = pick_device(&args.device, &experiment)?;
    let (model, blueprint) = open_model(&folder, &checkpoint, parts, &chosen)?;
    same_spaces(&experiment, env.as_ref(), &blueprint, &folder.config())?;
    same_architecture(&experiment, &blueprint.model, &folder.config())?;
    // Frames as they come: one window of one episode at a time, no part of it preferred.
    let window = WindowConfig { layouts: 1, episodes: 1, eventful: 0.0, ..experiment.data.window };
    let data = DataConfig { window, ..experiment.data.clone() };
    let frames = |split: Split, count: u32| -> Result<Frames, Failure> {
        let source = data.open(env.as_ref(), split, experiment.seed)?;
        Ok(Frames::of(&model, &blueprint.statistics, source.as_ref(), count as usize, &chosen.device)?)
    };
    let (train, test) = (frames(Split::Train, args.frames)?, frames(Split::Validation, args.test_frames)?);
    let found = probes(labels, &train, &test, &Probing::default(), &chosen.device)?;
    report(found.to_string().trim_end(), args.json.as_deref(), &found)
}

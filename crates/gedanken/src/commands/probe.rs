//! `gedanken probe`.

use std::path::PathBuf;

use super::opened::{Opened, open};
use super::{DeviceArg, Failure, Overrides, check_outputs, report, say};
use crate::Parts;
use crate::learned_from::other_data;
use crate::provenance::{Provenance, Told};
use clap::Args;
use gedanken_data::{DataConfig, Split, WindowConfig};
use gedanken_eval::{Frames, Probing, probes};

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
    let opened = open(&args.run, &args.overrides.set, args.device.device.as_deref(), parts)?;
    let Opened { experiment, env, model, blueprint, chosen, folder, .. } = &opened;
    let labels = env.spec().require_labels()?;
    // Frames as they come: one window of one episode at a time, no part of it preferred.
    let window = WindowConfig { layouts: 1, episodes: 1, eventful: 0.0, ..experiment.data.window };
    let data = DataConfig { window, ..experiment.data.clone() };
    let warn = |remark: &String| say(&format!("warning: {remark}"));
    other_data(&blueprint.learned_from, &data, &folder.config())?.iter().for_each(warn);
    let frames = |split: Split, count: u32| -> Result<Frames, Failure> {
        let source = data.open(env.as_ref(), split, experiment.seed)?;
        source.remark().iter().for_each(warn);
        let there = source.lengths().map_or(usize::MAX, |lengths| lengths.iter().sum());
        if there < count as usize {
            warn(&format!("{count} frames of the {split:?} split: it has {there}, which are taken again and again"));
        }
        Ok(Frames::of(model, &blueprint.statistics, source.as_ref(), count as usize, &chosen.device)?)
    };
    let (train, test) = (frames(Split::Train, args.frames)?, frames(Split::Validation, args.test_frames)?);
    let found = probes(labels, &train, &test, &Probing::default(), &chosen.device)?;
    let provenance = Provenance { splits: vec!["train", "validation"], ..opened.provenance()? };
    let told = Told { found: &found, provenance: &provenance };
    report(told.to_string().trim_end(), args.json.as_deref(), &told)
}

//! `gedanken encode`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use gedanken_data::Dataset;
use gedanken_eval::LearnedWorld;
use gedanken_run::write_atomic_with;
use serde_json::{Map, Value, json};

use super::opened::{Opened, open};
use super::{DeviceArg, Failure, Overrides, say};
use crate::{Parts, signals};

#[derive(Args)]
pub struct EncodeArgs {
    /// A run's folder (its last checkpoint) or one of its checkpoints
    run: PathBuf,
    /// The dataset's folder. Default: the run's own
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A safetensors file
    #[arg(long, value_name = "LATENTS.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArg,
}

/// Frames that are encoded in one piece, which bounds the memory.
const TOGETHER: usize = 256;

/// Time between two lines of progress.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn encode(args: &EncodeArgs, parts: &Parts) -> Result<(), Failure> {
    if args.out.extension().is_none_or(|ending| ending != "safetensors") {
        return Err(format!("--out {}: expected a file that ends in .safetensors", args.out.display()).into());
    }
    let opened = open(&args.run, &args.overrides.set, args.device.device.as_deref(), parts)?;
    let path = match (&args.data, &opened.experiment.data.path) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => path.clone(),
        (None, None) => return Err("the run has no dataset, its data are a stream; expected --data DIR".into()),
    };
    let dataset = Dataset::open(path)?;
    dataset.check_env(opened.env.spec())?;
    let frames = write_atomic_with(&args.out, |file| write(file, &dataset, &opened).map_err(io::Error::other))?;
    say(&format!("{frames} frames of {} episodes", dataset.episodes().len()));
    super::print(&args.out.display().to_string())
}

/// Writes the header, the latents as they come, and then the columns beside them.
fn write(file: &mut File, dataset: &Dataset, opened: &Opened) -> Result<usize, Failure> {
    let Opened { model, blueprint, chosen, .. } = opened;
    let world = LearnedWorld { model, statistics: &blueprint.statistics, device: &chosen.device };
    let (frames, shape, latent) = (dataset.frames(), dataset.shape(), model.latent_shape());
    let episodes = dataset.episodes();
    let columns = [
        ("latent", "F32", vec![frames, latent.tokens(), latent.dim]),
        ("action", "F32", vec![frames, shape.action]),
        ("label", "F32", vec![frames, shape.labels]),
        ("ep_offset", "I64", vec![episodes.len()]),
        ("ep_len", "I64", vec![episodes.len()]),
    ];
    let about = json!({ "run": opened.folder.path().display().to_string(), "gedanken": blueprint.version });
    let mut out = BufWriter::new(file);
    out.write_all(&header(&columns, &about))?;

    let (mut pixels, mut labels, mut told) = (Vec::new(), Vec::new(), Instant::now());
    let frame = |index: usize| dataset.frame(index).ok_or("the dataset ended early");
    for first in (0..frames).step_by(TOGETHER) {
        if signals::asked() {
            return Err("stopped before its end".into());
        }
        if told.elapsed() > PATIENCE {
            say(&format!("  {first} of {frames} frames encoded"));
            told = Instant::now();
        }
        pixels.clear();
        labels.clear();
        for index in first..(first + TOGETHER).min(frames) {
            let frame = frame(index)?;
            pixels.extend_from_slice(frame.pixels());
            labels.extend(frame.labels());
        }
        put(&mut out, world.encode(&pixels, &labels).into_data().iter::<f32>().map(f32::to_le_bytes))?;
    }
    for index in 0..frames {
        put(&mut out, frame(index)?.action().map(f32::to_le_bytes))?;
    }
    for index in 0..frames {
        put(&mut out, frame(index)?.labels().map(f32::to_le_bytes))?;
    }
    put(&mut out, episodes.iter().map(|episode| (episode.offset as i64).to_le_bytes()))?;
    put(&mut out, episodes.iter().map(|episode| (episode.length as i64).to_le_bytes()))?;
    out.flush()?;
    Ok(frames)
}

/// The header of a safetensors file whose tensors lie one after another, with its length before it.
fn header(columns: &[(&str, &str, Vec<usize>)], about: &Value) -> Vec<u8> {
    let mut end = 0;
    let mut tensors = Map::from_iter([("__metadata__".to_owned(), about.clone())]);
    for (name, dtype, shape) in columns {
        let begin = end;
        end += shape.iter().product::<usize>() * if dtype.ends_with("64") { 8 } else { 4 };
        tensors.insert((*name).to_owned(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] }));
    }
    let mut text = Value::Object(tensors).to_string();
    // The data begin at a multiple of eight.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn put<const N: usize>(out: &mut impl Write, mut numbers: impl Iterator<Item = [u8; N]>) -> io::Result<()> {
    numbers.try_for_each(|number| out.write_all(&number))
}

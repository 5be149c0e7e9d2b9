//! `gedanken import`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use gedanken_data::Split;
use gedanken_env::Env;
use gedanken_model::{Blueprint, IMAGENET, LossConfig, ModelConfig, Statistics, WorldModel};
use gedanken_run::{RunFolder, write_atomic, write_dir_atomic};
use serde_json::Value;

use super::{Failure, Overrides, print, read, to_store};
use crate::import::{FORMATS, Foreign};
use crate::{Experiment, Parts};

#[derive(Args)]
pub struct ImportArgs {
    /// The format
    #[arg(value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.about))))]
    format: String,
    /// The folder of the model's files
    folder: PathBuf,
    /// The run's folder, a new one
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// World, planner and protocol from an experiment's TOML file; the model's own parts and its loss are not looked at. Default: those of
    /// the format's authors
    #[arg(long, value_name = "FILE.toml", requires = "action_mean")]
    experiment: Option<PathBuf>,
    /// Mean of every number of a control step's action in the data that the model was trained on, in the environment's units: -0.0087,0.0068;
    /// 0,0 and a deviation of 1,1 for a model that takes actions as they are. Default: that of the data of the format's authors
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true, requires = "action_std")]
    action_mean: Option<Vec<f32>>,
    /// Their standard deviation: 0.2019,0.2002
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true, requires = "action_mean")]
    action_std: Option<Vec<f32>>,
    #[command(flatten)]
    overrides: Overrides,
}

pub fn import(args: &ImportArgs, parts: &Parts) -> Result<(), Failure> {
    let out = &args.out;
    if out.exists() {
        return Err(format!("--out {}: it is there already; expected a new folder", out.display()).into());
    }
    let known = || format!("no format {}", args.format);
    let format = FORMATS.iter().find(|format| format.name == args.format).ok_or_else(known)?;
    let given = [&args.action_mean, &args.action_std];
    let [action_mean, action_std] = [0, 1].map(|i| given[i].clone().unwrap_or_else(|| format.actions[i].to_vec()));
    let scales = Scales { action_mean, action_std };
    let mut foreign = (format.read)(&args.folder)?;
    write_dir_atomic::<Failure>(out, |inside| {
        let config = inside.join("config.toml");
        write_atomic(&config, format.experiment.as_bytes())?;
        let (experiment, env) = experiment(args, &config, &foreign, raw(&scales), parts)?;
        check_scales(&scales, env.spec().action.len())?;
        let model = model(&mut foreign, &experiment, env.as_ref(), parts)?;
        let blueprint = blueprint(&experiment, env.as_ref(), &foreign, scales)?;
        let (version, source) = (env!("CARGO_PKG_VERSION"), args.folder.display());
        let text = format!("# gedanken {version}; imported: {} {source:?}\n{}", format.name, to_store(&experiment)?);
        write_atomic(&config, text.as_bytes())?;
        gedanken_train::begin(&RunFolder::open(inside)?, &model, &blueprint, &experiment.train)?;
        Ok(())
    })?;
    print(&out.display().to_string())
}

/// The experiment of an imported model, which is written to `config` where the command line names none, and its environment.
fn experiment(
    args: &ImportArgs,
    config: &Path,
    foreign: &Foreign,
    raw: bool,
    parts: &Parts,
) -> Result<(Experiment, Box<dyn Env>), Failure> {
    let (file, world) = match &args.experiment {
        Some(file) => (file.as_path(), &[][..]),
        None => (config, foreign.world.as_slice()),
    };
    let scales = match raw {
        true => "actions=\"raw\"",
        false => "actions=\"z-score\"",
    };
    let model = sets(&foreign.model, parts)?;
    let window = format!("data.window.time={}", foreign.time);
    let photographs = foreign.pixel_scales == IMAGENET.map(Vec::from);
    let pixels = if photographs { "pixels=\"imagenet\"" } else { "pixels=\"measured\"" };
    let scales = [pixels.to_owned(), scales.to_owned(), window];
    let sets = [world, &args.overrides.set, &model, &scales].concat();
    let (mut experiment, env) = read(file, &sets, parts)?;

    // Terms without a weight are written only where the default has one.
    let default = LossConfig::default();
    let weighted: Vec<String> = foreign.model.loss.0.keys().chain(default.0.keys()).cloned().collect();
    experiment.loss.0.retain(|name, _| weighted.contains(name));
    experiment.from = None;

    let (blocks, numbers) = (foreign.action, env.spec().action.len());
    if numbers == 0 || blocks == 0 || !blocks.is_multiple_of(numbers) {
        let name = &env.spec().name;
        return Err(format!(
            "{}: actions of {blocks} numbers; expected blocks of the {numbers} that {name} takes",
            args.folder.display()
        )
        .into());
    }
    experiment.data.window.frameskip = blocks / numbers;
    let (found, expected) = (experiment.spaces(env.as_ref()).pixels, foreign.pixels);
    if found != expected {
        let [found, expected] =
            [found, expected].map(|[channels, height, width]| format!("{channels} x {height} x {width}"));
        let folder = args.folder.display();
        return Err(format!("{folder}: a model of pictures of {expected}; expected those of [env], {found}").into());
    }
    Ok((experiment, env))
}

/// The parts of a model and its whole loss, each number as a `KEY=VALUE` over whatever an experiment says.
fn sets(model: &ModelConfig, parts: &Parts) -> Result<Vec<String>, Failure> {
    fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(table) => {
                table.iter().for_each(|(key, inner)| leaves(&format!("{path}.{key}"), inner, found))
            }
            Value::Null => {}
            leaf => found.push(format!("{}={leaf}", path.trim_start_matches('.'))),
        }
    }
    let mut found = Vec::new();
    leaves("", &serde_json::to_value(parts.model.complete(model)?)?, &mut found);
    let others = parts.model.terms.names().filter(|name| !model.loss.0.contains_key(*name));
    found.extend(others.map(|name| format!("loss.{name}.weight=0")));
    Ok(found)
}

/// Mean and standard deviation of every number of a control step's action.
struct Scales {
    action_mean: Vec<f32>,
    action_std: Vec<f32>,
}

/// True where the model takes actions in the environment's units.
fn raw(scales: &Scales) -> bool {
    scales.action_mean.iter().all(|&mean| mean == 0.0) && scales.action_std.iter().all(|&std| std == 1.0)
}

/// Refuses scales of other actions, and such as are none.
fn check_scales(Scales { action_mean, action_std }: &Scales, numbers: usize) -> Result<(), Failure> {
    if action_mean.len() != numbers || !action_mean.iter().all(|mean| mean.is_finite()) {
        return Err(format!("--action-mean: {action_mean:?}; expected {numbers} finite numbers").into());
    }
    if action_std.len() != numbers || !action_std.iter().all(|std| std.is_finite() && *std > 0.0) {
        return Err(format!("--action-std: {action_std:?}; expected {numbers} positive numbers").into());
    }
    Ok(())
}

/// The blueprint: statistics of pixels and actions are the model's own, those of the labels, on which no latent depends, are measured.
fn blueprint(
    experiment: &Experiment,
    env: &dyn Env,
    foreign: &Foreign,
    Scales { action_mean, action_std }: Scales,
) -> Result<Blueprint, Failure> {
    let labels = experiment.data.open(env, Split::Train, experiment.seed)?.scales()?.labels;
    let [pixel_mean, pixel_std] = foreign.pixel_scales.clone();
    let statistics = Statistics {
        pixel_mean,
        pixel_std,
        stretch: false,
        label_mean: labels.mean(),
        label_std: labels.std(),
        action_mean,
        action_std,
    };
    let (model, spaces) = (experiment.model(), experiment.spaces(env));
    Ok(Blueprint { version: env!("CARGO_PKG_VERSION").to_owned(), model, spaces, statistics, learned_from: Vec::new() })
}

/// The model with all its weights, and none left over.
fn model(foreign: &mut Foreign, experiment: &Experiment, env: &dyn Env, parts: &Parts) -> Result<WorldModel, Failure> {
    let (plan, weights) = (parts.model.plan(&experiment.model())?, &mut foreign.weights);
    let take = |name: &str, shape: &[usize]| weights.take(name, shape);
    let model = WorldModel::of_weights(&plan, experiment.spaces(env), take, &Device::flex())?;
    weights.finish()?;
    Ok(model)
}

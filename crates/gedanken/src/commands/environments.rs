//! `gedanken envs`, `render` and `rollout`: environments seen from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use gedanken_env::{Entry, Env, Spec};
use gedanken_parts::PartError;
use gedanken_run::{FolderError, Picture, check_ending, write_atomic};

use super::{Failure, print};
use crate::Parts;

#[derive(Args)]
pub struct EnvsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An environment and a state of it.
#[derive(Args)]
struct StateArgs {
    /// The environment's name
    env: String,
    /// The state's numbers in the order of `gedanken envs`; those left out at the end follow from the others where the
    /// environment knows how (push-t: from the first seven), else they are those of the reset with --seed
    #[arg(long, value_name = "[…]")]
    state: Option<String>,
    /// Seed of the reset
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Options of the environment as JSON: --options '{"rule": "bounce"}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    options: String,
    /// A factor of variation, as often as you like: --factor dot_std=2
    #[arg(long = "factor", value_name = "NAME=VALUE")]
    factors: Vec<String>,
}

#[derive(Args)]
pub struct RenderArgs {
    #[command(flatten)]
    state: StateArgs,
    /// Height of the picture in pixels, a multiple of the observation's; default: the observation's
    #[arg(long)]
    size: Option<usize>,
    /// Where the PNG goes
    #[arg(long, value_name = "X.png")]
    out: PathBuf,
}

#[derive(Args)]
pub struct RolloutArgs {
    #[command(flatten)]
    state: StateArgs,
    /// A CSV file, one action per row, with or without a header
    #[arg(long, value_name = "A.csv")]
    actions: PathBuf,
    /// Where the states go: a header, the start, and one row per action
    #[arg(long, value_name = "S.csv")]
    out: PathBuf,
}

pub fn envs(args: &EnvsArgs, parts: &Parts) -> Result<(), Failure> {
    // One that needs what is not here is listed with what it lacks.
    let made = |entry: &Entry<dyn Env>| entry.make(&entry.defaults()).map(|env| env.spec().clone());
    let specs: Vec<_> = parts.environments.entries().iter().map(|entry| (entry, made(entry))).collect();
    if args.json {
        let described: Vec<serde_json::Value> = specs
            .iter()
            .map(|(entry, spec)| {
                let mut value = match spec {
                    Ok(spec) => serde_json::to_value(spec).unwrap_or_default(),
                    Err(error) => serde_json::json!({ "name": entry.name(), "error": error.to_string() }),
                };
                value["options"] = entry.defaults();
                value
            })
            .collect();
        return print(&serde_json::to_string_pretty(&described)?);
    }
    let text = |entry: &Entry<dyn Env>, spec: &Result<Spec, PartError>| match spec {
        Ok(spec) => describe(spec),
        Err(error) => format!("{}: not here, or not by its defaults\n  {error}\n", entry.name()),
    };
    let texts: Vec<String> = specs.iter().map(|(entry, spec)| text(entry, spec)).collect();
    print(texts.join("\n").trim_end())
}

fn describe(spec: &Spec) -> String {
    let space = spec.observation;
    let mut text = format!("{}: {}\n", spec.name, spec.about);
    text += &format!("  observation  u8 {} x {} x {}\n", space.channels, space.height, space.width);
    let action = &spec.action;
    let norm = action.max_norm.map_or(String::new(), |norm| format!(", norm at most {norm}"));
    text += &format!("  action       {:?} to {:?} {}{norm}\n", action.low, action.high, action.unit);
    let state: Vec<&str> = spec.state.iter().map(|field| field.name.as_str()).collect();
    text += &format!("  state        {}\n", state.join(", "));
    let labels: Vec<String> = spec.labels.iter().map(|l| format!("{} ({}, {})", l.name, l.size, l.unit)).collect();
    if !labels.is_empty() {
        text += &format!("  labels       {}\n", labels.join(", "));
    }
    if let Some(task) = &spec.task {
        text += &format!("  task         success below {} {}\n", task.radius, task.unit);
    }
    for factor in &spec.factors {
        let kind = format!("{:?}", factor.kind).to_lowercase();
        text += &format!(
            "  factor       {} = {} in {}..{} ({kind}): {}\n",
            factor.name, factor.default, factor.low, factor.high, factor.about
        );
    }
    for policy in &spec.policies {
        text += &format!("  policy       {}: {}\n", policy.name, policy.about);
    }
    text
}

pub fn render(args: &RenderArgs, parts: &Parts) -> Result<(), Failure> {
    check_ending(&args.out, "png")?;
    let env = args.state.make(parts)?;
    let space = env.spec().observation;
    let size = args.size.unwrap_or(space.height);
    if size == 0 || !size.is_multiple_of(space.height) || size > 64 * space.height {
        return Err(
            format!("--size {size}; expected a multiple of {} up to {}", space.height, 64 * space.height).into()
        );
    }
    let mut pixels = vec![0; space.len()];
    env.observe(&mut pixels);
    let picture = Picture::from_observation(&pixels, space.channels, space.height, space.width);
    picture.upscale(size / space.height).save_png(&args.out)?;
    print(&args.out.display().to_string())
}

pub fn rollout(args: &RolloutArgs, parts: &Parts) -> Result<(), Failure> {
    let mut env = args.state.make(parts)?;
    let actions = read_actions(&args.actions, env.spec().action.len())?;
    let fields: Vec<&str> = env.spec().state.iter().map(|field| field.name.as_str()).collect();
    let mut csv = fields.join(",") + "\n";
    let mut state = vec![0.0; fields.len()];
    let mut row = |env: &dyn Env| {
        env.state(&mut state);
        let numbers: Vec<String> = state.iter().map(f64::to_string).collect();
        csv += &(numbers.join(",") + "\n");
    };
    row(env.as_ref());
    for action in &actions {
        env.step(action);
        row(env.as_ref());
    }
    write_atomic(&args.out, csv.as_bytes())?;
    print(&args.out.display().to_string())
}

impl StateArgs {
    fn make(&self, parts: &Parts) -> Result<Box<dyn Env>, Failure> {
        let options: serde_json::Value = serde_json::from_str(&self.options)
            .map_err(|e| format!("--options {}: {e}; expected a JSON object", self.options))?;
        let mut factors = BTreeMap::new();
        for factor in &self.factors {
            let parsed = factor.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
            let (name, value) = parsed.ok_or_else(|| format!("--factor {factor}; expected NAME=NUMBER"))?;
            factors.insert(name, value);
        }
        let mut env = gedanken_env::make(&parts.environments, &self.env, &options, &factors)?;
        env.reset(self.seed);
        if let Some(text) = &self.state {
            let given: Vec<f64> = serde_json::from_str(text)
                .map_err(|e| format!("--state {text}: {e}; expected numbers like [1, 2.5]"))?;
            let most = env.spec().state.len();
            if given.len() > most {
                return Err(format!("--state has {} numbers; {} has {most}", given.len(), self.env).into());
            }
            env.set_beginning(&given)?;
        }
        Ok(env)
    }
}

/// Rows of numbers, behind a header or not.
fn read_actions(path: &Path, size: usize) -> Result<Vec<Vec<f32>>, Failure> {
    let text = std::fs::read_to_string(path).map_err(FolderError::io("read", path))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut actions = Vec::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (row, (number, line)) in lines.enumerate() {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let numbers = fields.iter().filter_map(|field| field.parse().ok().filter(|number: &f32| number.is_finite()));
        let numbers: Vec<f32> = numbers.collect();
        if numbers.len() == size && fields.len() == size {
            actions.push(numbers);
        } else if row > 0 || fields.len() != size || !fields.iter().all(|field| is_name(field)) {
            let at = format!("{}:{}", path.display(), number + 1);
            return Err(format!("{at}: found `{line}`; expected {size} numbers with commas between them").into());
        }
    }
    Ok(actions)
}

/// True for a text that begins with a letter and is no number: `nan` and `inf` are some.
fn is_name(field: &str) -> bool {
    field.starts_with(|first: char| first.is_alphabetic() || first == '_') && field.parse::<f32>().is_err()
}

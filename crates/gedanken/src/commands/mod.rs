//! The command line: one file per family of commands.

mod bench;
mod compare;
mod data;
mod encode;
mod environments;
mod evaluate;
mod from;
mod grounds;
mod import;
mod new;
mod opened;
mod probe;
mod resume;
mod session;
mod sweep;
mod train;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gedanken_data::{Source, Split};
use gedanken_env::Env;
use gedanken_eval::{Protocol, TasksFrom};
use gedanken_model::Blueprint;
use gedanken_nn::Precision;
use gedanken_planner::Bounds;
use gedanken_run::{FolderError, check_writable, say, write_atomic};
use gedanken_train::measure;

pub use self::grounds::Grounds;
use self::grounds::{environments, recordings};
use self::opened::same_spaces;
pub use self::opened::{Opened, open};
use crate::config::{Loaded, load_experiment, schema, splice_env, splice_parts, to_toml};
use crate::device::{self, Chosen};
use crate::experiment::check;
use crate::learned_from::other_data;
use crate::{ActionStatistics, Experiment, Parts, PixelStatistics, signals};

/// Joint embedding predictive world models: collect, train, plan, evaluate.
#[derive(Parser)]
#[command(name = "gedanken", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a world model, evaluate it, and print the run's folder last.
    #[command(after_help = "Example: gedanken train experiments/quickstart.toml --set train.steps=500")]
    Train(train::TrainArgs),
    /// Train an experiment many times, in one folder: other values, other seeds; as many runs at once as the machine carries.
    #[command(
        after_help = "Example: gedanken sweep experiments/quickstart.toml --grid encoder.dim=64,128 --seeds 1..3 --out sweeps/dim"
    )]
    Sweep(sweep::SweepArgs),
    /// Compare runs: one row for those that differ only in their seed, with intervals.
    #[command(after_help = "Example: gedanken compare sweeps/dim --by encoder.dim --plot dim.svg")]
    Compare(compare::CompareArgs),
    /// Evaluate a run or a checkpoint under its protocol, with floors and ceilings.
    #[command(
        after_help = "Example: gedanken eval runs/quickstart/2026-11-22T13-05-12-seed1 --set eval.tasks=50 --json report.json"
    )]
    Eval(evaluate::EvalArgs),
    /// Plan one task with a run's model and film it.
    #[command(
        after_help = "Example: gedanken plan runs/quickstart/2026-11-22T13-05-12-seed1 --task 3 --film task-3.gif"
    )]
    Plan(evaluate::PlanArgs),
    /// Train linear and MLP probes of every label on a model's frozen latents, and test them on validation frames.
    #[command(after_help = "Example: gedanken probe runs/quickstart/2026-11-22T13-05-12-seed1 --json probes.json")]
    Probe(probe::ProbeArgs),
    /// Write the latents of a dataset's frames, with actions and labels beside them, into a safetensors file.
    #[command(after_help = "Example: gedanken encode RUN --data data/push_t_64 --out latents.safetensors")]
    Encode(encode::EncodeArgs),
    /// Time the parts of an experiment: environment, data, encoder, rollout, plan, training step.
    #[command(after_help = "Example: gedanken bench experiments/two_rooms_cpu.toml --json bench.json")]
    Bench(bench::BenchArgs),
    /// Collect a dataset with the environment's scripted policies.
    #[command(
        after_help = "Example: gedanken collect experiments/two_rooms_cpu.toml --out data/two_rooms --set collect.layouts=64"
    )]
    Collect(data::CollectArgs),
    /// Look into a dataset.
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Take over a model of another program, as a run that evaluates, plans and trains on like any other.
    #[command(after_help = "Example: gedanken import lewm lewm-pusht --out runs/lewm-pusht")]
    Import(import::ImportArgs),
    /// Make a crate with an environment of your own, to build and to change.
    #[command(after_help = "Example: gedanken new my-env && cd my-env && cargo run --release -- train my-env.toml")]
    New(new::NewArgs),
    /// List the environments: spaces, labels, factors, policies.
    #[command(after_help = "Example: gedanken envs --json")]
    Envs(environments::EnvsArgs),
    /// Draw one state of an environment.
    #[command(
        after_help = "Example: gedanken render two-rooms --state \"[20, 30, 32, 18]\" --size 260 --out state.png"
    )]
    Render(environments::RenderArgs),
    /// Step an environment through the actions of a CSV file and write its states.
    #[command(
        after_help = "Example: gedanken rollout two-rooms --state \"[20, 30, 32, 18]\" --actions actions.csv --out states.csv"
    )]
    Rollout(environments::RolloutArgs),
    /// Print an experiment with every default in place.
    #[command(after_help = "Example: gedanken config experiments/quickstart.toml --set planner.horizon=20")]
    Config(ConfigArgs),
    /// Print the JSON Schema of experiments, for editors.
    #[command(after_help = "Example: gedanken schema > experiment.schema.json")]
    Schema,
}

/// Changes of single values.
#[derive(Args)]
struct Overrides {
    /// Set one value of the experiment, as often as you like: --set predictor.width=48
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Where tensors live.
#[derive(Args)]
struct DeviceArg {
    /// auto, cpu, cuda, wgpu, vulkan, metal, dx12, webgpu; wgpu:1 is the second GPU of its kind, wgpu:software a software one. Default: the
    /// experiment's
    #[arg(long)]
    device: Option<String>,
}

#[derive(Args)]
struct ConfigArgs {
    /// The experiment's TOML file
    file: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
}

/// The error of any command.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The program, with the parts it knows. Reads the command line; errors go to standard error.
pub fn main(parts: Parts) -> ExitCode {
    crate::memory::keep_freed();
    let cli = Cli::parse();
    match crate::threads::take_part() {
        Ok(()) => execute(cli.command, &parts),
        Err(error) => failed(error),
    }
}

/// The program on other arguments than the command line's, the first of which is its name.
pub fn run<I>(parts: Parts, arguments: I) -> ExitCode
where
    I: IntoIterator,
    I::Item: Into<std::ffi::OsString> + Clone,
{
    crate::memory::keep_freed();
    execute(Cli::parse_from(arguments).command, &parts)
}

fn execute(command: Command, parts: &Parts) -> ExitCode {
    signals::listen();
    let done = match command {
        Command::Train(args) => train::train(&args, parts),
        Command::Sweep(args) => sweep::sweep(&args, parts),
        Command::Compare(args) => compare::compare(&args),
        Command::Eval(args) => evaluate::eval(&args, parts),
        Command::Plan(args) => evaluate::plan(&args, parts),
        Command::Probe(args) => probe::probe(&args, parts),
        Command::Encode(args) => encode::encode(&args, parts),
        Command::Bench(args) => bench::bench(&args, parts),
        Command::Collect(args) => data::collect(&args, parts),
        Command::Data(command) => data::data(&command, parts),
        Command::Import(args) => import::import(&args, parts),
        Command::New(args) => new::new(&args),
        Command::Envs(args) => environments::envs(&args, parts),
        Command::Render(args) => environments::render(&args, parts),
        Command::Rollout(args) => environments::rollout(&args, parts),
        Command::Config(args) => print_config(&args, parts),
        Command::Schema => {
            let schema = splice_parts(splice_env(schema::<Experiment>(), &parts.environments, None), parts);
            print(&serde_json::to_string_pretty(&schema).unwrap_or_default())
        }
    };
    signals::pass();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
    }
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    say(&format!("error: {error}"));
    ExitCode::FAILURE
}

/// Prints to standard output; a reader that went away is no error.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn print_config(args: &ConfigArgs, parts: &Parts) -> Result<(), Failure> {
    let (experiment, _) = read(&args.file, &args.overrides.set, parts)?;
    print(to_toml(&experiment)?.trim_end())
}

/// Reads an experiment with every default in place, and its environment.
pub(crate) fn read(file: &Path, overrides: &[String], parts: &Parts) -> Result<(Experiment, Box<dyn Env>), Failure> {
    complete(load_experiment(file, overrides, parts)?, parts)
}

/// Checks an experiment and puts every default in place.
fn complete(mut loaded: Loaded<Experiment>, parts: &Parts) -> Result<(Experiment, Box<dyn Env>), Failure> {
    loaded.value = loaded.value.with_inputs(&at_home);
    loaded.value.runs = at_home(&loaded.value.runs);
    let env = loaded.value.env.make(&parts.environments)?;
    if let Some(path) = &env.spec().recorded {
        let named = loaded.value.data.path.as_ref().filter(|named| absolute(named) != absolute(path));
        if let Some(named) = named {
            let (named, path) = (named.display(), path.display());
            return Err(format!("data.path: {named}; expected {path}, the recordings of env.path, or no path").into());
        }
        loaded.value.data.replays(path);
    }
    check(&loaded, env.as_ref(), parts)?;
    loaded.value.env = loaded.value.env.resolved(&parts.environments)?;
    Ok((loaded.value.complete(parts)?, env))
}

/// A path in the home folder, where it begins with `~`.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(inside), Some(home)) => home.join(inside),
        _ => path.to_owned(),
    }
}

/// An experiment as a run stores it: whatever folder the run is opened in, it reads the same data. A dataset that the environment replays is
/// named once, for it may move.
pub(crate) fn to_store(experiment: &Experiment) -> Result<String, Failure> {
    let mut stored = experiment.clone().with_inputs(&absolute);
    let replayed = stored.env.options.get("path").and_then(serde_json::Value::as_str).map(PathBuf::from);
    stored.data.path = stored.data.path.filter(|path| Some(path) != replayed.as_ref());
    Ok(to_toml(&stored)?)
}

pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The device of the command line, else of the experiment, which multiplies in what the experiment says; says what to expect of it.
fn pick_device(argument: Option<&str>, experiment: &Experiment) -> Result<Chosen, Failure> {
    let name = argument.unwrap_or(&experiment.device);
    let chosen = device::choose(name)?;
    let works = |precision: &&Precision| precision.works_on(&chosen.device);
    if !works(&&experiment.precision) {
        let expected = [Precision::F32, Precision::F16, Precision::Bf16].iter().filter(works);
        let expected: Vec<String> = expected.map(Precision::to_string).collect();
        let (precision, device, expected) = (experiment.precision, &chosen.name, expected.join(" or "));
        return Err(format!(
            "precision: {device} does not multiply in {precision}; expected {expected} (--set precision=f32)"
        )
        .into());
    }
    experiment.precision.choose();
    if let Some(note) = &chosen.note {
        say(&format!("{}: {note}", chosen.name));
    }
    Ok(chosen)
}

/// Batches that the statistics of the pixels are measured on.
const MEASURED_BATCHES: u64 = 4;

/// The blueprint of an experiment's model, with the statistics of its training data; it has learned from nothing yet.
fn blueprint(experiment: &Experiment, env: &dyn Env, source: &dyn Source) -> Result<Blueprint, Failure> {
    let stretch = experiment.pixels == PixelStatistics::EbJepa;
    let mut statistics = measure(source, MEASURED_BATCHES, stretch)?;
    statistics = match experiment.pixels {
        PixelStatistics::Measured => statistics,
        PixelStatistics::Imagenet => statistics.with_imagenet_pixels(),
        PixelStatistics::EbJepa => statistics.with_eb_jepa_pixels(),
    };
    match experiment.actions {
        ActionStatistics::Raw => statistics = statistics.with_raw_actions(),
        ActionStatistics::ZScore if statistics.takes_raw_actions() => {
            return Err("actions: \"z-score\"; expected \"raw\": the data's actions are all the same, or have mean 0 and deviation 1".into());
        }
        ActionStatistics::ZScore => {}
    }
    // As the run stores it.
    let (model, spaces) = (experiment.clone().with_inputs(&absolute).model(), experiment.spaces(env));
    Ok(Blueprint { version: env!("CARGO_PKG_VERSION").to_owned(), model, spaces, statistics, learned_from: Vec::new() })
}

/// Refuses files that cannot be written, before anything takes long.
fn check_outputs<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    Ok(paths.into_iter().try_for_each(|path| check_writable(path))?)
}

/// Prints what a command found and writes it where it was asked to; where the one fails, the other is done all the same.
fn report(text: &str, path: Option<&Path>, value: &impl serde::Serialize) -> Result<(), Failure> {
    let printed = print(text);
    if let Some(path) = path {
        let json = serde_json::to_string_pretty(value).map_err(std::io::Error::other);
        write_atomic(path, json.map_err(FolderError::io("write", path))?.as_bytes())?;
    }
    printed
}

/// The protocol of an experiment, which `config` holds, for models of a blueprint.
fn protocol(
    experiment: &Experiment,
    config: &Path,
    blueprint: &Blueprint,
    chosen: &Chosen,
    parts: &Parts,
) -> Result<Protocol, Failure> {
    let [env, recorder] = environments(experiment, config, parts)?;
    same_spaces(experiment, env.as_ref(), blueprint, config)?;
    let practises = experiment.eval.ladder && experiment.eval.privileged_updates > 0;
    let mut remarks = Vec::new();
    let replays = env.spec().recorded.is_some();
    if practises || replays || experiment.eval.tasks_from == TasksFrom::Recorded {
        remarks.extend(other_data(&blueprint.learned_from, &experiment.data, config)?);
    }
    let source = recordings(experiment, env.as_ref(), recorder.as_ref())?;
    remarks.extend(source.as_ref().and_then(|source| source.remark()));
    let planner = experiment.planner.init(&parts.strategies)?;
    let space = &env.spec().action;
    let bounds = Bounds::new(space.low.clone(), space.high.clone(), planner.settings().max_norm.or(space.max_norm))?;
    if let Some(warning) = planner.too_narrow(&bounds) {
        say(&format!("warning: {warning}"));
    }
    let practice = || experiment.data.open(recorder.as_ref(), Split::Train, experiment.seed);
    remarks.iter().for_each(|remark| say(&format!("warning: {remark}")));
    Ok(Protocol {
        env,
        config: experiment.eval.clone(),
        source,
        remarks,
        practice: practises.then(practice).transpose()?,
        planner,
        blueprint: blueprint.clone(),
        device: chosen.device.clone(),
    })
}

//! A config like a real one, an environment that does nothing, and what the tests share.

mod broken;
mod environment;
mod layering;
mod planner;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gedanken_env::{ActionSpace, Env, EnvError, Factor, FactorKind, ObservationSpace, Registry, Spec, entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;

use super::{ConfigError, EnvConfig, EnvOverrides, Loaded, Place, load_with_env};

/// All keys of [`Sample`], once; no value is its default.
const SAMPLE: &str = include_str!("sample.toml");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    #[schemars(length(min = 1))]
    name: String,
    seed: u64,
    device: Device,
    env: EnvConfig,
    predictor: Predictor,
    train: Train,
    regularizers: Vec<Regularizer>,
    weights: BTreeMap<String, f64>,
    teacher: Option<Predictor>,
    eval: Eval,
}

impl Default for Sample {
    fn default() -> Self {
        let small = Predictor::Recurrent(Recurrent { dim: 24, ..Recurrent::default() });
        Self {
            name: "sample".into(),
            seed: 0,
            device: Device::Auto,
            env: EnvConfig { name: "plain".into(), ..EnvConfig::default() },
            predictor: small,
            train: Train::default(),
            regularizers: vec![Regularizer::Off],
            weights: BTreeMap::new(),
            teacher: None,
            eval: Eval::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Device {
    /// Whatever answers.
    Auto,
    Cpu,
    DiscreteGpu,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Predictor {
    /// Remembers.
    Recurrent(Recurrent),
    Transformer(Transformer),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Recurrent {
    #[schemars(range(min = 1, max = 4096))]
    dim: usize,
    hidden: Option<u32>,
}

impl Default for Recurrent {
    fn default() -> Self {
        Self { dim: 32, hidden: None }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Transformer {
    #[schemars(range(min = 1))]
    depth: u8,
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    dropout: f32,
    causal: bool,
    window: [u32; 2],
}

impl Default for Transformer {
    fn default() -> Self {
        Self { depth: 4, dropout: 0.1, causal: true, window: [1, 1] }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Train {
    steps: u32,
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 0.1))]
    rate: f32,
    clip: Option<f64>,
    offset: i64,
    #[schemars(length(min = 1, max = 3))]
    milestones: Vec<u32>,
    betas: (f64, f64),
    folder: PathBuf,
    #[schemars(extend("maxLength" = 8))]
    tag: Option<String>,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            steps: 10,
            rate: 0.1,
            clip: None,
            offset: 0,
            milestones: vec![1],
            betas: (0.9, 0.95),
            folder: "runs".into(),
            tag: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Regularizer {
    Off,
    Variance { weight: f64 },
    Covariance { weight: f64, every: Option<u16> },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Eval {
    episodes: u32,
    device: Option<Device>,
    budget: Budget,
    env: EnvOverrides,
}

/// A number, or a rule of two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Budget {
    Steps(u32),
    Scaled { factor: f64, least: u32 },
}

impl Default for Budget {
    fn default() -> Self {
        Self::Steps(200)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RoomOptions {
    rule: Rule,
    #[schemars(range(min = 12, max = 52))]
    wall: u32,
    door: Option<u32>,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self { rule: Rule::Stop, wall: 32, door: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Rule {
    Stop,
    Bounce,
}

#[derive(Clone)]
struct Still(Spec);

impl Still {
    fn new(name: &str) -> Self {
        let factor = Factor {
            name: "hue".into(),
            kind: FactorKind::Visual,
            default: 0.0,
            low: 0.0,
            high: 1.0,
            about: "Colour.".into(),
        };
        let observation = ObservationSpace { channels: 1, height: 1, width: 1 };
        let spec = Spec::new(name, "", observation, ActionSpace::cube(1, 0.0, 1.0, "px"), []);
        Self(Spec { factors: vec![factor], ..spec })
    }
}

impl Env for Still {
    fn spec(&self) -> &Spec {
        &self.0
    }
    fn reset(&mut self, _: u64) {}
    fn step(&mut self, _: &[f32]) {}
    fn observe(&self, _: &mut [u8]) {}
    fn state(&self, _: &mut [f64]) {}
    fn set_state(&mut self, _: &[f64]) -> Result<(), EnvError> {
        Ok(())
    }
    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        self.0.check_factor(name, value)
    }
}

fn rooms(options: RoomOptions) -> Result<Still, EnvError> {
    if options.door == Some(options.wall) {
        return Err(EnvError::option("rooms", "option door", options.wall, "another number than wall"));
    }
    Ok(Still::new("rooms"))
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
struct NoOptions {}

/// `rooms`, with options, and `plain`, without.
fn registry() -> Registry {
    let plain = entry("plain", |_: NoOptions| Ok(Still::new("plain")));
    Registry::new("environment").with(entry("rooms", rooms)).with(plain)
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn sets(overrides: &[&str]) -> Vec<String> {
    overrides.iter().map(|set| (*set).to_owned()).collect()
}

fn load_from(path: &Path, overrides: &[&str]) -> Result<Loaded<Sample>, ConfigError> {
    let strategies = gedanken_planner::strategies();
    load_with_env::<Sample>(path, &sets(overrides), &registry(), &strategies, |schema| schema)
}

fn load_text(text: &str, overrides: &[&str]) -> Result<Loaded<Sample>, ConfigError> {
    let folder = folder(&[("x.toml", text)]);
    load_from(&folder.path().join("x.toml"), overrides)
}

fn value(text: &str, overrides: &[&str]) -> Sample {
    load_text(text, overrides).unwrap_or_else(|error| panic!("{error}")).value
}

/// Asserts that a text is refused, with a problem of this key that says this, at this line of the file or at the
/// `--set`.
fn assert_refused(text: &str, overrides: &[&str], line: Option<usize>, key: &str, says: &str) {
    let folder = folder(&[("x.toml", text)]);
    let path = folder.path().join("x.toml");
    let error = match load_from(&path, overrides) {
        Ok(loaded) => panic!("loaded, though {key} should be refused ({says}): {:?}\n{text}", loaded.value),
        Err(error) => error,
    };
    let fits = |problem: &super::Problem| {
        let placed = match (&problem.place, line) {
            (Place::File { file, line, .. }, Some(expected)) => *file == path && *line == expected,
            (Place::Set(set), None) => overrides.contains(&set.as_str()),
            _ => false,
        };
        placed && problem.key == key && problem.message.contains(says)
    };
    assert!(error.problems().iter().any(fits), "no problem {line:?} {key:?} {says:?} among:\n{error}\n{overrides:?}");
    let printed = error.to_string();
    assert_eq!(printed.lines().count(), error.problems().len(), "one line a problem:\n{printed}");
}

/// The line of the sample that starts with this, counted from one.
fn line_of(text: &str, start: &str) -> usize {
    1 + text.lines().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no line {start}"))
}

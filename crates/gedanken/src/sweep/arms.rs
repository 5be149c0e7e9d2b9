//! The arms of a sweep: settings and name of each.

use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;

use serde_json::{Map, Value};

use super::draws::{Choice, Range};
use super::{SweepConfig, short_names, slurm, value_name};
use crate::Experiment;
use crate::config::{ConfigError, Loaded, Place, Problem, Setting, join};

/// One run of a sweep.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Its name and folder: `width=16,seed=2`.
    pub name: String,
    /// Its changes to the experiment.
    pub settings: Vec<Setting>,
}

/// Values and seeds of the command line, beside those of `[sweep]` or in their place.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Values of keys.
    pub grid: Vec<Vec<Setting>>,
    /// Seeds.
    pub seeds: Vec<u64>,
}

impl Asked {
    /// `--grid KEY=VALUE,VALUE` and `--seeds`.
    ///
    /// # Errors
    /// A grid without a key or values.
    pub fn new(grid: &[String], seeds: &[u64]) -> Result<Self, ConfigError> {
        let values = |text: &String| {
            let (key, values) = text.split_once('=').unwrap_or((text, ""));
            split_values(values).iter().map(|value| Setting::of_text(&format!("{key}={value}"))).collect()
        };
        Ok(Self { grid: grid.iter().map(values).collect::<Result<_, _>>()?, seeds: seeds.to_vec() })
    }
}

/// The parts between commas that stand in no brackets and no quotes.
fn split_values(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0i32, None);
    for c in text.chars() {
        match (c, quote) {
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth -= 1,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (',', None) if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// A name, if somebody gave one, and settings.
type Point = (Option<String>, Vec<Setting>);

/// Most arms of a sweep.
const MOST: usize = 10_000;

/// The arms of an experiment's `[sweep]` and of the command line: every named arm, at every point of the grid, with every draw and every seed.
///
/// # Errors
/// A table that is no sweep, two arms of one name, a key that an arm sets twice, nothing to sweep.
pub fn arms(loaded: &Loaded<Experiment>, asked: &Asked) -> Result<Vec<Arm>, ConfigError> {
    let mut reader = Reader { loaded, problems: Vec::new() };
    let axes = reader.axes(asked);
    let problem = |place: Place, message: String| Problem { place, key: "sweep".to_owned(), message };
    let count = axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.len()));
    match count.filter(|&count| count <= MOST) {
        None => reader.problems.push(problem(loaded.place("sweep"), format!("expected at most {MOST} arms"))),
        Some(_) if axes.is_empty() && reader.problems.is_empty() => {
            let about = "nothing to sweep; expected a table [sweep], --grid KEY=VALUE,VALUE or --seeds 1..3";
            reader.problems.push(problem(loaded.place("sweep"), about.to_owned()));
        }
        Some(_) => {}
    }
    if !reader.problems.is_empty() {
        return Err(ConfigError::invalid(reader.problems));
    }
    let arms = named(axes);
    let problems = wrong(&arms);
    if problems.is_empty() { Ok(arms) } else { Err(ConfigError::invalid(problems)) }
}

/// All combinations of the points of some axes, with their names.
fn named(axes: Vec<Vec<Point>>) -> Vec<Arm> {
    let mut combined: Vec<Vec<Point>> = vec![Vec::new()];
    for axis in axes {
        // The first axis changes slowest.
        let with =
            |points: &Vec<Point>| axis.iter().map(|point| [&points[..], from_ref(point)].concat()).collect::<Vec<_>>();
        combined = combined.iter().flat_map(with).collect();
    }
    let unnamed = combined.iter().flatten().filter(|(name, _)| name.is_none());
    let keys: BTreeSet<String> = unnamed.flat_map(|(_, settings)| settings.iter().map(Setting::key)).collect();
    let short = short_names(keys.iter().map(String::as_str));
    let label = |(name, settings): &Point| match name {
        Some(name) => vec![name.clone()],
        None => settings.iter().map(|s| format!("{}={}", short[&s.key()], value_name(&s.value()))).collect(),
    };
    let arm = |points: Vec<Point>| Arm {
        name: points.iter().flat_map(label).collect::<Vec<_>>().join(","),
        settings: points.into_iter().flat_map(|(_, settings)| settings).collect(),
    };
    combined.into_iter().map(arm).collect()
}

/// Arms that cannot be told apart, have no name that a folder can have, or set a key twice.
fn wrong(arms: &[Arm]) -> Vec<Problem> {
    let mut problems: BTreeMap<String, Problem> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for arm in arms {
        let place = arm.settings.last().map_or(Place::Default, Setting::place);
        let mut tell = |place: Place, key: String, message: String| {
            problems.entry(format!("{place}{key}")).or_insert(Problem { place, key, message });
        };
        if arm.name.len() > 200 {
            let message = format!("an arm is called {}…; expected arms with names, [sweep.arms]", &arm.name[..60]);
            tell(place.clone(), "sweep".to_owned(), message);
        }
        if !seen.insert(&arm.name) {
            tell(place, "sweep".to_owned(), format!("there are two arms `{}`; expected one", arm.name));
        }
        for (number, setting) in arm.settings.iter().enumerate() {
            if arm.settings[..number].iter().any(|before| before.key() == setting.key()) {
                let message = format!("the arm `{}` sets it twice; expected it in one place", arm.name);
                tell(setting.place(), setting.key(), message);
            }
        }
    }
    problems.into_values().collect()
}

/// Reads the tables of `[sweep]`, whose keys are the experiment's.
struct Reader<'a> {
    loaded: &'a Loaded<Experiment>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn axes(&mut self, asked: &Asked) -> Vec<Vec<Point>> {
        let SweepConfig { seeds, grid, arms, random, slurm: options } =
            self.loaded.value.sweep.clone().unwrap_or_default();
        if let Some((option, problem)) = slurm::wrong(&options) {
            self.tell(&format!("sweep.slurm.{option}"), problem);
        }
        let mut axes = Vec::new();
        if !arms.is_empty() {
            axes.push(self.named_arms(&arms));
        }
        let typed: BTreeSet<String> = asked.grid.iter().flatten().map(Setting::key).collect();
        for (key, at, value) in self.leaves(&grid, "", "sweep.grid", &|table| table.is_empty()) {
            let settings = match value.as_array() {
                Some(values) if !values.is_empty() => {
                    (0..).zip(values).map(|(i, value)| self.setting(&key, value, &format!("{at}[{i}]"))).collect()
                }
                _ => {
                    self.tell(&at, format!("found {value}; expected a list of values: [{value}]"));
                    Vec::new()
                }
            };
            if !typed.contains(&key) {
                axes.push(settings.into_iter().flatten().map(|setting| (None, vec![setting])).collect());
            }
        }
        axes.extend(asked.grid.iter().map(|values| values.iter().map(|v| (None, vec![v.clone()])).collect()));
        if let Some(random) = random {
            axes.push(self.draws(&random));
        }
        let (seeds, place) = match &asked.seeds[..] {
            [] => (seeds, self.loaded.place("sweep.seeds")),
            typed => (typed.to_vec(), Place::Set(format!("seed={}", typed[0]))),
        };
        let seed = |seed: &u64| Setting::of_value("seed", &(*seed).into(), &place).ok();
        if !seeds.is_empty() {
            axes.push(seeds.iter().filter_map(seed).map(|setting| (None, vec![setting])).collect());
        }
        axes
    }

    /// `[sweep.arms]`: a table for each name.
    fn named_arms(&mut self, arms: &Map<String, Value>) -> Vec<Point> {
        let mut points = Vec::new();
        for (name, table) in arms {
            let at = format!("sweep.arms.{}", join("", name));
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('.');
            match table.as_object() {
                _ if !plain => self.tell(&at, "expected letters, digits and - _ .: it names a folder".to_owned()),
                None => self.tell(&at, format!("found {table}; expected a table: {{ encoder.width = 64 }}")),
                Some(table) => {
                    let leaves = self.leaves(table, "", &at, &|table| table.is_empty());
                    let settings = leaves.iter().filter_map(|(key, at, value)| self.setting(key, value, at)).collect();
                    points.push((Some(name.clone()), settings));
                }
            }
        }
        points
    }

    fn draws(&mut self, random: &super::RandomConfig) -> Vec<Point> {
        let leaves = self.leaves(&random.keys, "", "sweep.random.keys", &|table| Range::of(table).is_some());
        let mut choices = Vec::new();
        for (key, at, value) in &leaves {
            match value {
                Value::Array(values) if !values.is_empty() => choices.push((key, at, Choice::List(values))),
                Value::Object(table) => match Range::of(table) {
                    Some(Ok(range)) => choices.push((key, at, Choice::Range(range))),
                    Some(Err(message)) => self.tell(at, message),
                    None => self.tell(at, "expected a list or a range".to_owned()),
                },
                _ => self.tell(at, format!("found {value}; expected a list or {{ min = 0.0, max = 1.0 }}")),
            }
        }
        if leaves.is_empty() {
            self.tell("sweep.random.keys", "expected keys to draw: train.lr = { min = 1e-4, max = 1e-2 }".to_owned());
        }
        let point = |reader: &mut Self, draw| {
            let value = |(key, at, choice): &(&String, &String, Choice<'_>)| {
                reader.setting(key, &choice.draw(random.seed, draw, key), at)
            };
            (None, choices.iter().filter_map(value).collect())
        };
        (0..random.draws).map(|draw| point(self, draw)).collect()
    }

    /// The values of nested tables by dotted key, with their places as keys; a table that `ends` is a value.
    fn leaves(
        &self,
        table: &Map<String, Value>,
        key: &str,
        at: &str,
        ends: &dyn Fn(&Map<String, Value>) -> bool,
    ) -> Vec<(String, String, Value)> {
        let mut found = Vec::new();
        for (name, value) in table {
            // A quoted key may have dots of its own: "encoder.width".
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            let at = join(at, name);
            match value {
                Value::Object(inner) if !ends(inner) => found.extend(self.leaves(inner, &key, &at, ends)),
                value => found.push((key, at, value.clone())),
            }
        }
        found
    }

    fn setting(&mut self, key: &str, value: &Value, at: &str) -> Option<Setting> {
        match Setting::of_value(key, value, &self.loaded.place(at)) {
            Ok(setting) => Some(setting),
            Err(error) => {
                self.problems.extend_from_slice(error.problems());
                None
            }
        }
    }

    fn tell(&mut self, key: &str, message: String) {
        self.problems.push(Problem { place: self.loaded.place(key), key: key.to_owned(), message });
    }
}

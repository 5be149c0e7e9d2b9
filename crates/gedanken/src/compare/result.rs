//! The result of a run, read from its files: also those of other versions of the program, as far as they go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::provenance::flatten;
use crate::sweep::SWEEP;

/// A run with its newest report.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// Its folder.
    pub folder: PathBuf,
    /// Its arm, where it is one of a sweep.
    pub arm: Option<String>,
    /// The version of the program that made the report, or the run.
    pub version: String,
    /// The experiment's name.
    pub name: String,
    /// The seed of its weights and data.
    pub seed: Option<u64>,
    /// All other keys of the experiment by dotted key, those of the protocol and the planner as in the report; without those that make no other
    /// experiment.
    pub keys: BTreeMap<String, Value>,
    /// Updates.
    pub step: Option<u64>,
    /// The kind of its rate.
    pub measure: Measure,
    /// Success rate of the model, or the share of the true ends that it finds.
    pub rate: f64,
    /// Tasks of the report, or episodes.
    pub tasks: usize,
    /// Of every task, the distance at its start and whether it was solved; empty where the report does not say.
    pub episodes: Vec<(f64, bool)>,
    /// The task in words: two runs of other tasks are not paired.
    pub protocol: String,
    /// Mean distance at the end, or the error of imagination there.
    pub distance: Option<f64>,
    /// Error of the probe of every label.
    pub probes: Vec<Probe>,
    /// Seconds of training, evaluations in training included.
    pub seconds: Option<f64>,
    /// The last value of every curve.
    pub metrics: BTreeMap<String, f64>,
    /// Words about the report that its reader should know.
    pub remarks: Vec<String>,
}

/// The number that runs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Tasks that were solved.
    Success,
    /// Where there is no task: true ends of episodes that are found by imagined ones.
    Retrieval,
}

impl Measure {
    /// Names of the rate, of what it is counted over, and of the number at the end.
    pub fn names(self) -> [&'static str; 3] {
        match self {
            Self::Success => ["success", "tasks", "distance"],
            Self::Retrieval => ["found", "episodes", "error"],
        }
    }
}

/// The error of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The label.
    pub label: String,
    /// Root mean square error.
    pub rmse: f64,
    /// Its unit.
    pub unit: String,
}

/// Keys that make no other experiment.
const SAME: [&str; 10] = [
    "runs",
    "name",
    "seed",
    "device",
    "data.workers",
    "data.prefetch",
    "eval.films",
    "eval.baselines",
    "eval.ladder",
    "eval.privileged_updates",
];

impl RunResult {
    /// Reads a run; none where there is no report yet.
    ///
    /// # Errors
    /// A config or a report that cannot be read, or that has neither a success rate nor a retrieval.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        let (config, version) = read_config(&folder.join("config.toml"))?;
        let Some((path, report)) = newest_report(folder) else { return Ok(None) };
        let wrong = |what: &str| format!("{}: {what}", path.display());
        if report.is_null() {
            return Err(wrong("it is damaged: not JSON"));
        }
        let episodes = episodes(&report);
        let (measure, rate, tasks, distance) = rate(&report, episodes.len())
            .ok_or_else(|| wrong("it has no success rate, rows[0].success, and no worthiness.retrieval.found"))?;
        let metrics = last_metrics(&folder.join("metrics.jsonl"));
        let differs = report["provenance"]["differs"].as_array().cloned().unwrap_or_default();
        let differs: Vec<&str> = differs.iter().filter_map(Value::as_str).collect();
        let mut remarks = Vec::new();
        if !differs.is_empty() {
            remarks.push(format!("{}: evaluated other than the run says: {}", folder.display(), differs.join("; ")));
        }
        if measure == Measure::Success && episodes.is_empty() {
            remarks.push(wrong("it has no episodes: they are paired with no other run's"));
        }
        Ok(Some(Self {
            folder: folder.to_owned(),
            arm: arm(folder),
            version: report["version"].as_str().map_or(version, str::to_owned),
            name: config["name"].as_str().unwrap_or_default().to_owned(),
            seed: config["seed"].as_u64(),
            keys: keys(config, &report),
            step: report["step"].as_u64(),
            measure,
            rate,
            tasks,
            episodes,
            protocol: in_words(&report),
            distance,
            probes: probes(&report["checks"]["probes"]),
            seconds: metrics.get("seconds").copied(),
            metrics,
            remarks,
        }))
    }

    /// True if the tasks of both are the same ones: their starts are.
    pub fn same_tasks(&self, other: &Self) -> bool {
        let near = |(a, b): (&(f64, bool), &(f64, bool))| (a.0 - b.0).abs() <= 1e-6 * a.0.abs().max(1.0);
        let as_many = !self.episodes.is_empty() && self.episodes.len() == other.episodes.len();
        as_many && self.protocol == other.protocol && self.episodes.iter().zip(&other.episodes).all(near)
    }
}

/// The newest report of a run and its file: of the most updates, and of those the last. JSON's null where it is damaged.
fn newest_report(run: &Path) -> Option<(PathBuf, Value)> {
    let entries = std::fs::read_dir(run.join("eval")).ok()?;
    let number = |path: &Path| -> Option<(u64, u64)> {
        let name = path.file_name()?.to_str()?.strip_prefix("step-")?;
        let (step, again) = name.split_once('-').unwrap_or((name, "1"));
        Some((step.parse().ok()?, again.parse().ok()?))
    };
    let reports = entries.filter_map(Result::ok).map(|entry| entry.path()).filter_map(|folder| {
        let report = folder.join("report.json");
        report.is_file().then_some((number(&folder)?, report))
    });
    let (_, path) = reports.max()?;
    let report = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Some((path, report.unwrap_or(Value::Null)))
}

/// A run's config as it stands, whatever version wrote it, and that version.
fn read_config(path: &Path) -> Result<(Value, String), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let config: toml::Table =
        toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message()))?;
    let version = text.strip_prefix("# gedanken ").and_then(|rest| rest.split([';', '\n', ' ']).next());
    let config = serde_json::to_value(config).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((config, version.unwrap_or("unknown").to_owned()))
}

/// The keys of an experiment, its protocol and its planner being the report's.
fn keys(mut config: Value, report: &Value) -> BTreeMap<String, Value> {
    if let Value::Object(table) = &mut config {
        table.remove("collect");
        for (key, of_report) in [("eval", "protocol"), ("planner", "planner")] {
            if report[of_report].is_object() {
                table.insert(key.to_owned(), report[of_report].clone());
            }
        }
    }
    let mut keys = BTreeMap::new();
    flatten("", &config, &mut keys);
    keys.retain(|key, _| !SAME.contains(&key.as_str()));
    keys
}

/// The rate of a report, of what, over how many, and the number at the end.
fn rate(report: &Value, episodes: usize) -> Option<(Measure, f64, usize, Option<f64>)> {
    let row = &report["rows"][0];
    if let Some(success) = row["success"].as_f64() {
        let protocol = &report["protocol"];
        let count = |key: &str| protocol[key].as_u64().unwrap_or(1).max(1) as usize;
        let tasks = if episodes == 0 { count("tasks") * count("seeds") } else { episodes };
        return Some((Measure::Success, success, tasks, row["mean_final_distance"].as_f64()));
    }
    let worthiness = &report["worthiness"];
    let retrieval = &worthiness["retrieval"];
    let error = worthiness["error"].as_array().and_then(|errors| errors.last()?.as_f64());
    Some((Measure::Retrieval, retrieval["found"].as_f64()?, retrieval["count"].as_u64()? as usize, error))
}

fn episodes(report: &Value) -> Vec<(f64, bool)> {
    let ever = report["protocol"]["rule"] == "ever";
    let Some(radius) = report["radius"].as_f64() else { return Vec::new() };
    let all = report["rows"][0]["episodes"].as_array();
    let read = |episode: &Value| {
        let at_end = episode["end"].as_f64().is_some_and(|end| end < radius);
        let done = if ever { episode["steps"].is_u64() } else { at_end };
        (episode["start"].as_f64().unwrap_or(f64::NAN), done)
    };
    all.into_iter().flatten().map(read).collect()
}

fn probes(probes: &Value) -> Vec<Probe> {
    let read = |probe: &Value| {
        let text = |key: &str| probe[key].as_str().unwrap_or_default().to_owned();
        Some(Probe { label: text("label"), rmse: probe["rmse"].as_f64()?, unit: text("unit") })
    };
    probes.as_array().into_iter().flatten().filter_map(read).collect()
}

/// `two-rooms: 200 control steps, success = distance below 4.5 at the end`, or `recordings: true ends of episodes among 32`.
fn in_words(report: &Value) -> String {
    let protocol = &report["protocol"];
    let when = if protocol["rule"] == "ever" { "at any moment" } else { "at the end" };
    let env = report["env"].as_str().unwrap_or("an environment without a name");
    let changed = protocol["env"].as_object().filter(|env| !env.is_empty());
    let changed = changed.map_or(String::new(), |env| format!(" with {}", Value::Object(env.clone())));
    let [budget, radius] = [&protocol["budget"], &report["radius"]];
    if radius.is_null() {
        let among = &report["worthiness"]["retrieval"]["among"];
        return format!("{env}{changed}: true ends of episodes among {among}, by the imagined one");
    }
    format!("{env}{changed}: {budget} control steps, success = distance below {radius} {when}")
}

/// The last value of every curve, `seconds` among them.
fn last_metrics(path: &Path) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut last = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<BTreeMap<String, Option<f64>>>(line).ok()) {
        last.extend(line.into_iter().map(|(key, value)| (key, value.unwrap_or(f64::NAN))));
    }
    last
}

/// The arm of a run in a sweep's folder: its name without the seed.
fn arm(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    if !folder.parent()?.join(SWEEP).is_file() {
        return None;
    }
    let name = folder.file_name()?.to_str()?;
    let parts: Vec<&str> = name.split(',').filter(|part| !part.starts_with("seed=")).collect();
    Some(parts.join(",")).filter(|name| !name.is_empty())
}

//! Groups of runs: means, intervals, and the best against the others on the same tasks.

use std::collections::{BTreeMap, BTreeSet};

use gedanken_eval::{sign_test, student, wilson};
use serde_json::Value;

use super::{Measure, RunResult};
use crate::sweep::short_names;

/// All groups, in the order in which a table has them.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The groups: by the values of the keys that they are grouped by, else the best first.
    pub groups: Vec<Group>,
    /// The number that they are compared by.
    pub measure: Measure,
    /// The keys that they are grouped by; none where every difference but the seed's makes a group.
    pub by: Vec<String>,
    /// The tasks in words, where they are the same in all reports.
    pub protocol: String,
    /// Warnings to the reader, each a sentence.
    pub remarks: Vec<String>,
}

/// Runs that are one row.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its values that the others do not have.
    pub label: String,
    /// The values of the keys that it was grouped by.
    pub values: Vec<Option<Value>>,
    /// Its runs, by seed.
    pub runs: Vec<RunResult>,
    /// Mean rate over its runs.
    pub rate: f64,
    /// Wilson's 95 % interval of all its runs' tasks together: what other tasks might give these models.
    pub of_tasks: [f64; 2],
    /// Student's 95 % interval of the mean over its runs: what other seeds might give. None of one run.
    pub of_seeds: Option<[f64; 2]>,
    /// Against the best group, where both were evaluated on the same tasks.
    pub paired: Option<Paired>,
}

/// Two groups on the same tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Tasks that the best solved and this one did not.
    pub best_alone: usize,
    /// Tasks that this one solved and the best did not.
    pub own_alone: usize,
    /// McNemar's exact test, two-sided: the probability that chance alone splits them as unevenly (McNemar, 1947).
    pub p: f64,
}

/// Groups runs by some keys, or, where there are none, by all that is different but the seed.
///
/// # Errors
/// A key that no run has.
pub fn compare(runs: Vec<RunResult>, by: &[String]) -> Result<Comparison, String> {
    let mut remarks: Vec<String> = runs.iter().flat_map(|run| run.remarks.clone()).collect();
    let (measure, runs) = of_one_measure(runs, &mut remarks);
    let shared = shared_keys(&runs, &mut remarks);
    let runs = without_repetitions(runs, &shared, &mut remarks);
    if let Some(key) = by.iter().find(|key| runs.iter().all(|run| value(run, key).is_none())) {
        let known: BTreeSet<&String> = runs.iter().flat_map(|run| run.keys.keys()).collect();
        let word = key.rsplit('.').next().unwrap_or(key);
        let near = known.iter().find(|known| known.ends_with(&format!(".{word}")));
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(format!("--by {key}: no run has this key{near}"));
    }
    let mut grouped: BTreeMap<String, Vec<RunResult>> = BTreeMap::new();
    for run in runs {
        let identity = match by {
            [] => serde_json::to_string(&identity(&run, &shared)),
            by => serde_json::to_string(&by.iter().map(|key| value(&run, key)).collect::<Vec<_>>()),
        };
        grouped.entry(identity.unwrap_or_default()).or_default().push(run);
    }
    let mut groups: Vec<Group> = grouped.into_values().map(|runs| Group::new(runs, by)).collect();
    let labels = if by.is_empty() { labels(&groups, &shared) } else { labels_by(&groups, by) };
    groups.iter_mut().zip(labels).for_each(|(group, label)| group.label = label);
    if !by.is_empty() {
        remarks.extend(mixed(&groups, by, &shared));
    }
    let best = |a: &Group, b: &Group| b.rate.total_cmp(&a.rate).then_with(|| a.label.cmp(&b.label));
    groups.sort_by(best);
    if let [first, others @ ..] = &mut groups[..] {
        others.iter_mut().for_each(|group| group.paired = paired(first, group));
    }
    if !by.is_empty() {
        groups.sort_by(by_values);
    }
    let protocols: BTreeSet<&str> =
        groups.iter().flat_map(|group| &group.runs).map(|run| run.protocol.as_str()).collect();
    if protocols.len() > 1 {
        let all: Vec<&str> = protocols.iter().copied().collect();
        remarks.push(format!(
            "the tasks are not the same ones; rates are not comparable as they stand: {}",
            all.join(" | ")
        ));
    }
    let protocol = if protocols.len() == 1 { protocols.first().copied().unwrap_or_default() } else { "" }.to_owned();
    Ok(Comparison { groups, measure, by: by.to_vec(), protocol, remarks })
}

impl Group {
    fn new(mut runs: Vec<RunResult>, by: &[String]) -> Self {
        runs.sort_by(|a, b| a.seed.cmp(&b.seed).then_with(|| a.folder.cmp(&b.folder)));
        let rates: Vec<f64> = runs.iter().map(|run| run.rate).collect();
        let solved: f64 = runs.iter().map(|run| run.rate * run.tasks as f64).sum();
        let values = by.iter().map(|key| runs.first().and_then(|run| value(run, key))).collect();
        let tasks = runs.iter().map(|run| run.tasks).sum();
        Self {
            label: String::new(),
            values,
            rate: rates.iter().sum::<f64>() / rates.len().max(1) as f64,
            of_tasks: wilson(solved.round() as usize, tasks),
            of_seeds: student(&rates),
            paired: None,
            runs,
        }
    }

    /// Tasks of all its runs.
    pub fn tasks(&self) -> usize {
        self.runs.iter().map(|run| run.tasks).sum()
    }

    /// The mean of a number over the runs that have it.
    pub fn mean(&self, number: impl Fn(&RunResult) -> Option<f64>) -> Option<f64> {
        let found: Vec<f64> = self.runs.iter().filter_map(number).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    }
}

/// The runs that were measured alike: by their success, where any was.
fn of_one_measure(runs: Vec<RunResult>, remarks: &mut Vec<String>) -> (Measure, Vec<RunResult>) {
    let measure = runs.iter().map(|run| run.measure).min().unwrap_or(Measure::Success);
    let (kept, left): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.measure == measure);
    remarks.extend(left.iter().map(|run| format!("left out: {}: it has no success rate", run.folder.display())));
    (measure, kept)
}

/// The keys that tell runs apart: where several versions made them, those that all of these versions know.
fn shared_keys(runs: &[RunResult], remarks: &mut Vec<String>) -> BTreeSet<String> {
    let mut known: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for run in runs {
        known.entry(&run.version).or_default().extend(run.keys.keys());
    }
    let all: BTreeSet<&String> = known.values().flatten().copied().collect();
    let (shared, other): (Vec<&String>, Vec<&String>) =
        all.into_iter().partition(|key| known.values().all(|keys| keys.contains(*key)));
    let versions: Vec<&str> = known.keys().copied().collect();
    let here = env!("CARGO_PKG_VERSION");
    match &versions[..] {
        [] => {}
        [version] if *version == here => {}
        [version] => remarks.push(format!("made by gedanken {version}, read by {here} as far as it goes")),
        several => {
            let other = if other.is_empty() {
                String::new()
            } else {
                let other: Vec<&str> = other.iter().map(|key| key.as_str()).collect();
                format!("; keys that not all of them have do not tell runs apart: {}", other.join(", "))
            };
            remarks
                .push(format!("made by gedanken {}, read by {here} as far as they go{other}", several.join(" and ")));
        }
    }
    shared.into_iter().cloned().collect()
}

fn identity<'a>(run: &'a RunResult, shared: &BTreeSet<String>) -> BTreeMap<&'a String, &'a Value> {
    run.keys.iter().filter(|(key, _)| shared.contains(*key)).collect()
}

/// Of runs of the same experiment and seed the last: the others are the same numbers again.
fn without_repetitions(runs: Vec<RunResult>, shared: &BTreeSet<String>, remarks: &mut Vec<String>) -> Vec<RunResult> {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        let same = (run.seed, identity(run, shared));
        let key = serde_json::to_string(&same).unwrap_or_default();
        let before = last.insert(key.clone(), number);
        if let Some(before) = before.filter(|&before| runs[before].folder.file_name() > run.folder.file_name()) {
            last.insert(key, before);
        }
    }
    let kept: BTreeSet<usize> = last.into_values().collect();
    let (kept, left): (Vec<_>, Vec<_>) = runs.into_iter().enumerate().partition(|(number, _)| kept.contains(number));
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(|(_, run)| run.folder.display().to_string()).collect();
        remarks.push(format!(
            "left out, being the same experiment with the same seed as a later run: {}",
            left.join(", ")
        ));
    }
    kept.into_iter().map(|(_, run)| run).collect()
}

/// The value of a key, of those also that make no other experiment.
fn value(run: &RunResult, key: &str) -> Option<Value> {
    match key {
        "name" => Some(run.name.clone().into()),
        "seed" => run.seed.map(Value::from),
        key => run.keys.get(key).cloned(),
    }
}

/// Two groups on the same tasks, run by run.
fn paired(best: &Group, other: &Group) -> Option<Paired> {
    let pairs = pairs(best, other);
    let same = pairs.iter().filter(|(best, other)| best.same_tasks(other));
    let outcomes: Vec<(bool, bool)> =
        same.flat_map(|(best, other)| best.episodes.iter().zip(&other.episodes).map(|(a, b)| (a.1, b.1))).collect();
    if outcomes.is_empty() {
        return None;
    }
    let count = |wanted: (bool, bool)| outcomes.iter().filter(|&&outcome| outcome == wanted).count();
    let (best_alone, own_alone) = (count((true, false)), count((false, true)));
    Some(Paired { best_alone, own_alone, p: sign_test(best_alone, own_alone) })
}

/// The runs of two groups in pairs: of the same seed, and of those the most alike; in the order of their seeds where no seed is in both.
fn pairs<'a>(best: &'a Group, other: &'a Group) -> Vec<(&'a RunResult, &'a RunResult)> {
    let mut free: Vec<&RunResult> = best.runs.iter().collect();
    let alike =
        |a: &RunResult, b: &RunResult| a.keys.iter().filter(|(key, value)| b.keys.get(*key) == Some(*value)).count();
    let mut found = Vec::new();
    for run in &other.runs {
        let of_seed = free.iter().enumerate().filter(|(_, candidate)| candidate.seed == run.seed);
        if let Some(number) = of_seed.max_by_key(|(_, candidate)| alike(candidate, run)).map(|(number, _)| number) {
            found.push((free.swap_remove(number), run));
        }
    }
    if found.is_empty() { best.runs.iter().zip(&other.runs).collect() } else { found }
}

/// The keys in which groups differ.
fn differing<'a>(groups: &'a [Group], shared: &'a BTreeSet<String>) -> Vec<&'a String> {
    let first = |group: &Group, key: &str| group.runs.first().and_then(|run| run.keys.get(key).cloned());
    let of = |key: &str| groups.iter().map(|group| first(group, key)).collect::<Vec<_>>();
    let differ = |key: &&String| of(key).windows(2).any(|pair| pair[0] != pair[1]);
    shared.iter().filter(differ).collect()
}

/// Names of groups: the first of these that tells all apart: their arm in a sweep, the experiment's name, the keys that differ, their folder.
fn labels(groups: &[Group], shared: &BTreeSet<String>) -> Vec<String> {
    let differing = differing(groups, shared);
    let short = short_names(differing.iter().map(|key| key.as_str()));
    let by_keys = |run: &RunResult| {
        let text = |key: &&String| format!("{}={}", short[*key], text(run.keys.get(*key)));
        let mut all: Vec<String> = differing.iter().map(text).collect();
        if all.len() > 4 {
            all.truncate(3);
            all.push("…".to_owned());
        }
        Some(all.join(","))
    };
    let all = |label: &dyn Fn(&RunResult) -> Option<String>| -> Option<Vec<String>> {
        let all: Vec<String> = groups.iter().map(|group| group.runs.first().and_then(label)).collect::<Option<_>>()?;
        let different: BTreeSet<&String> = all.iter().collect();
        (different.len() == all.len() && all.iter().all(|label| !label.is_empty())).then_some(all)
    };
    let found = all(&|run| run.arm.clone()).or_else(|| all(&|run| Some(run.name.clone()))).or_else(|| all(&by_keys));
    found.or_else(|| all(&|run| Some(run.folder.display().to_string()))).unwrap_or_default()
}

fn labels_by(groups: &[Group], by: &[String]) -> Vec<String> {
    let short = short_names(by.iter().map(String::as_str));
    let label = |group: &Group| {
        let all = by.iter().zip(&group.values);
        all.map(|(key, value)| format!("{}={}", short[key], text(value.as_ref()))).collect::<Vec<_>>().join(",")
    };
    groups.iter().map(label).collect()
}

fn text(value: Option<&Value>) -> String {
    value.map_or("-".to_owned(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A sentence where runs of one group differ in other keys than those that they are grouped by.
fn mixed(groups: &[Group], by: &[String], shared: &BTreeSet<String>) -> Option<String> {
    let within = |group: &Group| -> Vec<String> {
        let differ = |key: &&String| group.runs.windows(2).any(|pair| pair[0].keys.get(*key) != pair[1].keys.get(*key));
        shared.iter().filter(differ).filter(|key| !by.contains(*key)).cloned().collect()
    };
    let keys: BTreeSet<String> = groups.iter().flat_map(within).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    (!keys.is_empty()).then(|| format!("runs of one row differ in more than their seed: {}", keys.join(", ")))
}

fn by_values(a: &Group, b: &Group) -> std::cmp::Ordering {
    let mut orders = a.values.iter().zip(&b.values).map(|(a, b)| order(a, b));
    orders.find(|order| order.is_ne()).unwrap_or_else(|| a.label.cmp(&b.label))
}

/// Numbers by size, texts by letters.
fn order(a: &Option<Value>, b: &Option<Value>) -> std::cmp::Ordering {
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64);
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(a.as_ref()).cmp(&text(b.as_ref())),
    }
}

//! Episodes of another program's files, as a dataset.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use gedanken_data::{Collected, DataError, EnvRecord, Episode, Manifest, PolicyMix, Writer};
use gedanken_env::{ActionSpace, Label, ObservationSpace, PolicyInfo, Spec};
use serde_json::json;

use crate::source::{Column, Opened, Source};
use crate::{NAME, fields};

/// The most numbers of a column that becomes a label unasked.
const MOST: usize = 64;
/// Columns that count or judge, and do not describe what is seen: no labels unless they are asked for.
const COUNTERS: [&str; 13] = [
    "episode_idx",
    "ep_idx",
    "episode_index",
    "episode_id",
    "step_idx",
    "frame_index",
    "index",
    "task_index",
    "timestamp",
    "reward",
    "terminated",
    "truncated",
    "done",
];

/// Recordings to take: source, columns, size.
#[derive(Clone, Debug)]
pub struct Import {
    /// A file or folder, or a name that its loader knows.
    pub source: String,
    /// `npz`, `hdf5`, `lerobot` or `stable-worldmodel`. Default: by the source's name and content.
    pub format: Option<String>,
    /// The column of pictures. Default: the only one, or `pixels`.
    pub pixels: Option<String>,
    /// The column of actions. Default `action`.
    pub action: String,
    /// Columns that become labels. Default: all numbers that describe what is seen, up to 64 a column.
    pub labels: Option<Vec<String>>,
    /// Side of the pictures in the dataset, px.
    pub size: usize,
    /// The Python that has the loader.
    pub python: String,
    /// Seconds that an answer of it may take.
    pub timeout: f64,
    /// Episodes, from the first on. Default all.
    pub episodes: Option<usize>,
    /// Size at which a shard is closed, MiB.
    pub shard_mib: usize,
}

/// The taken recordings.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The dataset.
    pub manifest: Manifest,
    /// The format.
    pub format: String,
    /// The column of pictures, and its own shape `[height, width, channels]`.
    pub pixels: (String, [usize; 3]),
    /// Columns that were left.
    pub left: Vec<String>,
    /// Episodes of one frame, without an action, or of none: left out.
    pub short: usize,
    /// Numbers of actions that were not finite, and are zero now.
    pub broken: usize,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { counts, observation, action, labels, .. } = &self.manifest;
        let (column, [height, width, _]) = &self.pixels;
        writeln!(f, "{} frames in {} episodes, by the loader of {}", counts.frames, counts.episodes, self.format)?;
        let side = observation.width;
        writeln!(f, "  pictures  {column}, {width} x {height} px, reduced to {side} x {side}")?;
        writeln!(f, "  actions   {} numbers from {:?} to {:?}", action.len(), action.low, action.high)?;
        let named = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let labels = labels.iter().map(|label| format!("{} ({})", label.name, label.size)).collect();
        write!(f, "  labels    {}\n  left      {}", named(labels), named(self.left.clone()))?;
        if self.short > 0 {
            write!(f, "\n{} episodes have one frame and no action, or none at all: left out", self.short)?;
        }
        if self.broken > 0 {
            write!(f, "\n{} numbers of actions were not finite: zero now", self.broken)?;
        }
        match action.low == action.high {
            true => write!(f, "\nthe actions never vary: a model has nothing to tell futures apart by"),
            false => Ok(()),
        }
    }
}

/// An import that failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source, and its fault: columns or the loader's own words, with what would be right.
    #[error("{0}: {1}")]
    Source(String, String),
    /// The dataset.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// The columns that are taken.
struct Chosen {
    pixels: (String, [usize; 3]),
    action: Column,
    labels: Vec<Column>,
}

impl Import {
    /// Writes the episodes to the new folder `out`, pictures reduced to the asked size. An action's bounds are the least and the greatest
    /// that were recorded; every episode is a layout of its own.
    ///
    /// # Errors
    /// What the loader raises; columns that are missing or of the wrong kind; labels that are not finite; a folder that exists. Nothing is left then.
    pub fn write(&self, out: &Path, progress: &mut dyn FnMut(Collected)) -> Result<Imported, ImportError> {
        let wrong = |message: String| ImportError::Source(self.source.clone(), message);
        if out.exists() {
            return Err(DataError::Exists { path: out.to_owned() }.into());
        }
        let mut source = Source::start(self)?;
        let Opened { format, lengths, columns, left: others } = source.open()?;
        let chosen = self.choose(&columns, &others)?;
        let episodes: Vec<(usize, usize)> =
            lengths.iter().copied().enumerate().take(self.episodes.unwrap_or(usize::MAX)).collect();
        let whole: Vec<(usize, usize)> = episodes.iter().copied().filter(|&(_, length)| length > 1).collect();
        if whole.is_empty() {
            return Err(wrong(format!("{} episodes, none of two frames; expected one with an action", episodes.len())));
        }
        let (actions, action, broken) = source.actions(&whole, &chosen.action)?;
        let manifest = self.manifest(&chosen, action);
        let mut writer = Writer::create(out, manifest?, self.shard_mib << 20)?;
        let mut frames = 0;
        for (done, (&(number, length), actions)) in whole.iter().zip(actions).enumerate() {
            let labels = source.labels(number, length, &chosen.labels)?;
            let episode = Episode {
                layout: number as u64,
                policy: 0,
                states: (0..length).flat_map(|frame| [done as f64, frame as f64]).collect(),
                actions,
                labels,
                eventful: vec![false; length],
            };
            writer.push(&episode, &source.pictures(number, length, &chosen.pixels)?)?;
            frames += length;
            progress(Collected { episodes: done + 1, total: whole.len(), frames, bytes: writer.bytes() });
        }
        let taken: BTreeSet<&str> = std::iter::once(chosen.pixels.0.as_str())
            .chain([chosen.action.name.as_str()])
            .chain(chosen.labels.iter().map(|label| label.name.as_str()))
            .collect();
        let left = columns.iter().filter(|column| !taken.contains(column.name.as_str()));
        Ok(Imported {
            left: left.map(|column| column.name.clone()).chain(others).collect(),
            manifest: writer.finish()?,
            format,
            pixels: chosen.pixels.clone(),
            short: episodes.len() - whole.len(),
            broken,
        })
    }

    /// The columns to take.
    fn choose(&self, columns: &[Column], others: &[String]) -> Result<Chosen, ImportError> {
        let said = |of: &dyn Fn(&Column) -> bool| -> String {
            let names: Vec<&str> =
                columns.iter().filter(|column| of(column)).map(|column| column.name.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let (pictures, numbers) = (|c: &Column| c.picture.is_some(), |c: &Column| c.numbers > 0);
        let wrong = |message: String| ImportError::Source(self.source.clone(), message);
        let named = |name: &str| columns.iter().find(|column| column.name == name);
        let pixels = match &self.pixels {
            Some(name) => named(name),
            None => {
                let mut all = columns.iter().filter(|column| pictures(column));
                let only = all.next().filter(|_| all.next().is_none());
                only.or_else(|| named("pixels"))
            }
        };
        let pixels = pixels.and_then(|column| Some((column.name.clone(), column.picture?))).ok_or_else(|| {
            let asked = match &self.pixels {
                Some(name) => format!("no pictures `{name}`"),
                None => "no single column of pictures".to_owned(),
            };
            let left = if others.is_empty() { String::new() } else { format!("; left: {}", others.join(", ")) };
            wrong(format!(
                "{asked}, uint8 [frames, height, width, 1 or 3]; --pixels takes one of: {}{left}",
                said(&pictures)
            ))
        })?;
        let number = |flag: &str, name: &str| {
            let found = named(name).filter(|column| numbers(column)).cloned();
            found
                .ok_or_else(|| wrong(format!("no column of numbers `{name}`; {flag} takes one of: {}", said(&numbers))))
        };
        let action = number("--action", &self.action)?;
        let labels = match &self.labels {
            Some(names) => names.iter().map(|name| number("--labels", name)).collect::<Result<_, _>>()?,
            None => {
                let describes = |column: &&Column| {
                    let name = column.name.as_str();
                    (1..=MOST).contains(&column.numbers)
                        && name != action.name
                        && !COUNTERS.contains(&name)
                        && !name.starts_with("next.")
                };
                columns.iter().filter(describes).cloned().collect()
            }
        };
        Ok(Chosen { pixels, action, labels })
    }

    /// The manifest of a dataset that has no episode yet.
    fn manifest(&self, chosen: &Chosen, action: ActionSpace) -> Result<Manifest, DataError> {
        let space = ObservationSpace { channels: chosen.pixels.1[2], height: self.size, width: self.size };
        let mut spec = Spec::new(NAME, "", space, action, fields());
        spec.policies = vec![PolicyInfo::new("recorded", "the recorded actions")];
        let mut names = BTreeSet::new();
        spec.labels = chosen
            .labels
            .iter()
            .map(|column| Label::new(&named(&column.name, &mut names), column.numbers, "1"))
            .collect();
        let made = EnvRecord { name: NAME.to_owned(), options: json!({}), factors: Default::default() };
        let mix = PolicyMix::new(&Default::default(), &spec)?;
        Ok(Manifest::new(&spec, made, &mix, None, 0))
    }
}

/// The name of a column's label, other than all before it: `observation.state` is `state`; what keys and curves cannot hold is `_`.
fn named(column: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = |name: &str| -> String {
        name.trim().chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
    };
    let plain = |name: &str| Some(plain(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| "_".to_owned());
    let (short, whole) = (plain(column.rsplit('.').next().unwrap_or(column)), plain(column));
    let numbered = (2..).map(|number| format!("{whole}_{number}"));
    let mut free = [short, whole.clone()].into_iter().chain(numbered).filter(|name| !taken.contains(name));
    let name = free.next().unwrap_or_default();
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_plain_names_and_none_has_another_s() {
        let mut taken = BTreeSet::new();
        let named = |column: &str, taken: &mut _| named(column, taken);
        let found = ["observation.state", "b.state", "b_state", "b.state", "hand /left "]
            .map(|column| named(column, &mut taken));
        assert_eq!(found, ["state", "b_state", "b_state_2", "b_state_3", "hand__left"]);
    }
}

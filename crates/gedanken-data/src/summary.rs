//! A dataset at a glance: `gedanken data inspect`.

use std::fmt;

use serde::Serialize;

use crate::moved::{Moved, MovedLabel, moved};
use crate::{Counts, DataError, Dataset};

/// Least, mean and greatest of something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Extent {
    /// Least value.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Greatest value.
    pub max: f64,
}

/// One number of a label, over all frames.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelSummary {
    /// The label's name, with `[i]` behind it where the label has several numbers.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its values.
    pub values: Extent,
    /// Their standard deviation.
    pub std: f64,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicySummary {
    /// Its name.
    pub name: String,
    /// Episodes in which it acted.
    pub episodes: usize,
    /// Their share of all episodes.
    pub share: f64,
    /// Share of the frames of these episodes at which something other than free motion could happen.
    pub eventful: f64,
    /// Movement of other things than the agent; none where no label speaks of any.
    pub moved: Option<Moved>,
}

/// A dataset at a glance. `Display` is a table for people, `Serialize` the same for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The environment's name.
    pub env: String,
    /// The seed.
    pub seed: u64,
    /// Frames, episodes, layouts.
    pub counts: Counts,
    /// Bytes of all files but the manifest.
    pub bytes: u64,
    /// Files of frames.
    pub shards: usize,
    /// Frames of an episode.
    pub length: Extent,
    /// Episodes of a layout.
    pub episodes_of_layout: Extent,
    /// Share of frames at which something other than free motion could happen.
    pub eventful: f64,
    /// Control steps of the windows in which movement is counted.
    pub frameskip: usize,
    /// Mean Euclidean norm of the actions, in the unit of the actions.
    pub action_norm_mean: f64,
    /// Standard deviation of that norm.
    pub action_norm_std: f64,
    /// The policies.
    pub policies: Vec<PolicySummary>,
    /// The labels.
    pub labels: Vec<LabelSummary>,
}

/// Gathers an [`Extent`].
#[derive(Clone)]
struct Gather {
    min: f64,
    sum: f64,
    squares: f64,
    max: f64,
    count: f64,
}

impl Gather {
    fn new() -> Self {
        Self { min: f64::INFINITY, sum: 0.0, squares: 0.0, max: f64::NEG_INFINITY, count: 0.0 }
    }

    fn add(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.squares += value * value;
        self.count += 1.0;
    }

    fn of(values: impl Iterator<Item = usize>) -> Extent {
        let mut gather = Self::new();
        values.for_each(|value| gather.add(value as f64));
        gather.range()
    }

    /// Zeros where there was nothing.
    fn range(&self) -> Extent {
        if self.count == 0.0 {
            Extent { min: 0.0, mean: 0.0, max: 0.0 }
        } else {
            Extent { min: self.min, mean: self.mean(), max: self.max }
        }
    }

    fn mean(&self) -> f64 {
        self.sum / self.count.max(1.0)
    }

    fn std(&self) -> f64 {
        (self.squares / self.count.max(1.0) - self.mean().powi(2)).max(0.0).sqrt()
    }
}

impl Dataset {
    /// Goes through every frame's numbers (not its picture) and counts; what moves also in windows of `frameskip` control steps
    /// (at least one).
    ///
    /// # Errors
    /// [`DataError::Format`] for a label or an action that is not finite.
    pub fn summary(&self, frameskip: usize) -> Result<Summary, DataError> {
        let manifest = self.manifest();
        let mut labels = vec![Gather::new(); self.shape().labels];
        let (mut norms, mut eventful) = (Gather::new(), 0usize);
        for index in 0..self.frames() {
            let Some(frame) = self.frame(index) else { break };
            for (gather, value) in labels.iter_mut().zip(frame.labels()) {
                gather.add(self.finite(value, "label", index)?);
            }
            eventful += usize::from(frame.eventful());
            let mut square = 0.0;
            for value in frame.action() {
                square += self.finite(value, "action", index)?.powi(2);
            }
            if !frame.last() {
                norms.add(square.sqrt());
            }
        }
        let names = manifest.labels.iter().flat_map(|label| {
            (0..label.size).map(move |i| match label.size {
                1 => (label.name.clone(), label.unit.clone()),
                _ => (format!("{}[{i}]", label.name), label.unit.clone()),
            })
        });
        let acted = |policy| self.episodes().iter().filter(|episode| episode.policy == policy).count();
        let eventful_of = |policy| {
            let episodes = self.episodes().iter().filter(|episode| episode.policy == policy);
            let frames =
                episodes.flat_map(|episode| (0..episode.length).filter_map(|i| self.frame(episode.offset + i)));
            let (seen, all) = frames.fold((0, 0), |(s, n), frame| (s + usize::from(frame.eventful()), n + 1));
            seen as f64 / all.max(1) as f64
        };
        let all = self.episodes().len().max(1) as f64;
        let frameskip = frameskip.max(1);
        let moved = moved(self, &labels.iter().map(Gather::std).collect::<Vec<_>>(), frameskip);
        Ok(Summary {
            env: manifest.env.name.clone(),
            seed: manifest.seed,
            counts: manifest.counts,
            bytes: manifest.episodes.bytes + manifest.shards.iter().map(|shard| shard.bytes).sum::<u64>(),
            shards: manifest.shards.len(),
            length: Gather::of(self.episodes().iter().map(|episode| episode.length)),
            episodes_of_layout: Gather::of(self.layouts().values().map(Vec::len)),
            eventful: eventful as f64 / self.frames().max(1) as f64,
            frameskip,
            action_norm_mean: norms.mean(),
            action_norm_std: norms.std(),
            policies: manifest
                .policies
                .iter()
                .zip(moved)
                .enumerate()
                .map(|(number, (policy, moved))| PolicySummary {
                    name: policy.name.clone(),
                    episodes: acted(number),
                    share: acted(number) as f64 / all,
                    eventful: eventful_of(number),
                    moved: (!moved.labels.is_empty()).then_some(moved),
                })
                .collect(),
            labels: names
                .zip(&labels)
                .map(|((name, unit), gather)| LabelSummary { name, unit, values: gather.range(), std: gather.std() })
                .collect(),
        })
    }

    fn finite(&self, value: f32, what: &str, frame: usize) -> Result<f64, DataError> {
        match value.is_finite() {
            true => Ok(f64::from(value)),
            false => Err(DataError::format(self.path(), format!("{what} of frame {frame}"), value, "a finite number")),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { frames, episodes, layouts } = self.counts;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, text: String| writeln!(f, "{name:<20} {text}");
        let range = |range: &Extent| match range.min == range.max {
            true => Short(range.mean).to_string(),
            false => format!("{} to {}, mean {}", Short(range.min), Short(range.max), Short(range.mean)),
        };
        line(f, "environment", format!("{} (seed {})", self.env, self.seed))?;
        line(f, "frames", frames.to_string())?;
        line(f, "episodes", format!("{episodes} of {layouts} layouts ({} of each)", range(&self.episodes_of_layout)))?;
        line(f, "length", format!("{} frames", range(&self.length)))?;
        line(f, "size", format!("{:.1} MiB in {} shards", self.bytes as f64 / f64::from(1 << 20), self.shards))?;
        line(f, "eventful frames", format!("{:.1} %", self.eventful * 100.0))?;
        let norm = format!("{:.4} ± {:.4} (mean and standard deviation)", self.action_norm_mean, self.action_norm_std);
        line(f, "action norm", norm)?;
        for PolicySummary { name, episodes, share, eventful, moved } in &self.policies {
            let [share, eventful] = [share, eventful].map(|x| 100.0 * x);
            let text = format!("{episodes} episodes, {share:.1} %; {eventful:.1} % of their frames eventful");
            line(f, &format!("policy {name}"), text)?;
            if let Some(Moved { hits, steps, windows, labels }) = moved.as_ref().filter(|moved| moved.steps > 0.0) {
                let far = |MovedLabel { name, unit, change }: &MovedLabel| format!("{name} {} {unit}", Short(*change));
                let far = labels.iter().map(far).collect::<Vec<_>>().join("; ");
                let [steps, windows] = [steps, windows].map(|x| 100.0 * x);
                line(f, "  hits", format!("{hits:.1} an episode: something begins to move"))?;
                line(
                    f,
                    "  moves in",
                    format!("{steps:.1} % of control steps, {windows:.1} % of windows of {}", self.frameskip),
                )?;
                line(f, "  there by", far)?;
            }
        }
        for LabelSummary { name, unit, values, std } in &self.labels {
            line(f, &format!("label {name}"), format!("{} {unit}, standard deviation {}", range(values), Short(*std)))?;
        }
        Ok(())
    }
}

/// A number in at most three decimals, without trailing zeros.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

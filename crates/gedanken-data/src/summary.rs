//! A dataset at a glance: `gedanken data inspect`.

use std::fmt;

use serde::Serialize;

use crate::moved::{Moved, MovedLabel, moved};
use crate::{Counts, DataError, Dataset, PixelSummary};

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

/// One number of the actions, the labels or the states, over all frames that have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberSummary {
    /// Its name, with `[i]` behind it where there are several of this name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its values.
    pub values: Extent,
    /// Their 5 %, 50 % and 95 % quantiles, of at most 65,536 frames.
    pub quantiles: [f64; 3],
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
    /// Change in the pictures; none where there are latents in their place, or no window.
    pub pixels: Option<PixelSummary>,
    /// The policies.
    pub policies: Vec<PolicySummary>,
    /// The actions' numbers.
    pub actions: Vec<NumberSummary>,
    /// The labels' numbers.
    pub labels: Vec<NumberSummary>,
    /// The states' numbers.
    pub states: Vec<NumberSummary>,
}

/// Gathers an [`Extent`].
#[derive(Clone)]
struct Gather {
    min: f64,
    sum: f64,
    squares: f64,
    max: f64,
    count: f64,
    /// Values for quantiles.
    sample: Vec<f64>,
}

impl Gather {
    fn new() -> Self {
        Self { min: f64::INFINITY, sum: 0.0, squares: 0.0, max: f64::NEG_INFINITY, count: 0.0, sample: Vec::new() }
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

    fn summary(self, (name, unit): (String, String)) -> NumberSummary {
        let (values, std, mut sample) = (self.range(), self.std(), self.sample);
        sample.sort_unstable_by(f64::total_cmp);
        let last = sample.len().saturating_sub(1) as f64;
        let quantiles = [0.05, 0.5, 0.95].map(|q| sample.get((q * last).round() as usize).copied().unwrap_or(0.0));
        NumberSummary { name, unit, values, quantiles, std }
    }
}

/// Frames that quantiles are taken of, at most.
const SAMPLE: usize = 1 << 16;

/// The names of several numbers.
fn named(name: &str, unit: &str, size: usize) -> Vec<(String, String)> {
    let number = |i| if size == 1 { name.to_owned() } else { format!("{name}[{i}]") };
    (0..size).map(|i| (number(i), unit.to_owned())).collect()
}

impl Dataset {
    /// Goes through every frame's numbers (not its picture) and counts; what moves also in windows of `frameskip` control steps
    /// (at least one).
    ///
    /// # Errors
    /// [`DataError::Format`] for a label or an action that is not finite.
    pub fn summary(&self, frameskip: usize) -> Result<Summary, DataError> {
        let manifest = self.manifest();
        let gathers = |size: usize| vec![Gather::new(); size];
        let (mut actions, mut labels) = (gathers(self.shape().action), gathers(self.shape().labels));
        let (mut states, stride) = (gathers(manifest.state.len()), self.frames().div_ceil(SAMPLE).max(1));
        let (mut norms, mut eventful) = (Gather::new(), 0usize);
        for index in 0..self.frames() {
            let Some(frame) = self.frame(index) else { break };
            let gather = |all: &mut [Gather], what: &str, row: &mut dyn Iterator<Item = f64>| {
                all.iter_mut().zip(row).try_fold(0.0, |square, (gather, value)| {
                    if !value.is_finite() {
                        let what = format!("{what} of frame {index}");
                        return Err(DataError::format(self.path(), what, value, "a finite number"));
                    }
                    gather.add(value);
                    if index.is_multiple_of(stride) {
                        gather.sample.push(value);
                    }
                    Ok(square + value * value)
                })
            };
            gather(&mut labels, "label", &mut frame.labels().map(f64::from))?;
            gather(&mut states, "state", &mut frame.state())?;
            eventful += usize::from(frame.eventful());
            if !frame.last() {
                norms.add(gather(&mut actions, "action", &mut frame.action().map(f64::from))?.sqrt());
            }
        }
        let named_labels = manifest.labels.iter().flat_map(|label| named(&label.name, &label.unit, label.size));
        let named_states = manifest.state.iter().flat_map(|field| named(&field.name, &field.unit, 1));
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
            pixels: PixelSummary::of(self, frameskip)?,
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
            actions: summaries(actions, named("action", &manifest.action.unit, self.shape().action)),
            labels: summaries(labels, named_labels),
            states: summaries(states, named_states),
        })
    }
}

fn summaries(gathers: Vec<Gather>, names: impl IntoIterator<Item = (String, String)>) -> Vec<NumberSummary> {
    gathers.into_iter().zip(names).map(|(gather, name)| gather.summary(name)).collect()
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
        if self.policies.iter().filter_map(|policy| policy.moved.as_ref()).any(|moved| moved.steps > 0.0) {
            line(
                f,
                "what moves",
                "labels but `agent`: what never moves, or in too few windows, is never learned".to_owned(),
            )?;
        }
        if let Some(pixels) = &self.pixels {
            pixels.write(f, self.frameskip)?;
        }
        self.write_numbers(f)
    }
}

impl Summary {
    /// The table of numbers; of states those that vary, and no more than [`SHOWN`] of them.
    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "numbers: whoever plans beyond them asks for what no episode shows")?;
        let columns = ["least", "5 %", "50 %", "95 %", "most", "std"].map(|name| format!("{name:>9}")).concat();
        writeln!(f, "{:<24}{columns}", "")?;
        let varies = |state: &&NumberSummary| state.values.min < state.values.max;
        let states = self.states.iter().filter(varies);
        let rows = self.actions.iter().map(|action| (action.name.clone(), action));
        let rows = rows.chain(self.labels.iter().map(|label| (format!("label {}", label.name), label)));
        let rows = rows.chain(states.clone().take(SHOWN).map(|state| (format!("state {}", state.name), state)));
        for (name, NumberSummary { unit, values, quantiles: [low, middle, high], std, .. }) in rows {
            let numbers = [values.min, *low, *middle, *high, values.max, *std];
            let numbers = numbers.map(|x| format!("{:>9}", Short(x).to_string())).concat();
            writeln!(f, "{name:<24}{numbers}  {unit}")?;
        }
        match states.count().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "{:<24}and {more} more numbers of the state that vary: --json", ""),
        }
    }
}

/// Most numbers of the state in the table.
const SHOWN: usize = 12;

/// A number in at most three decimals, without trailing zeros.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

//! Movement in a dataset: the share in which the agent moves other things.

use serde::Serialize;

use crate::{Dataset, EpisodeEntry};

/// The label that speaks of the agent alone; all others speak of things.
const AGENT: &str = "agent";
/// A label moves when it changes by more than this share of its standard deviation over the dataset: what is pushed out of
/// something by less and less comes to rest.
const STILL: f64 = 1e-3;

/// Movement of all labels but `agent` in the episodes of one policy: shares and distances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// Times that something begins to move, in an episode.
    pub hits: f64,
    /// Share of the control steps in which something moves.
    pub steps: f64,
    /// Share of the windows of `frameskip` control steps, from any frame, between whose ends something has moved.
    pub windows: f64,
    /// The labels, and how far each is from where it was at the end of such a window.
    pub labels: Vec<MovedLabel>,
}

/// Mean change of a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MovedLabel {
    /// The label's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Mean Euclidean norm of its change.
    pub change: f64,
}

/// A label of a thing: its place in a row of labels, and the change that counts.
struct Thing {
    from: usize,
    size: usize,
    still: f64,
}

impl Thing {
    fn change(&self, before: &[f32], after: &[f32]) -> f64 {
        let numbers = self.from..self.from + self.size;
        let squares = before[numbers.clone()].iter().zip(&after[numbers]).map(|(a, b)| f64::from(b - a).powi(2));
        squares.sum::<f64>().sqrt()
    }

    fn moves(&self, before: &[f32], after: &[f32]) -> bool {
        self.change(before, after) > self.still
    }
}

/// Movement in the episodes of each policy; `[labels]` holds the standard deviation of every label number.
pub(crate) fn moved(dataset: &Dataset, deviations: &[f64], frameskip: usize) -> Vec<Moved> {
    let (manifest, mut from) = (dataset.manifest(), 0);
    let (mut names, mut things) = (Vec::new(), Vec::new());
    for label in &manifest.labels {
        if label.name != AGENT {
            let spread = deviations[from..from + label.size].iter().map(|x| x * x).sum::<f64>().sqrt();
            names.push((&label.name, &label.unit));
            things.push(Thing { from, size: label.size, still: STILL * spread });
        }
        from += label.size;
    }
    let of_policy = |policy: usize| {
        let mut count = Count::new(things.len());
        let episodes = dataset.episodes().iter().filter(|episode| episode.policy == policy);
        episodes.for_each(|episode| count.episode(&rows(dataset, episode), from, &things, frameskip));
        let labels = names.iter().zip(&count.changes).map(|((name, unit), change)| MovedLabel {
            name: (*name).clone(),
            unit: (*unit).clone(),
            change: change / count.windows[0].max(1) as f64,
        });
        let share = |[some, all]: [usize; 2]| some as f64 / all.max(1) as f64;
        Moved {
            hits: share(count.hits),
            steps: share(count.steps),
            windows: share(count.windows),
            labels: labels.collect(),
        }
    };
    (0..manifest.policies.len()).map(of_policy).collect()
}

/// The labels of an episode, f32 `[frames, labels]`.
fn rows(dataset: &Dataset, episode: &EpisodeEntry) -> Vec<f32> {
    let frames = episode.offset..episode.offset + episode.length;
    frames.filter_map(|index| dataset.frame(index)).flat_map(|frame| frame.labels().collect::<Vec<_>>()).collect()
}

/// Counts: of hits and episodes, of steps and windows that move and of all, sums of changes.
struct Count {
    hits: [usize; 2],
    steps: [usize; 2],
    windows: [usize; 2],
    changes: Vec<f64>,
}

impl Count {
    fn new(things: usize) -> Self {
        Self { hits: [0; 2], steps: [0; 2], windows: [0; 2], changes: vec![0.0; things] }
    }

    /// Adds an episode, f32 `[frames, labels]`.
    fn episode(&mut self, rows: &[f32], labels: usize, things: &[Thing], frameskip: usize) {
        let rows: Vec<&[f32]> = rows.chunks_exact(labels.max(1)).collect();
        let moves = |(before, after): (&&[f32], &&[f32])| things.iter().any(|thing| thing.moves(before, after));
        let mut moving = false;
        for step in rows.iter().zip(rows.iter().skip(1)).map(moves) {
            self.hits[0] += usize::from(step && !moving);
            self.steps[0] += usize::from(step);
            self.steps[1] += 1;
            moving = step;
        }
        self.hits[1] += 1;
        for ends in rows.iter().zip(rows.iter().skip(frameskip)) {
            self.windows[1] += 1;
            if moves(ends) {
                self.windows[0] += 1;
                for (sum, thing) in self.changes.iter_mut().zip(things) {
                    *sum += thing.change(ends.0, ends.1);
                }
            }
        }
    }
}

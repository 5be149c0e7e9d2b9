//! Batches from a dataset.

use std::sync::Arc;

use gedanken_env::{derive_seed, rng};
use rand::seq::index::sample;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::episode::WINDOW;
use crate::{Batch, DataError, Dataset, Episode, EpisodeEntry, Scales, Source, WindowConfig};

/// A part of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The model learns from it.
    #[default]
    Train,
    /// The model never sees it while it learns.
    Validation,
}

/// Cuts windows from one split of a dataset: each batch draws layouts without repetition, then episodes of each without
/// repetition, then one window of each episode. Episodes shorter than a window are left out, and so are layouts that then have too few.
pub struct DatasetSource {
    dataset: Arc<Dataset>,
    window: WindowConfig,
    seed: u64,
    /// The episodes of each layout of the split.
    layouts: Vec<Vec<EpisodeEntry>>,
    /// Episodes of the split that are left out, in a sentence.
    left_out: Option<String>,
}

/// The split is the same whatever the seed of training, so that no run ever trains on another's validation data.
const SPLIT: u64 = 0x0073_706c_6974;

impl DatasetSource {
    /// Windows of one split; `validation` is the share of layouts kept from training. A dataset of a single layout is
    /// split by episodes instead. With `0 < validation < 1`, each side has at least one layout (episode).
    ///
    /// # Errors
    /// An impossible window or share; [`DataError::TooFew`] when the split has fewer layouts with as many
    /// episodes as a batch needs.
    pub fn new(
        dataset: Arc<Dataset>,
        window: WindowConfig,
        split: Split,
        validation: f64,
        seed: u64,
    ) -> Result<Self, DataError> {
        window.validate()?;
        let layouts = layouts_of(&dataset, split, validation)?;
        let few =
            |found: String, expected: String| DataError::TooFew { path: dataset.path().to_owned(), found, expected };
        if layouts.len() < window.layouts {
            return Err(few(
                format!("{} layouts in the {split:?} split (validation = {validation})", layouts.len()),
                format!("at least data.window.layouts = {}", window.layouts),
            ));
        }
        let (mut all, mut short) = (Count::default(), Count::default());
        let long = |(id, mut episodes): (u64, Vec<EpisodeEntry>)| {
            all.add(&episodes);
            short.add(episodes.iter().filter(|episode| episode.length < window.span()));
            episodes.retain(|episode| episode.length >= window.span());
            (id, episodes)
        };
        let (enough, lacking): (Vec<_>, Vec<_>) =
            layouts.into_iter().map(long).partition(|(_, group)| group.len() >= window.episodes);
        let fullest = lacking.iter().max_by_key(|(_, group)| group.len());
        if let Some((id, group)) = fullest.filter(|_| enough.len() < window.layouts) {
            let ((key, value), span, ready) = (window.length(), window.span(), enough.len());
            return Err(few(
                format!("{} episodes of at least {span} frames ({key}: {value}) in layout {id}", group.len()),
                format!(
                    "at least data.window.episodes = {} in data.window.layouts = {} layouts; {ready} have them",
                    window.episodes, window.layouts
                ),
            ));
        }
        let mut few = Count::default();
        lacking.iter().for_each(|(_, group)| few.add(group));
        let mut left_out = Vec::new();
        if short.episodes > 0 {
            left_out.push(format!("{} are shorter than a window of {}", short.of(&all), window.span()));
        }
        if few.episodes > 0 {
            let layouts = lacking.iter().filter(|(_, group)| !group.is_empty()).count();
            let each = window.episodes;
            left_out
                .push(format!("{} are in {layouts} layouts of fewer than data.window.episodes = {each}", few.of(&all)));
        }
        let name = if split == Split::Train { "training" } else { "validation" };
        let left_out = (!left_out.is_empty())
            .then(|| format!("{}, {name}: {}: left out", dataset.path().display(), left_out.join(", and ")));
        let layouts = enough.into_iter().map(|(_, group)| group).collect();
        Ok(Self { dataset, window, seed, layouts, left_out })
    }

    /// The episodes of this split, by layout.
    pub fn layouts(&self) -> &[Vec<EpisodeEntry>] {
        &self.layouts
    }

    /// Episode number `index`, counted through the layouts, round and round.
    fn entry(&self, index: u64) -> Result<&EpisodeEntry, DataError> {
        let count = self.layouts.iter().map(Vec::len).sum::<usize>();
        let number = (index % count.max(1) as u64) as usize;
        let entry = self.layouts.iter().flatten().nth(number);
        entry.ok_or_else(|| DataError::format(self.dataset.path(), "episodes", "none in this split", "at least one"))
    }
}

/// Episodes and their frames.
#[derive(Default)]
struct Count {
    episodes: usize,
    frames: usize,
}

impl Count {
    fn add<'a>(&mut self, episodes: impl IntoIterator<Item = &'a EpisodeEntry>) {
        for episode in episodes {
            self.episodes += 1;
            self.frames += episode.length;
        }
    }

    /// These as a part of others, in words.
    fn of(&self, all: &Self) -> String {
        format!("{} of {} episodes, {} of {} frames", self.episodes, all.episodes, self.frames, all.frames)
    }
}

/// The episodes of one split by layout; `validation` is the share that is not for training.
pub(crate) fn layouts_of(
    dataset: &Dataset,
    split: Split,
    validation: f64,
) -> Result<Vec<(u64, Vec<EpisodeEntry>)>, DataError> {
    if !(0.0..=1.0).contains(&validation) {
        return Err(DataError::config("data.validation", validation, "0 to 1"));
    }
    let mut layouts: Vec<(u64, Vec<usize>)> = dataset.layouts().into_iter().collect();
    if let [(_, episodes)] = layouts.as_mut_slice() {
        let ids = episodes.iter().map(|&episode| episode as u64);
        let kept = choose(ids.collect(), split, validation);
        episodes.retain(|&episode| kept.contains(&(episode as u64)));
    } else {
        let kept = choose(layouts.iter().map(|(id, _)| *id).collect(), split, validation);
        layouts.retain(|(id, _)| kept.contains(id));
    }
    let entries = |episodes: Vec<usize>| episodes.into_iter().map(|episode| dataset.episodes()[episode]).collect();
    Ok(layouts.into_iter().map(|(id, episodes)| (id, entries(episodes))).collect())
}

/// The ids of one split: ordered by a hash of their own, the first share is for validation.
fn choose(mut ids: Vec<u64>, split: Split, validation: f64) -> std::collections::BTreeSet<u64> {
    ids.sort_by_key(|&id| (derive_seed(SPLIT, &[id]), id));
    let mut held = (ids.len() as f64 * validation).round() as usize;
    if validation > 0.0 && validation < 1.0 && ids.len() > 1 {
        held = held.clamp(1, ids.len() - 1);
    }
    let rest = ids.split_off(held.min(ids.len()));
    if split == Split::Train { rest } else { ids }.into_iter().collect()
}

impl Source for DatasetSource {
    fn batch(&self, index: u64) -> Result<Batch, DataError> {
        let mut batch = Batch::zeros(self.dataset.shape(), &self.window);
        let mut rng = rng(self.seed, &[WINDOW, index]);
        let mut times = vec![0; self.window.frames()];
        let groups = sample(&mut rng, self.layouts.len(), self.window.layouts);
        for (place, group) in groups.into_iter().enumerate() {
            let group = &self.layouts[group];
            let chosen = sample(&mut rng, group.len(), self.window.episodes);
            for (number, episode) in chosen.into_iter().enumerate() {
                let episode = &group[episode];
                self.dataset.check_whole(episode)?;
                let eventful = |step| self.dataset.frame(episode.offset + step).is_some_and(|frame| frame.eventful());
                self.window.cut(episode.length, eventful, &mut rng, &mut times);
                batch.fill(
                    place * self.window.episodes + number,
                    &times,
                    |step, pixels, labels| {
                        let frame = self.dataset.frame_of(episode, step)?;
                        pixels.copy_from_slice(frame.pixels());
                        labels.iter_mut().zip(frame.labels()).for_each(|(out, label)| *out = label);
                        Ok(())
                    },
                    |step, action| {
                        let recorded = self.dataset.frame_of(episode, step)?.action();
                        action.iter_mut().zip(recorded).for_each(|(out, number)| *out = number);
                        Ok(())
                    },
                )?;
            }
        }
        Ok(batch)
    }

    /// Episode number `index` of this split, counted through its layouts.
    fn episode(&self, index: u64) -> Result<Episode, DataError> {
        self.dataset.episode(self.entry(index)?)
    }

    fn lengths(&self) -> Option<Vec<usize>> {
        Some(self.layouts.iter().flatten().map(|episode| episode.length).collect())
    }

    fn remark(&self) -> Option<String> {
        self.left_out.clone()
    }

    /// Without a look at states.
    fn scales(&self) -> Result<Scales, DataError> {
        let entries: Vec<&EpisodeEntry> = self.layouts.iter().flatten().collect();
        Scales::sum(entries.len() as u64, |index| {
            let (mut scales, entry) = (Scales::default(), entries[index as usize]);
            self.dataset.check_whole(entry)?;
            for step in 0..entry.length {
                let frame = self.dataset.frame_of(entry, step)?;
                scales.labels.add(frame.labels());
                if !frame.last() {
                    scales.actions.add(frame.action());
                }
            }
            Ok(scales)
        })
    }
}

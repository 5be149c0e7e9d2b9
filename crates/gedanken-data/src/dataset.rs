//! Reads a dataset folder: checked when it is opened, mapped into memory, any frame at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gedanken_env::Spec;

use crate::columns::{
    ACTION, EVENTFUL, LABEL, LAST, Mapped, PIXELS, STATE, episode_columns, f32s, f64s, frame_columns, i64s,
};
use crate::manifest::{EPISODES, MANIFEST, Manifest};
use crate::{DataError, Episode, Shape};

/// An opened dataset. Frames are numbered over all shards; see the [crate's page](crate) for the files.
#[derive(Debug)]
pub struct Dataset {
    path: PathBuf,
    manifest: Manifest,
    shards: Vec<Mapped>,
    /// The number of the first frame of each shard.
    starts: Vec<usize>,
    episodes: Vec<EpisodeEntry>,
}

/// An episode's place, layout and policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpisodeEntry {
    /// The number of its first frame.
    pub offset: usize,
    /// Its frames: one more than its actions.
    pub length: usize,
    /// The number of its layout.
    pub layout: u64,
    /// The policy that acted, as counted by the manifest.
    pub policy: usize,
}

/// One frame of a dataset.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    shard: &'a Mapped,
    row: usize,
}

impl<'a> Frame<'a> {
    /// The picture, u8 `[channels, height, width]`, or the latent in its place, f16 `[tokens, dim]`, where it lies in the file.
    pub fn pixels(&self) -> &'a [u8] {
        self.shard.row(PIXELS, self.row)
    }

    /// The action that was executed here, f32 `[action]`; zeros at the last frame of an episode.
    pub fn action(&self) -> impl Iterator<Item = f32> + 'a {
        f32s(self.shard.row(ACTION, self.row))
    }

    /// The labels, f32 `[labels]`.
    pub fn labels(&self) -> impl Iterator<Item = f32> + 'a {
        f32s(self.shard.row(LABEL, self.row))
    }

    /// The environment's full state, f64 `[state]`.
    pub fn state(&self) -> impl Iterator<Item = f64> + 'a {
        f64s(self.shard.row(STATE, self.row))
    }

    /// True where something other than free motion could happen.
    pub fn eventful(&self) -> bool {
        self.shard.row(EVENTFUL, self.row) != [0]
    }

    /// True at the last frame of an episode, which has no action.
    pub fn last(&self) -> bool {
        self.shard.row(LAST, self.row) != [0]
    }
}

impl Dataset {
    /// Opens a dataset folder and checks everything but the pictures and numbers themselves; for those there is
    /// [`Dataset::verify`].
    ///
    /// # Errors
    /// A file that is missing, cut off, of the wrong version, types or sizes, or that contradicts another: the error
    /// names the file, what was found and what would be right.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let manifest = Manifest::read(path)?;
        let columns = frame_columns(&manifest);
        let mut shards = Vec::with_capacity(manifest.shards.len());
        let mut starts = Vec::with_capacity(manifest.shards.len());
        let mut frames = 0;
        for shard in &manifest.shards {
            starts.push(frames);
            shards.push(Mapped::open(&path.join(&shard.file), &columns, shard.frames, shard.bytes)?);
            frames += shard.frames;
        }
        let file =
            Mapped::open(&path.join(EPISODES), &episode_columns(), manifest.counts.episodes, manifest.episodes.bytes)?;
        file.verify(manifest.episodes.crc32)?;
        let episodes = read_episodes(&file, &manifest)?;
        let dataset = Self { path: path.to_owned(), manifest, shards, starts, episodes };
        dataset.check_shards()?;
        Ok(dataset)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of `dataset.toml`.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Sizes of a frame, an action, a row of labels.
    pub fn shape(&self) -> Shape {
        self.manifest.shape()
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.manifest.counts.frames
    }

    /// The episodes, in the order of their frames.
    pub fn episodes(&self) -> &[EpisodeEntry] {
        &self.episodes
    }

    /// The numbers of the episodes of each layout.
    pub fn layouts(&self) -> BTreeMap<u64, Vec<usize>> {
        let mut layouts = BTreeMap::<_, Vec<usize>>::new();
        for (number, episode) in self.episodes.iter().enumerate() {
            layouts.entry(episode.layout).or_default().push(number);
        }
        layouts
    }

    /// Frame number `index`; none from [`Dataset::frames`] on.
    pub fn frame(&self, index: usize) -> Option<Frame<'_>> {
        if index >= self.frames() {
            return None;
        }
        let number = self.starts.partition_point(|&start| start <= index).checked_sub(1)?;
        Some(Frame { shard: self.shards.get(number)?, row: index - self.starts[number] })
    }

    /// Refuses an episode whose file has been cut off since it was opened.
    ///
    /// # Errors
    /// [`DataError`], which names the file.
    pub fn check_whole(&self, episode: &EpisodeEntry) -> Result<(), DataError> {
        self.frame(episode.offset).map_or(Ok(()), |frame| frame.shard.check_length())
    }

    /// Frame number `step` of an episode.
    pub(crate) fn frame_of(&self, episode: &EpisodeEntry, step: usize) -> Result<Frame<'_>, DataError> {
        let index = episode.offset + step;
        self.frame(index)
            .ok_or_else(|| DataError::format(&self.path, "frame", index, format!("less than {}", self.frames())))
    }

    /// An episode without its pictures.
    pub(crate) fn episode(&self, entry: &EpisodeEntry) -> Result<Episode, DataError> {
        self.check_whole(entry)?;
        let mut episode = Episode { layout: entry.layout, policy: entry.policy, ..Episode::default() };
        for step in 0..entry.length {
            let frame = self.frame_of(entry, step)?;
            episode.states.extend(frame.state());
            episode.labels.extend(frame.labels());
            episode.eventful.push(frame.eventful());
            if !frame.last() {
                episode.actions.extend(frame.action());
            }
        }
        Ok(episode)
    }

    /// Reads every byte and compares the checksums in `dataset.toml`.
    ///
    /// # Errors
    /// The first file whose content was changed.
    pub fn verify(&self) -> Result<(), DataError> {
        self.shards.iter().zip(&self.manifest.shards).try_for_each(|(shard, record)| shard.verify(record.crc32))
    }

    /// Checks that this dataset's pictures, actions and labels are those of an environment.
    ///
    /// # Errors
    /// [`DataError::Format`] names the first difference.
    pub fn check_env(&self, spec: &Spec) -> Result<(), DataError> {
        let (own, path) = (&self.manifest, self.path.join(MANIFEST));
        let labels = |mut labels: Vec<(&str, usize)>| {
            labels.drain(..).map(|(name, size)| format!("{name}[{size}]")).collect::<Vec<_>>().join(", ")
        };
        let size =
            |shape: Shape| format!("{} x {} x {}", shape.pixels.channels, shape.pixels.height, shape.pixels.width);
        let (shape, wanted) = (self.shape(), Shape::of(spec));
        for (what, found, expected) in [
            ("env.name", own.env.name.clone(), spec.name.clone()),
            ("observation (channels x height x width)", size(shape), size(wanted)),
            ("action (numbers)", shape.action.to_string(), wanted.action.to_string()),
            ("action", own.action.to_string(), spec.action.to_string()),
            (
                "labels",
                labels(own.labels.iter().map(|label| (label.name.as_str(), label.size)).collect()),
                labels(spec.labels.iter().map(|label| (label.name.as_str(), label.size)).collect()),
            ),
        ] {
            if found != expected {
                return Err(DataError::format(
                    &path,
                    what,
                    found,
                    format!("{expected}, as in the experiment's environment"),
                ));
            }
        }
        Ok(())
    }

    /// Checks that no episode crosses a shard, and that each shard's flags agree with the episodes.
    fn check_shards(&self) -> Result<(), DataError> {
        let mut episodes = self.episodes.iter();
        for ((shard, record), &start) in self.shards.iter().zip(&self.manifest.shards).zip(&self.starts) {
            let (mut end, lasts) = (start, shard.column(LAST));
            for episode in episodes.by_ref().take(record.episodes) {
                // The flags of an episode that would cross the shard's end are not there to look at.
                let flags = lasts.get(end - start..episode.offset + episode.length - start);
                let right = flags
                    .and_then(<[u8]>::split_last)
                    .is_some_and(|(last, before)| *last == 1 && before.iter().all(|&flag| flag == 0));
                if !right {
                    let found = format!(
                        "other flags in rows {} to {}",
                        episode.offset - start,
                        episode.offset + episode.length - start
                    );
                    return Err(DataError::format(
                        shard.path(),
                        "column `last`",
                        found,
                        "1 at the last frame of each episode",
                    ));
                }
                end = episode.offset + episode.length;
            }
            if end != start + record.frames {
                let found = format!("{} frames in {} episodes", end - start, record.episodes);
                return Err(DataError::format(shard.path(), "episodes", found, format!("{} frames", record.frames)));
            }
            if let Some(row) = shard.column(EVENTFUL).iter().position(|&flag| flag > 1) {
                let found = format!("{} in row {row}", shard.column(EVENTFUL)[row]);
                return Err(DataError::format(shard.path(), "column `eventful`", found, "0 or 1"));
            }
        }
        Ok(())
    }
}

/// Reads the episodes and checks that they follow each other without a gap, from the first frame to the last.
fn read_episodes(file: &Mapped, manifest: &Manifest) -> Result<Vec<EpisodeEntry>, DataError> {
    let [lengths, offsets, layouts, policies] = [0, 1, 2, 3].map(|column| i64s(file.column(column)));
    let mut episodes = Vec::with_capacity(manifest.counts.episodes);
    let mut end = 0usize;
    let wrong = |what: &str, number: usize, found: i64, expected: String| {
        Err(DataError::format(file.path(), format!("{what}[{number}]"), found, expected))
    };
    for (number, (((length, offset), layout), policy)) in lengths.zip(offsets).zip(layouts).zip(policies).enumerate() {
        let left = manifest.counts.frames - end;
        let entry = EpisodeEntry {
            length: match usize::try_from(length) {
                Ok(found) if (1..=left).contains(&found) => found,
                _ => return wrong("length", number, length, format!("1 to {left}, the frames that are left")),
            },
            offset: match usize::try_from(offset) {
                Ok(found) if found == end => found,
                _ => return wrong("offset", number, offset, format!("{end}, where the episode before ends")),
            },
            layout: match u64::try_from(layout) {
                Ok(found) => found,
                Err(_) => return wrong("layout", number, layout, "a number that is not negative".to_owned()),
            },
            policy: match usize::try_from(policy) {
                Ok(found) if found < manifest.policies.len() => found,
                _ => return wrong("policy", number, policy, format!("0 to {}", manifest.policies.len() - 1)),
            },
        };
        end += entry.length;
        episodes.push(entry);
    }
    if end != manifest.counts.frames {
        let found = format!("{end} frames in all");
        return Err(DataError::format(file.path(), "length", found, format!("{} frames", manifest.counts.frames)));
    }
    let layouts = episodes.iter().map(|episode| episode.layout).collect::<BTreeSet<_>>().len();
    if layouts != manifest.counts.layouts {
        let found = format!("{layouts} different ones");
        return Err(DataError::format(
            file.path(),
            "layout",
            found,
            format!("{}, as in dataset.toml", manifest.counts.layouts),
        ));
    }
    Ok(episodes)
}

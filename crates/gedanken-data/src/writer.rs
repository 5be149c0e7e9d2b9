//! Writes a dataset whole or not at all.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::columns::{self, Column, episode_columns, frame_columns};
use crate::manifest::{EPISODES, MANIFEST, Manifest, ShardRecord, shard_name};
use crate::partial::Partial;
use crate::{DataError, Episode};

/// Takes episodes one by one and writes a shard whenever enough have come; memory holds one shard.
///
/// Everything is written to a folder beside the final name, flushed to the disk (while more is recorded), and renamed by [`Writer::finish`].
/// Dropped before that, the writer removes what it wrote; killed before that, it leaves a folder whose name starts with
/// a dot and ends in `.partial-…`, which nothing reads and the next writer beside it removes.
pub struct Writer {
    target: PathBuf,
    partial: Partial,
    manifest: Manifest,
    columns: Vec<Column>,
    shard_bytes: usize,
    shard: Vec<Vec<u8>>,
    shard_frames: usize,
    shard_episodes: usize,
    /// length, offset, layout, policy
    episodes: [Vec<u8>; 4],
    layouts: BTreeSet<u64>,
    /// The last shard, on its way to the disk.
    flushed: Option<Flush>,
}

/// Waits for the disk in a thread of its own.
struct Flush {
    path: PathBuf,
    thread: JoinHandle<io::Result<()>>,
}

impl Flush {
    fn start(path: PathBuf, file: File) -> Result<Self, DataError> {
        let thread = std::thread::Builder::new().spawn(move || file.sync_all());
        let thread = thread.map_err(DataError::io(&path, "write"))?;
        Ok(Self { path, thread })
    }

    fn wait(self) -> Result<(), DataError> {
        let done =
            self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that waited for the disk died")));
        done.map_err(DataError::io(&self.path, "write"))
    }
}

impl Writer {
    /// Starts a dataset at `target`; shards are closed when they reach `shard_bytes`.
    ///
    /// # Errors
    /// [`DataError::Exists`] when there is something at `target`; what the file system refuses; impossible sizes.
    pub fn create(target: &Path, manifest: Manifest, shard_bytes: usize) -> Result<Self, DataError> {
        refuse_existing(target)?;
        manifest.check(target)?;
        let partial = Partial::beside(target)?;
        let columns = frame_columns(&manifest);
        Ok(Self {
            target: target.to_owned(),
            partial,
            shard: vec![Vec::new(); columns.len()],
            columns,
            manifest,
            shard_bytes,
            shard_frames: 0,
            shard_episodes: 0,
            episodes: Default::default(),
            layouts: BTreeSet::new(),
            flushed: None,
        })
    }

    /// Adds an episode with its pictures, u8 `[frames, channels, height, width]`.
    ///
    /// # Errors
    /// [`DataError::Config`] when a part of the episode has the wrong size; what the file system refuses.
    pub fn push(&mut self, episode: &Episode, pixels: &[u8]) -> Result<(), DataError> {
        let (shape, frames) = (self.manifest.shape(), episode.frames());
        let steps = frames.saturating_sub(1);
        for (what, found, expected) in [
            ("pixels", pixels.len(), frames * shape.pixels.len()),
            ("states", episode.states.len(), frames * self.manifest.state.len()),
            ("labels", episode.labels.len(), frames * shape.labels),
            ("actions", episode.actions.len(), steps * shape.action),
        ] {
            if found != expected || frames == 0 {
                let key = format!("episode {}: {what}", self.manifest.counts.episodes);
                return Err(DataError::config(
                    &key,
                    format!("{found} numbers"),
                    format!("{expected} for {frames} frames"),
                ));
            }
        }
        if episode.policy >= self.manifest.policies.len() || i64::try_from(episode.layout).is_err() {
            let found = format!("policy {}, layout {}", episode.policy, episode.layout);
            let expected = format!("a policy under {}, a layout under 2^63", self.manifest.policies.len());
            return Err(DataError::config(&format!("episode {}", self.manifest.counts.episodes), found, expected));
        }

        let offset = self.manifest.counts.frames as i64;
        let row = [frames as i64, offset, episode.layout as i64, episode.policy as i64];
        self.episodes.iter_mut().zip(row).for_each(|(column, value)| column.extend(value.to_le_bytes()));
        let [state, action, label, picture, eventful, last] = self.shard.as_mut_slice() else { unreachable!() };
        if picture.is_empty() {
            // Memory that is not written costs nothing, memory that grows is copied; without it, pushing says so.
            let _ = picture.try_reserve_exact(self.shard_bytes + pixels.len());
        }
        state.extend(episode.states.iter().flat_map(|value| value.to_le_bytes()));
        action.extend(episode.actions.iter().flat_map(|value| value.to_le_bytes()));
        action.extend(std::iter::repeat_n(0, shape.action * 4));
        label.extend(episode.labels.iter().flat_map(|value| value.to_le_bytes()));
        picture.extend_from_slice(pixels);
        eventful.extend(episode.eventful.iter().map(|&eventful| u8::from(eventful)));
        last.extend((0..frames).map(|frame| u8::from(frame == steps)));

        self.layouts.insert(episode.layout);
        self.manifest.counts.frames += frames;
        self.manifest.counts.episodes += 1;
        self.shard_frames += frames;
        self.shard_episodes += 1;
        if self.shard.iter().map(Vec::len).sum::<usize>() >= self.shard_bytes {
            self.close_shard()?;
        }
        Ok(())
    }

    /// Bytes of the pictures and numbers taken so far.
    pub fn bytes(&self) -> u64 {
        let written: u64 = self.manifest.shards.iter().map(|shard| shard.bytes).sum();
        written + self.shard.iter().map(|column| column.len() as u64).sum::<u64>()
    }

    fn close_shard(&mut self) -> Result<(), DataError> {
        if self.shard_episodes == 0 {
            return Ok(());
        }
        let file = shard_name(self.manifest.shards.len());
        let path = self.partial.path().join(&file);
        let (record, written) = columns::write(&path, &self.columns, &self.shard, self.shard_frames)?;
        // While the disk takes this shard the next one is filled; no more than two are on their way.
        self.flush()?;
        self.flushed = Some(Flush::start(path, written)?);
        self.manifest.shards.push(ShardRecord {
            file,
            frames: self.shard_frames,
            episodes: self.shard_episodes,
            bytes: record.bytes,
            crc32: record.crc32,
        });
        self.shard.iter_mut().for_each(Vec::clear);
        (self.shard_frames, self.shard_episodes) = (0, 0);
        Ok(())
    }

    /// Waits until the disk has the shards.
    fn flush(&mut self) -> Result<(), DataError> {
        self.flushed.take().map_or(Ok(()), Flush::wait)
    }

    /// Writes what is left and gives the dataset its name.
    ///
    /// # Errors
    /// [`DataError::Exists`] when something took the name meanwhile; what the file system refuses. The partial folder is
    /// then removed.
    pub fn finish(mut self) -> Result<Manifest, DataError> {
        self.close_shard()?;
        self.manifest.counts.layouts = self.layouts.len();
        let episodes = self.manifest.counts.episodes;
        let path = self.partial.path().join(EPISODES);
        let (record, file) = columns::write(&path, &episode_columns(), &self.episodes, episodes)?;
        file.sync_all().map_err(DataError::io(&path, "write"))?;
        self.manifest.episodes = record;
        self.flush()?;
        let path = self.partial.path().join(MANIFEST);
        let text = toml::to_string(&self.manifest)
            .map_err(|error| DataError::format(&path, "manifest", error, "something TOML can say"))?;
        let mut file = File::create_new(&path).map_err(DataError::io(&path, "create"))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(DataError::io(&path, "write"))?;

        sync_folder(self.partial.path())?;
        refuse_existing(&self.target)?;
        self.partial.finish(&self.target)?;
        sync_folder(parent(&self.target))?;
        Ok(self.manifest.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whatever went wrong, it has been said or is of no use any more.
        let _ = self.flush();
    }
}

/// The folder that something is in.
pub(crate) fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn refuse_existing(target: &Path) -> Result<(), DataError> {
    match target.symlink_metadata() {
        Ok(_) => Err(DataError::Exists { path: target.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Waits until the disk has a folder's names.
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    // Elsewhere a folder cannot be opened as a file.
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(DataError::io(folder, "write"))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

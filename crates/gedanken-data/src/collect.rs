//! Simulates episodes and writes them as a dataset.

use std::collections::BTreeMap;
use std::path::Path;

use gedanken_env::Env;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DataError, EnvRecord, Episode, Manifest, PolicyMix, Recorder, Shape, Writer, batch::row_mut};

/// The `[collect]` table: the episodes that `gedanken collect` records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectConfig {
    /// Layouts to record.
    #[schemars(range(min = 1))]
    pub layouts: usize,
    /// Episodes of each layout; the distance head needs several.
    #[schemars(range(min = 1))]
    pub episodes: usize,
    /// Control steps of an episode; it has one more frame.
    #[schemars(range(min = 1, max = 1048576))]
    pub episode_steps: usize,
    /// A shard is closed when it has grown to this many MiB; one shard is held in memory.
    #[schemars(range(min = 1, max = 65536))]
    pub shard_mib: usize,
    /// The environment's scripted policies by name, with weights; one is drawn for each episode. Empty: the
    /// environment's first policy.
    pub policies: BTreeMap<String, f64>,
}

impl Default for CollectConfig {
    fn default() -> Self {
        Self { layouts: 256, episodes: 8, episode_steps: 90, shard_mib: 256, policies: BTreeMap::new() }
    }
}

/// Progress of [`collect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Episodes recorded.
    pub episodes: usize,
    /// Episodes to record.
    pub total: usize,
    /// Frames recorded.
    pub frames: usize,
    /// Bytes recorded.
    pub bytes: u64,
}

/// Records `layouts * episodes` episodes of `env` and writes them to the new folder `out`.
///
/// Everything follows from `(config, env, seed)`, whatever the number of threads: the same call writes the same bytes.
/// `made` says how `env` was built, for whoever opens the dataset. `progress` is called after each episode.
///
/// # Errors
/// An impossible value, a folder that exists, what the environment or the file system refuses. Nothing is left then.
pub fn collect(
    config: &CollectConfig,
    env: &dyn Env,
    made: EnvRecord,
    seed: u64,
    out: &Path,
    progress: &mut dyn FnMut(Collected),
) -> Result<Manifest, DataError> {
    let spec = env.spec();
    if made.name != spec.name {
        return Err(DataError::config("env.name", made.name, &spec.name));
    }
    for (key, found, most) in [
        ("collect.layouts", config.layouts, 1 << 32),
        ("collect.episodes", config.episodes, 1 << 20),
        ("collect.shard_mib", config.shard_mib, 1 << 16),
    ] {
        if !(1..=most).contains(&found) {
            return Err(DataError::config(key, found, format!("1 to {most}")));
        }
    }
    let mix = PolicyMix::new(&config.policies, spec)?;
    let (steps, pixels) = (config.episode_steps, Shape::of(spec).pixels.len());
    Recorder::new(env, &mix, steps)?;
    let manifest = Manifest::new(spec, made, &mix, Some(steps), seed);
    let writer = Writer::create(out, manifest, config.shard_mib << 20)?;

    let record = |number: usize, recorded: &mut Recorded| {
        let (layout, index) = (number / config.episodes, number % config.episodes);
        let mut recorder = Recorder::new(env, &mix, steps)?;
        let Recorded { episode, pictures, .. } = recorded;
        recorder.record(seed, layout as u64, index as u64, episode)?;
        pictures.resize(episode.frames() * pixels, 0);
        (0..episode.frames()).try_for_each(|step| recorder.render(episode, step, row_mut(pictures, step, pixels)))
    };
    record_all(writer, config.layouts * config.episodes, record, progress)
}

/// An episode with its pictures, u8 `[frames, channels, height, width]`. Its memory is used again for another.
#[derive(Default)]
pub(crate) struct Recorded {
    pub episode: Episode,
    pub pictures: Vec<u8>,
    failed: Option<DataError>,
}

/// Writes `total` episodes in the order of their numbers, while those that follow are recorded, several at once.
pub(crate) fn record_all(
    mut writer: Writer,
    total: usize,
    record: impl Fn(usize, &mut Recorded) -> Result<(), DataError> + Sync,
    progress: &mut dyn FnMut(Collected),
) -> Result<Manifest, DataError> {
    let together = 4 * rayon::current_num_threads();
    let (mut written, mut recorded) = (Vec::new(), Vec::new());
    let (mut episodes, mut frames) = (0, 0);
    let mut write = |set: &mut Vec<Recorded>| {
        for Recorded { episode, pictures, failed } in set {
            failed.take().map_or(Ok(()), Err)?;
            writer.push(episode, pictures)?;
            (episodes, frames) = (episodes + 1, frames + episode.frames());
            progress(Collected { episodes, total, frames, bytes: writer.bytes() });
        }
        Ok::<(), DataError>(())
    };
    for start in (0..total).step_by(together) {
        recorded.resize_with(together.min(total - start), Recorded::default);
        // One set is recorded while another is written. Whoever has written records as well: this thread may be one of rayon's.
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| {
                let each = recorded.par_iter_mut().enumerate();
                each.for_each(|(i, recorded)| recorded.failed = record(start + i, recorded).err());
            });
            write(&mut written)
        })?;
        std::mem::swap(&mut written, &mut recorded);
    }
    write(&mut written)?;
    writer.finish()
}

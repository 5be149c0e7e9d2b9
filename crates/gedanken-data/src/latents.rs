//! Latents that are encoded once and kept: a dataset whose frames are latents instead of pictures, one for every block of actions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gedanken_env::{ActionSpace, Env, ObservationSpace, derive_seed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collect::{Recorded, record_all};
use crate::{
    Collected, DataConfig, DataError, Dataset, EnvRecord, Episode, Manifest, PolicyMix, Recorder, Shape, SourceKind,
    Writer, batch::row, batch::row_mut,
};

/// Latents that are encoded once and kept, `[phase.latents]`: the frames of every episode that are `data.window.frameskip` control
/// steps apart, in half precision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatentsConfig {
    /// Layouts to simulate, for `data.source = "stream"`; of a dataset all are encoded. Default 2000.
    #[schemars(range(min = 1, max = 4294967296u64))]
    pub layouts: usize,
    /// Episodes of each simulated layout. Default 1.
    #[schemars(range(min = 1, max = 1048576))]
    pub episodes: usize,
    /// Frames that an episode is kept from, each and those that follow it in steps of `data.window.frameskip` an episode of its own;
    /// at most `frameskip`. Default: 1 of a simulated episode, as another one costs little more; all of a dataset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub starts: Option<usize>,
}

impl Default for LatentsConfig {
    fn default() -> Self {
        Self { layouts: 2000, episodes: 1, starts: None }
    }
}

/// The latents of a dataset that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentRecord {
    /// Control steps from one frame to the next.
    pub frameskip: usize,
    /// First frames that every episode was kept from.
    pub starts: usize,
    /// CRC-32 of what encoded them.
    pub encoder: u32,
}

/// The maker of latents: `encode` takes pictures u8 `[frames, channels, height, width]` and labels f32 `[frames, labels]` to latents
/// in half precision, little-endian f16 `[frames, tokens, dim]`.
pub struct LatentEncoder<'a> {
    /// Tokens and numbers of each.
    pub shape: [usize; 2],
    /// CRC-32 of its weights.
    pub identity: u32,
    /// The encoding.
    pub encode: &'a Encode<'a>,
}

/// Pictures and labels to latents in half precision.
type Encode<'a> = dyn Fn(&[u8], &[f32]) -> Vec<u8> + Sync + 'a;

/// Episodes to be encoded.
pub struct Episodes<'a> {
    /// Where they come from: their policies and lengths, or their dataset.
    pub data: &'a DataConfig,
    /// The environment.
    pub env: &'a dyn Env,
    /// The making of `env`.
    pub made: EnvRecord,
    /// Seed of simulated episodes, and of the first frames that are kept.
    pub seed: u64,
}

// A purpose of derived seeds.
const KEPT: u64 = 13;

impl LatentsConfig {
    /// Encodes episodes and writes their latents to the new folder `out`; where there is such a folder
    /// already, made of the same episodes by the same encoder, it is opened.
    ///
    /// # Errors
    /// As [`DataConfig::open`]; what the environment or the file system refuses.
    pub fn keep(
        &self,
        Episodes { data, env, made, seed }: Episodes<'_>,
        encoder: &LatentEncoder<'_>,
        out: &Path,
        progress: &mut dyn FnMut(Collected),
    ) -> Result<Arc<Dataset>, DataError> {
        let origin = self.origin(data, env, seed)?;
        let frameskip = data.window.frameskip;
        let all = if matches!(origin, Origin::Recorded(_)) { frameskip } else { 1 };
        let starts = self.starts.unwrap_or(all);
        if !(1..=frameskip).contains(&starts) {
            let expected = format!("1 to data.window.frameskip = {frameskip}");
            return Err(DataError::config("latents.starts", starts, expected));
        }
        let manifest = self.manifest(
            &origin,
            env,
            made,
            seed,
            encoder,
            LatentRecord { frameskip, starts, encoder: encoder.identity },
        )?;
        if let Some(kept) = existing(out, &manifest, origin.episodes() * starts) {
            return Ok(kept);
        }
        let shape = Shape::of(env.spec());
        let writer = Writer::create(out, manifest, SHARD)?;
        let record = |number: usize, into: &mut Recorded| {
            let episode = origin.episode(number / starts)?;
            let shift = derive_seed(seed, &[KEPT, (number / starts) as u64]) as usize % frameskip;
            let first = (shift + (number % starts) * frameskip / starts) % frameskip;
            let steps: Vec<usize> = (first..episode.frames()).step_by(frameskip).collect();
            let mut pictures = vec![0; steps.len() * shape.pixels.len()];
            origin.draw(number / starts, &episode, &steps, &mut pictures, shape.pixels.len())?;
            let kept = blocks(&episode, &steps, frameskip, &shape);
            into.pictures = (encoder.encode)(&pictures, &kept.labels);
            into.episode = kept;
            Ok(())
        };
        record_all(writer, origin.episodes() * starts, record, progress)?;
        Ok(Arc::new(Dataset::open(out)?))
    }

    fn origin<'a>(&self, data: &DataConfig, env: &'a dyn Env, seed: u64) -> Result<Origin<'a>, DataError> {
        match (data.source, &data.path) {
            (SourceKind::Disk, Some(path)) => {
                let dataset = Dataset::open(path)?;
                dataset.check_env(env.spec())?;
                Ok(Origin::Recorded(Box::new(dataset)))
            }
            _ => {
                let mix = PolicyMix::new(&data.policies, env.spec())?;
                Recorder::new(env, &mix, data.episode_steps)?;
                let seed = derive_seed(seed, &[KEPT]);
                Ok(Origin::Simulated {
                    env,
                    mix,
                    steps: data.episode_steps,
                    seed,
                    layouts: self.layouts,
                    each: self.episodes,
                })
            }
        }
    }

    fn manifest(
        &self,
        origin: &Origin<'_>,
        env: &dyn Env,
        made: EnvRecord,
        seed: u64,
        encoder: &LatentEncoder<'_>,
        record: LatentRecord,
    ) -> Result<Manifest, DataError> {
        let spec = env.spec();
        let [tokens, dim] = encoder.shape;
        let (mix, seed) = match origin {
            Origin::Simulated { mix, seed, .. } => (mix.clone(), *seed),
            Origin::Recorded(dataset) => {
                // Latents of another dataset in the same place are other ones.
                let content: Vec<u64> = dataset.manifest().shards.iter().map(|shard| shard.crc32.into()).collect();
                (PolicyMix::new(&BTreeMap::new(), spec)?, derive_seed(seed, &content))
            }
        };
        let mut manifest = Manifest::new(spec, made, &mix, None, seed);
        if let Origin::Recorded(dataset) = origin {
            manifest.policies.clone_from(&dataset.manifest().policies);
        }
        if let Origin::Simulated { steps, .. } = origin {
            manifest.episode_steps = Some(*steps);
        }
        // Two bytes a number.
        manifest.observation = ObservationSpace { channels: tokens, height: dim, width: 2 };
        let ActionSpace { low, high, .. } = &spec.action;
        manifest.action = ActionSpace {
            low: low.repeat(record.frameskip),
            high: high.repeat(record.frameskip),
            ..spec.action.clone()
        };
        manifest.latents = Some(record);
        Ok(manifest)
    }
}

/// Bytes of a shard.
const SHARD: usize = 256 << 20;

/// The dataset in `out`, where it is the one that would be made. Any other is removed.
fn existing(out: &Path, manifest: &Manifest, episodes: usize) -> Option<Arc<Dataset>> {
    let same = |kept: &Dataset| {
        let there = kept.manifest();
        let facts = |manifest: &Manifest| {
            (
                manifest.latents,
                manifest.seed,
                manifest.episode_steps,
                manifest.observation,
                manifest.action.clone(),
                manifest.env.clone(),
            )
        };
        facts(there) == facts(manifest) && there.policies == manifest.policies && there.counts.episodes == episodes
    };
    match Dataset::open(out) {
        Ok(kept) if same(&kept) => Some(Arc::new(kept)),
        _ => {
            // What cannot be removed is named when the new one is written.
            let _ = std::fs::remove_dir_all(out);
            None
        }
    }
}

/// Where the episodes come from.
enum Origin<'a> {
    Simulated { env: &'a dyn Env, mix: PolicyMix, steps: usize, seed: u64, layouts: usize, each: usize },
    Recorded(Box<Dataset>),
}

impl Origin<'_> {
    fn episodes(&self) -> usize {
        match self {
            Self::Simulated { layouts, each, .. } => layouts * each,
            Self::Recorded(dataset) => dataset.episodes().len(),
        }
    }

    fn episode(&self, number: usize) -> Result<Episode, DataError> {
        match self {
            Self::Simulated { env, mix, steps, seed, each, .. } => {
                let mut episode = Episode::default();
                let (layout, index) = ((number / each) as u64, (number % each) as u64);
                Recorder::new(*env, mix, *steps)?.record(*seed, layout, index, &mut episode);
                Ok(episode)
            }
            Self::Recorded(dataset) => dataset.episode(&dataset.episodes()[number]),
        }
    }

    /// The pictures of some steps of an episode, each of `size` bytes.
    fn draw(
        &self,
        number: usize,
        episode: &Episode,
        steps: &[usize],
        out: &mut [u8],
        size: usize,
    ) -> Result<(), DataError> {
        match self {
            Self::Simulated { env, mix, steps: length, .. } => {
                let mut recorder = Recorder::new(*env, mix, *length)?;
                let mut frames = steps.iter().enumerate();
                frames.try_for_each(|(i, &step)| recorder.render(episode, step, row_mut(out, i, size)))
            }
            Self::Recorded(dataset) => {
                let entry = dataset.episodes()[number];
                for (i, &step) in steps.iter().enumerate() {
                    row_mut(out, i, size).copy_from_slice(dataset.frame_of(&entry, step)?.pixels());
                }
                Ok(())
            }
        }
    }
}

/// An episode seen at some steps only, `frameskip` apart: actions are the blocks between them. A frame is eventful where one of the
/// control steps up to the next is.
fn blocks(episode: &Episode, steps: &[usize], frameskip: usize, shape: &Shape) -> Episode {
    let frames = episode.frames();
    let state = episode.states.len() / frames;
    let rows = |all: &[f32], size: usize| steps.iter().flat_map(|&step| row(all, step, size).to_vec()).collect();
    let until = steps.len() - 1;
    Episode {
        layout: episode.layout,
        policy: episode.policy,
        states: steps.iter().flat_map(|&step| row(&episode.states, step, state).to_vec()).collect(),
        actions: steps[..until]
            .iter()
            .flat_map(|&step| episode.actions[step * shape.action..(step + frameskip) * shape.action].to_vec())
            .collect(),
        labels: rows(&episode.labels, shape.labels),
        eventful: steps
            .iter()
            .map(|&step| episode.eventful[step..frames.min(step + frameskip)].iter().any(|&eventful| eventful))
            .collect(),
    }
}

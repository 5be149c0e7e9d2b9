//! Latents that are encoded once and kept: a dataset whose frames are latents instead of pictures, one for every block of actions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gedanken_env::{ActionSpace, Env, ObservationSpace, derive_seed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collect::{Recorded, record_all};
use crate::dataset_source::layouts_of;
use crate::{
    Collected, DataConfig, DataError, Dataset, EnvRecord, Episode, EpisodeEntry, Manifest, PolicyMix, PolicyRecord,
    Recorder, Shape, SourceKind, Split, Writer, batch::row, batch::row_mut,
};

/// Latents that are encoded once and kept, `[phase.latents]`: the frames of every episode that are `data.window.frameskip` control
/// steps apart, in half precision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatentsConfig {
    /// Layouts to simulate, for `data.source = "stream"`; of a dataset all for training are encoded. Default 2000.
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
    /// Further episodes, in which the model as it is when the phase begins plans: in tasks of the phase's training episodes, by the
    /// protocol of `[eval]` and the phase's planner. Default 0.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(range(max = 4294967296u64))]
    pub planned: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Default for LatentsConfig {
    fn default() -> Self {
        Self { layouts: 2000, episodes: 1, starts: None, planned: 0 }
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

/// Layouts of planned episodes are numbered from here on.
const PLANNED: u64 = 1 << 40;

impl LatentsConfig {
    /// Encodes episodes (of a dataset those for training) and writes their latents to the new folder `out`; where there is such a folder
    /// already, made of the same episodes by the same encoder, it is opened. `plan` makes the planned ones, if there are any, and is asked
    /// only where they are needed.
    ///
    /// # Errors
    /// As [`DataConfig::open`]; what the environment or the file system refuses; an error of `plan`.
    pub fn keep<E: From<DataError>>(
        &self,
        Episodes { data, env, made, seed }: Episodes<'_>,
        encoder: &LatentEncoder<'_>,
        out: &Path,
        plan: impl FnOnce(usize) -> Result<Vec<Episode>, E>,
        progress: &mut dyn FnMut(Collected),
    ) -> Result<Arc<Dataset>, E> {
        let origin = self.origin(data, env, seed)?;
        let frameskip = data.window.frameskip;
        let all = if matches!(origin, Origin::Recorded { .. }) { frameskip } else { 1 };
        let starts = self.starts.unwrap_or(all);
        if !(1..=frameskip).contains(&starts) {
            let expected = format!("1 to data.window.frameskip = {frameskip}");
            return Err(DataError::config("latents.starts", starts, expected).into());
        }
        let record = LatentRecord { frameskip, starts, encoder: encoder.identity };
        let manifest = self.manifest(&origin, env, made, seed, encoder, record)?;
        let total = (origin.episodes() + self.planned) * starts;
        if let Some(kept) = existing(out, &manifest, total) {
            return Ok(kept);
        }
        let mut planned = if self.planned > 0 { plan(self.planned)? } else { Vec::new() };
        planned.iter_mut().for_each(|episode| {
            episode.layout += PLANNED;
            episode.policy = manifest.policies.len() - 1;
        });
        let all = Played { env, origin, planned };
        let shape = Shape::of(env.spec());
        let writer = Writer::create(out, manifest, SHARD)?;
        let record = |number: usize, into: &mut Recorded| {
            let (number, start) = (number / starts, number % starts);
            let episode = all.episode(number)?;
            // A plan's blocks begin with the episode.
            let shift = match all.is_planned(number) {
                true => 0,
                false => derive_seed(seed, &[KEPT, number as u64]) as usize % frameskip,
            };
            // Of an episode that ends before it would begin there is its last frame.
            let first = ((shift + start * frameskip / starts) % frameskip).min(episode.frames() - 1);
            let steps: Vec<usize> = (first..episode.frames()).step_by(frameskip).collect();
            let mut pictures = vec![0; steps.len() * shape.pixels.len()];
            all.draw(number, &episode, &steps, &mut pictures, shape.pixels.len())?;
            let kept = blocks(&episode, &steps, frameskip, &shape);
            into.pictures = (encoder.encode)(&pictures, &kept.labels);
            into.episode = kept;
            Ok(())
        };
        record_all(writer, total, record, progress)?;
        Ok(Arc::new(Dataset::open(out)?))
    }

    fn origin<'a>(&self, data: &DataConfig, env: &'a dyn Env, seed: u64) -> Result<Origin<'a>, DataError> {
        match (data.source, &data.path) {
            (SourceKind::Disk, Some(path)) => {
                let dataset = Dataset::open(path)?;
                dataset.check_env(env.spec())?;
                // What is kept is learned from: no episode of the validation split is.
                let layouts = layouts_of(&dataset, Split::Train, data.validation)?;
                let episodes = layouts.into_iter().flat_map(|(_, episodes)| episodes).collect();
                Ok(Origin::Recorded { dataset: Box::new(dataset), episodes })
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
            Origin::Recorded { dataset, .. } => {
                // Latents of another dataset in the same place are other ones.
                let seed = derive_seed(seed, &[dataset.manifest().identity().into()]);
                (PolicyMix::new(&BTreeMap::new(), spec)?, seed)
            }
        };
        let mut manifest = Manifest::new(spec, made, &mix, None, seed);
        if let Origin::Recorded { dataset, .. } = origin {
            manifest.policies.clone_from(&dataset.manifest().policies);
        }
        if self.planned > 0 {
            let share = self.planned as f64 / (origin.episodes() + self.planned) as f64;
            manifest.policies.iter_mut().for_each(|policy| policy.share *= 1.0 - share);
            manifest.policies.push(PolicyRecord { name: "planned".to_owned(), share });
        } else if let Origin::Simulated { steps, .. } = origin {
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
    Recorded { dataset: Box<Dataset>, episodes: Vec<EpisodeEntry> },
}

impl Origin<'_> {
    fn episodes(&self) -> usize {
        match self {
            Self::Simulated { layouts, each, .. } => layouts * each,
            Self::Recorded { episodes, .. } => episodes.len(),
        }
    }

    fn episode(&self, number: usize) -> Result<Episode, DataError> {
        match self {
            Self::Simulated { env, mix, steps, seed, each, .. } => {
                let mut episode = Episode::default();
                let (layout, index) = ((number / each) as u64, (number % each) as u64);
                Recorder::new(*env, mix, *steps)?.record(*seed, layout, index, &mut episode)?;
                Ok(episode)
            }
            Self::Recorded { dataset, episodes } => dataset.episode(&episodes[number]),
        }
    }
}

/// All episodes, the planned ones last.
struct Played<'a> {
    env: &'a dyn Env,
    origin: Origin<'a>,
    planned: Vec<Episode>,
}

impl Played<'_> {
    fn is_planned(&self, number: usize) -> bool {
        number >= self.origin.episodes()
    }

    fn episode(&self, number: usize) -> Result<Episode, DataError> {
        match number.checked_sub(self.origin.episodes()) {
            Some(planned) => Ok(self.planned[planned].clone()),
            None => self.origin.episode(number),
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
        if let (false, Origin::Recorded { dataset, episodes }) = (self.is_planned(number), &self.origin) {
            for (i, &step) in steps.iter().enumerate() {
                row_mut(out, i, size).copy_from_slice(dataset.frame_of(&episodes[number], step)?.pixels());
            }
            return Ok(());
        }
        let mut env = self.env.boxed_clone();
        let state = env.spec().state.len();
        for (i, &step) in steps.iter().enumerate() {
            env.set_state(row(&episode.states, step, state))?;
            env.observe(row_mut(out, i, size));
        }
        Ok(())
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

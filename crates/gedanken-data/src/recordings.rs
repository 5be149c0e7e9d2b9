//! Recordings of other programs: their states and actions, seen again by an environment of ours.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use gedanken_env::{Env, Spec, derive_seed};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::batch::row_mut;
use crate::collect::{Collected, Recorded, record_all};
use crate::episode::IMPORTED;
use crate::policies::RECORDED;
use crate::{DataError, EnvRecord, Episode, Manifest, PolicyMix, PolicyRecord, Shape, Writer};

/// Episodes of another program, one after another.
///
/// They come from one safetensors file of columns:
///
/// | column | type | |
/// |---|---|---|
/// | `state` | f32 or f64 `[frames, numbers]` | the environment's state or its first numbers: push-T takes the field's seven |
/// | `action` | f32 or f64 `[frames, action]` | what was executed at this frame, in the environment's units; that of an episode's last frame is not looked at |
/// | `ep_len` | i32 or i64 `[episodes]` | frames of each episode; one without an action, of a single frame, is left out |
/// | `layout` | i32 or i64 `[episodes]` | optional: equal where episodes share a layout. Without it each has its own |
#[derive(Clone, Debug)]
pub struct Recordings {
    pub(crate) path: PathBuf,
    pub(crate) states: Vec<f64>,
    pub(crate) actions: Vec<f32>,
    pub(crate) pieces: Vec<Piece>,
    /// Episodes of the file.
    episodes: usize,
    /// Numbers of a row of `states` and of `actions`.
    pub(crate) sizes: [usize; 2],
}

/// An episode's place in the columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Its row in `ep_len`.
    pub number: usize,
    /// Its first frame.
    pub from: usize,
    /// Its frames, two or more.
    pub frames: usize,
    pub layout: u64,
}

impl Recordings {
    /// Reads a file for an environment.
    ///
    /// # Errors
    /// A file that cannot be read; a column that is missing, of another type or size, or not as long as the others.
    pub fn open(path: &Path, spec: &Spec) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(DataError::io(path, "read the recordings"))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| DataError::format(path, "safetensors", error, "a whole safetensors file"))?;
        let lengths = whole_numbers(&column(path, &file, "ep_len", 1)?, path, "ep_len")?;
        if lengths.is_empty() {
            return Err(DataError::format(path, "column `ep_len`", "no episode", "one or more"));
        }
        let frames = lengths.iter().try_fold(0u64, |sum, &length| sum.checked_add(length));
        let table = |name: &str, sizes: RangeInclusive<usize>, of: &str| -> Result<(Vec<f64>, usize), DataError> {
            let view = column(path, &file, name, 2)?;
            let shape = view.shape();
            if Some(shape[0] as u64) == frames && sizes.contains(&shape[1]) {
                return Ok((numbers(&view, path, name)?, shape[1]));
            }
            let rows = frames.map_or("more than there can be".to_owned(), |frames| frames.to_string());
            let (least, most) = sizes.into_inner();
            let many = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let expected = format!("[{rows}, {many}]: frames by ep_len, {of} of {}", spec.name);
            Err(DataError::format(path, format!("column `{name}`"), format!("{shape:?}"), expected))
        };
        let (states, state) = table("state", 1..=spec.state.len(), "numbers of the state")?;
        let (actions, action) = table("action", spec.action.len()..=spec.action.len(), "numbers of an action")?;
        let layouts = match file.tensor("layout") {
            Ok(_) => whole_numbers(&column(path, &file, "layout", 1)?, path, "layout")?,
            Err(_) => (0..lengths.len() as u64).collect(),
        };
        if layouts.len() != lengths.len() {
            let (found, expected) = (format!("{} rows", layouts.len()), format!("{}, as in ep_len", lengths.len()));
            return Err(DataError::format(path, "column `layout`", found, expected));
        }
        let (mut from, mut pieces) = (0, Vec::new());
        for (number, (&frames, &layout)) in lengths.iter().zip(&layouts).enumerate() {
            let frames = frames as usize;
            if frames > 1 {
                pieces.push(Piece { number, from, frames, layout });
            }
            from += frames;
        }
        if pieces.is_empty() {
            return Err(DataError::format(path, "ep_len", "no episode of 2 frames or more", "one with an action"));
        }
        Ok(Self {
            path: path.to_owned(),
            states,
            actions: actions.into_iter().map(|x| x as f32).collect(),
            pieces,
            episodes: lengths.len(),
            sizes: [state, action],
        })
    }

    /// Episodes that are left out, in a sentence; none where every episode has an action.
    pub fn remark(&self) -> Option<String> {
        let short = self.episodes - self.pieces.len();
        (short > 0).then(|| {
            format!(
                "{}: {short} of {} episodes have a single frame and no action, or none at all: left out",
                self.path.display(),
                self.episodes
            )
        })
    }

    /// A copy of `env` in a layout. What the recorded states leave open is as after this reset, a function of `seed`.
    pub(crate) fn enter(&self, piece: &Piece, env: &dyn Env, seed: u64) -> Box<dyn Env> {
        let mut env = env.boxed_clone();
        env.reset(derive_seed(seed, &[IMPORTED, piece.layout]));
        env
    }

    /// Puts an environment into a recorded state and writes the full one, f64 `[state]`.
    ///
    /// # Errors
    /// A state that the environment refuses, with its row.
    pub(crate) fn place(
        &self,
        env: &mut dyn Env,
        piece: &Piece,
        frame: usize,
        state: &mut [f64],
    ) -> Result<(), DataError> {
        let row = piece.from + frame;
        let given = self.state(row);
        // An environment may settle what it is placed at; what was recorded has settled already.
        let placed = env.set_beginning(given).and_then(|()| {
            env.state(state);
            state[..given.len()].copy_from_slice(given);
            env.set_state(state)
        });
        placed.map_err(|error| {
            let what = format!("column `state`, row {row} (frame {frame} of episode {})", piece.number);
            DataError::format(&self.path, what, error, "a state that can be")
        })
    }

    /// The recorded numbers of a row's state.
    pub(crate) fn state(&self, row: usize) -> &[f64] {
        crate::batch::row(&self.states, row, self.sizes[0])
    }

    /// Takes an episode, with its pictures as `env` shows its states.
    fn episode(&self, piece: &Piece, env: &dyn Env, seed: u64, into: &mut Recorded) -> Result<(), DataError> {
        let (spec, frames, action) = (env.spec(), piece.frames, self.sizes[1]);
        let Shape { pixels, labels, .. } = Shape::of(spec);
        let mut env = self.enter(piece, env, seed);
        into.episode = Episode {
            layout: piece.layout,
            policy: 0,
            states: vec![0.0; frames * spec.state.len()],
            actions: self.actions[piece.from * action..(piece.from + frames - 1) * action].to_vec(),
            labels: vec![0.0; frames * labels],
            eventful: vec![false; frames],
        };
        let Recorded { episode, pictures, .. } = into;
        episode.actions.chunks_exact_mut(action).for_each(|action| spec.action.clip(action));
        pictures.resize(frames * pixels.len(), 0);
        for frame in 0..frames {
            self.place(env.as_mut(), piece, frame, row_mut(&mut episode.states, frame, spec.state.len()))?;
            env.labels(row_mut(&mut episode.labels, frame, labels));
            episode.eventful[frame] = env.eventful();
            env.observe(row_mut(pictures, frame, pixels.len()));
        }
        Ok(())
    }

    /// Writes all episodes as a dataset to the new folder `out`: their states as `env` takes them, its pictures and labels of them, and
    /// the actions, brought into its bounds. Their policy is called `recorded`. Everything else is as in [`crate::collect`].
    ///
    /// # Errors
    /// A state that the environment refuses, a folder that exists, what the file system refuses. Nothing is left then.
    pub fn write(
        &self,
        env: &dyn Env,
        made: EnvRecord,
        seed: u64,
        shard_mib: usize,
        out: &Path,
        progress: &mut dyn FnMut(Collected),
    ) -> Result<Manifest, DataError> {
        let mix = PolicyMix::new(&Default::default(), env.spec())?;
        let mut manifest = Manifest::new(env.spec(), made, &mix, None, seed);
        manifest.policies = vec![PolicyRecord { name: RECORDED.to_owned(), share: 1.0 }];
        let writer = Writer::create(out, manifest, shard_mib << 20)?;
        let record = |number: usize, into: &mut Recorded| self.episode(&self.pieces[number], env, seed, into);
        record_all(writer, self.pieces.len(), record, progress)
    }
}

fn column<'a>(path: &Path, file: &SafeTensors<'a>, name: &str, dimensions: usize) -> Result<TensorView<'a>, DataError> {
    let view = file.tensor(name).map_err(|_| {
        let mut found: Vec<_> = file.names().iter().map(|name| name.to_string()).collect();
        found.sort();
        DataError::format(path, "columns", found.join(", "), format!("a column `{name}`"))
    })?;
    if view.shape().len() == dimensions {
        return Ok(view);
    }
    let (what, found) = (format!("column `{name}`"), format!("{:?}", view.shape()));
    Err(DataError::format(path, what, found, format!("{dimensions} dimensions")))
}

/// A column of f32 or f64.
fn numbers(view: &TensorView<'_>, path: &Path, name: &str) -> Result<Vec<f64>, DataError> {
    match view.dtype() {
        Dtype::F32 => Ok(crate::columns::f32s(view.data()).map(f64::from).collect()),
        Dtype::F64 => Ok(crate::columns::f64s(view.data()).collect()),
        other => Err(DataError::format(path, format!("column `{name}`"), other, "F32 or F64")),
    }
}

/// A column of i32 or i64 that are not negative.
fn whole_numbers(view: &TensorView<'_>, path: &Path, name: &str) -> Result<Vec<u64>, DataError> {
    let what = format!("column `{name}`");
    let found: Vec<i64> = match view.dtype() {
        Dtype::I32 => view.data().as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect(),
        Dtype::I64 => crate::columns::i64s(view.data()).collect(),
        other => return Err(DataError::format(path, what, other, "I32 or I64")),
    };
    let of = |number: i64| u64::try_from(number).map_err(|_| DataError::format(path, &what, number, "0 or more"));
    found.into_iter().map(of).collect()
}

#![doc = include_str!("../README.md")]

mod import;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use gedanken_data::{Dataset, EpisodeEntry, Frame};
use gedanken_env::{Entry, Env, EnvError, Field, Rng, Spec, entry as env_entry, rng};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use import::{Import, ImportError, Imported};

/// The name of the environment.
pub const NAME: &str = "recordings";

/// The line that puts it into a list of environments.
pub fn entry() -> Entry<dyn Env> {
    env_entry(NAME, Recordings::new)
}

/// Episodes that were recorded elsewhere: there is no simulator. What trains on them reads this dataset, and no `[data]` is needed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The dataset that `gedanken data import` made; relative to the working folder.
    pub path: PathBuf,
}

/// An environment that shows what was recorded: a state is a frame of an episode, and a step leads to the frame after it, whatever the action.
/// At its end an episode stands still.
#[derive(Clone)]
pub struct Recordings {
    dataset: Arc<Dataset>,
    spec: Arc<Spec>,
    episode: usize,
    frame: usize,
}

/// Purposes of derived seeds.
const EPISODE: u64 = 1;
const FRAME: u64 = 2;

impl Recordings {
    /// The episodes of a dataset.
    ///
    /// # Errors
    /// [`EnvError::Option`]: a folder that is no dataset of this environment, or an empty one.
    pub fn new(options: Options) -> Result<Self, EnvError> {
        let wrong = |found: String, expected: &str| EnvError::option(NAME, "path", found, expected);
        if options.path.as_os_str().is_empty() {
            return Err(wrong("none".to_owned(), "the dataset that `gedanken data import` made"));
        }
        let dataset = Dataset::open(&options.path)
            .map_err(|error| wrong(format!("{}: {error}", options.path.display()), "a dataset"))?;
        let manifest = dataset.manifest();
        if manifest.env.name != NAME || dataset.episodes().is_empty() {
            let found =
                format!("{}, {} episodes of {}", options.path.display(), dataset.episodes().len(), manifest.env.name);
            return Err(wrong(found, "episodes that `gedanken data import` took from another program"));
        }
        let counts = manifest.counts;
        let spec = Spec {
            labels: manifest.labels.clone(),
            policies: Vec::new(),
            recorded: Some(options.path.clone()),
            ..Spec::new(
                NAME,
                &format!("{} frames in {} episodes, recorded elsewhere.", counts.frames, counts.episodes),
                manifest.observation,
                manifest.action.clone(),
                fields(),
            )
        };
        Ok(Self { dataset: Arc::new(dataset), spec: Arc::new(spec), episode: 0, frame: 0 })
    }

    fn entry(&self) -> EpisodeEntry {
        self.dataset.episodes()[self.episode]
    }

    fn now(&self) -> Option<Frame<'_>> {
        self.dataset.frame(self.entry().offset + self.frame)
    }

    fn any_frame(&mut self, mut rng: Rng) {
        self.frame = rng.random_range(0..self.entry().length);
    }
}

/// The numbers of a state.
fn fields() -> [Field; 2] {
    [Field::new("episode", "1"), Field::new("frame", "1")]
}

impl Env for Recordings {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) {
        self.episode = rng(seed, &[EPISODE]).random_range(0..self.dataset.episodes().len());
        self.any_frame(rng(seed, &[FRAME]));
    }

    fn restart(&mut self, seed: u64) {
        self.any_frame(rng(seed, &[FRAME]));
    }

    fn step(&mut self, _: &[f32]) {
        self.frame = (self.frame + 1).min(self.entry().length - 1);
    }

    fn observe(&self, pixels: &mut [u8]) {
        match self.now() {
            Some(frame) => pixels.copy_from_slice(frame.pixels()),
            None => pixels.fill(0),
        }
    }

    fn labels(&self, out: &mut [f32]) {
        if let Some(frame) = self.now() {
            out.iter_mut().zip(frame.labels()).for_each(|(out, label)| *out = label);
        }
    }

    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&[self.episode as f64, self.frame as f64]);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let episodes = self.dataset.episodes();
        let within = |number: f64, count: usize| number.fract() == 0.0 && number >= 0.0 && number < count as f64;
        match *state {
            [episode, frame] if within(episode, episodes.len()) && within(frame, episodes[episode as usize].length) => {
                (self.episode, self.frame) = (episode as usize, frame as usize);
                Ok(())
            }
            _ => {
                Err(EnvError::state(NAME, state, format!("an episode below {} and one of its frames", episodes.len())))
            }
        }
    }
}

//! Fresh episodes without end: nothing is stored, nothing is seen twice.

use std::collections::BTreeMap;

use gedanken_env::{Env, rng};

use crate::episode::WINDOW;
use crate::{Batch, DataError, Episode, PolicyMix, Recorder, Shape, Source, WindowConfig, batch::row};

/// Simulates the episodes of each batch when it is asked for.
///
/// Batch `index` has the layouts `index * layouts ..` and the first `episodes` episodes of each; two streams with
/// different seeds share nothing, so validation takes another seed.
pub struct Stream {
    env: Box<dyn Env>,
    shape: Shape,
    mix: PolicyMix,
    steps: usize,
    window: WindowConfig,
    seed: u64,
}

impl Stream {
    /// A stream of episodes of `steps` actions by `policies` (name to weight; none means the environment's first).
    ///
    /// # Errors
    /// An impossible window, an unknown policy, or a window that is longer than an episode.
    pub fn new(
        env: &dyn Env,
        policies: &BTreeMap<String, f64>,
        steps: usize,
        window: WindowConfig,
        seed: u64,
    ) -> Result<Self, DataError> {
        window.validate()?;
        let mix = PolicyMix::new(policies, env.spec())?;
        Recorder::new(env, &mix, steps)?;
        if window.span() > steps + 1 {
            let expected = format!("at most data.episode_steps + 1 = {} frames", steps + 1);
            let (key, found) = window.length();
            return Err(DataError::config(key, found, expected));
        }
        Ok(Self { env: env.boxed_clone(), shape: Shape::of(env.spec()), mix, steps, window, seed })
    }
}

impl Source for Stream {
    fn batch(&self, index: u64) -> Result<Batch, DataError> {
        let mut batch = Batch::zeros(self.shape, &self.window);
        // A copy for each batch: whatever an environment or a policy remembers cannot leak into the next.
        let mut recorder = Recorder::new(&*self.env, &self.mix, self.steps)?;
        let mut rng = rng(self.seed, &[WINDOW, index]);
        let mut episode = Episode::default();
        let mut times = vec![0; self.window.frames()];
        for window in 0..self.window.windows() {
            let (group, number) = (window / self.window.episodes, window % self.window.episodes);
            let layout = index.wrapping_mul(self.window.layouts as u64).wrapping_add(group as u64);
            recorder.record(self.seed, layout, number as u64, &mut episode)?;
            self.window.cut(episode.frames(), |frame| episode.eventful[frame], &mut rng, &mut times);
            batch.fill(
                window,
                &times,
                |step, pixels, labels| {
                    labels.copy_from_slice(row(&episode.labels, step, self.shape.labels));
                    recorder.render(&episode, step, pixels)
                },
                |step, action| {
                    action.copy_from_slice(row(&episode.actions, step, self.shape.action));
                    Ok(())
                },
            )?;
        }
        Ok(batch)
    }

    /// The first episode of layout `index`.
    fn episode(&self, index: u64) -> Result<Episode, DataError> {
        let mut episode = Episode::default();
        Recorder::new(&*self.env, &self.mix, self.steps)?.record(self.seed, index, 0, &mut episode)?;
        Ok(episode)
    }
}

//! Change in the pictures of a dataset: what there is to predict, and what actions decide.

use std::fmt;

use gedanken_env::{Env, derive_seed};
use serde::Serialize;

use crate::{DataError, Dataset, EpisodeEntry};

/// Shares of a picture's pixels that change and that answer to actions: means over windows of all episodes.
///
/// A pixel is another one when one of its channels differs by more than 8 of 255.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PixelSummary {
    /// Share of the pixels that are other ones a control step later.
    pub step: f64,
    /// The same a window later.
    pub window: f64,
    /// Share of the pixels that are other ones after a window of other actions from the same state; none where that was not simulated.
    pub answer: Option<f64>,
}

/// Windows that are looked at.
const WINDOWS: usize = 256;
/// A channel differs above this.
const DIFFERS: u8 = 8;

impl PixelSummary {
    /// Of windows of `frameskip` control steps.
    pub(crate) fn of(dataset: &Dataset, frameskip: usize) -> Result<Option<Self>, DataError> {
        let windows = windows(dataset, frameskip);
        if windows.is_empty() || dataset.manifest().latents.is_some() {
            return Ok(None);
        }
        let change = |later: usize| -> Result<f64, DataError> {
            let share = |(episode, start): &(EpisodeEntry, usize)| {
                let [before, after] = [0, later].map(|by| dataset.frame_of(episode, start + by));
                Ok(differing(before?.pixels(), after?.pixels(), dataset.shape().pixels.channels))
            };
            Ok(windows.iter().map(share).sum::<Result<f64, DataError>>()? / windows.len() as f64)
        };
        Ok(Some(Self { step: change(1)?, window: change(frameskip)?, answer: None }))
    }

    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, frameskip: usize) -> fmt::Result {
        let [step, window] = [self.step, self.window].map(|x| 100.0 * x);
        writeln!(
            f,
            "{:<20} {step:.2} % in a control step, {window:.2} % in {frameskip}: what there is to predict; of next to nothing, repeating \
             the last picture is almost right",
            "pixels that change"
        )?;
        let about = "what actions decide; of next to nothing, a model learns to ignore them";
        match self.answer {
            Some(answer) => writeln!(
                f,
                "{:<20} {:.2} % are other ones after {frameskip} control steps of other actions: {about}",
                "pixels that answer",
                100.0 * answer
            ),
            None => writeln!(f, "{:<20} not simulated: {about}", "pixels that answer"),
        }
    }
}

impl Dataset {
    /// Share of the pixels that depend on the actions: those that are other ones when `env` takes the actions of another window from
    /// the same state, for `frameskip` control steps. None where no episode is that long.
    ///
    /// # Errors
    /// A state that the environment refuses.
    pub fn answer(&self, env: &dyn Env, frameskip: usize) -> Result<Option<f64>, DataError> {
        let (windows, space) = (windows(self, frameskip), self.shape().pixels);
        let mut env = env.boxed_clone();
        let mut pictures = [vec![0; space.len()], vec![0; space.len()]];
        let (mut sum, mut action) = (0.0, vec![0.0; self.shape().action]);
        for (number, (episode, start)) in windows.iter().enumerate() {
            let state: Vec<f64> = self.frame_of(episode, *start)?.state().collect();
            let other = windows[(number + windows.len() / 2) % windows.len()];
            for (picture, (from, first)) in pictures.iter_mut().zip([(*episode, *start), other]) {
                env.set_state(&state)?;
                for step in first..first + frameskip {
                    let recorded = self.frame_of(&from, step)?.action();
                    action.iter_mut().zip(recorded).for_each(|(out, number)| *out = number);
                    env.step(&action);
                }
                env.observe(picture);
            }
            sum += differing(&pictures[0], &pictures[1], space.channels);
        }
        Ok((!windows.is_empty()).then(|| sum / windows.len() as f64))
    }
}

/// Windows of `frameskip` control steps, spread over the episodes that are long enough: an episode and a frame of it.
fn windows(dataset: &Dataset, frameskip: usize) -> Vec<(EpisodeEntry, usize)> {
    let long: Vec<_> = dataset.episodes().iter().filter(|episode| episode.length > frameskip).collect();
    let window = |number: usize| {
        let episode = *long[number * long.len() / WINDOWS];
        (episode, derive_seed(0, &[number as u64]) as usize % (episode.length - frameskip))
    };
    if long.is_empty() { Vec::new() } else { (0..WINDOWS).map(window).collect() }
}

/// Share of the pixels of which two pictures, u8 `[channels, area]`, have other ones.
fn differing(a: &[u8], b: &[u8], channels: usize) -> f64 {
    let area = a.len() / channels.max(1);
    let other = |pixel: &usize| {
        (0..channels).any(|channel| a[channel * area + pixel].abs_diff(b[channel * area + pixel]) > DIFFERS)
    };
    (0..area).filter(other).count() as f64 / area.max(1) as f64
}

//! Windows: the frames of an episode that a batch takes.

use gedanken_env::Rng;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DataError;

/// The `[data.window]` table: how many frames of how many episodes make a batch, and where they are cut.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WindowConfig {
    /// Consecutive frames of a window; the model unrolls over `time - 1` actions.
    #[schemars(range(min = 2))]
    pub time: usize,
    /// Control steps from one frame of a window to the next; what the model takes as one action is the block of their
    /// actions, one after the other, and the planner plans in such blocks.
    #[schemars(range(min = 1))]
    pub frameskip: usize,
    /// Further frames of the same episode at random other times: what the distance head and the variance terms look at.
    pub extra: usize,
    /// Layouts in a batch.
    #[schemars(range(min = 1))]
    pub layouts: usize,
    /// Episodes of each layout in a batch, one window each: the batch size is `layouts * episodes`.
    #[schemars(range(min = 1))]
    pub episodes: usize,
    /// Share of the windows drawn among those with an eventful frame (a wall within reach, a contact) between their first frame
    /// and their last, where the episode has one; the others are drawn uniformly.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub eventful: f64,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { time: 9, frameskip: 1, extra: 3, layouts: 16, episodes: 4, eventful: 0.4 }
    }
}

impl WindowConfig {
    /// Windows of a batch: `layouts * episodes`.
    pub fn windows(&self) -> usize {
        self.layouts * self.episodes
    }

    /// Frames of a window: `time + extra`.
    pub fn frames(&self) -> usize {
        self.time + self.extra
    }

    /// Frames of an episode from the first of a window to its last, those in between included: `(time - 1) * frameskip + 1`.
    pub fn span(&self) -> usize {
        self.time.saturating_sub(1) * self.frameskip + 1
    }

    /// The key to look at when an episode is too short, and what it says.
    pub(crate) fn length(&self) -> (&'static str, String) {
        match self.frameskip {
            1 => ("data.window.time", self.time.to_string()),
            skip => {
                ("data.window.frameskip", format!("{skip}, data.window.time: {}, a span of {}", self.time, self.span()))
            }
        }
    }

    /// Checks that every value is possible.
    ///
    /// # Errors
    /// [`DataError::Config`] names the key, its value and the possible ones.
    pub fn validate(&self) -> Result<(), DataError> {
        let count = |key: &str, found: usize, least: usize| match found {
            // A bound far above any use keeps products of sizes from overflowing.
            found if (least..=MOST).contains(&found) => Ok(()),
            found => Err(DataError::config(key, found, format!("{least} to {MOST}"))),
        };
        count("data.window.time", self.time, 2)?;
        count("data.window.frameskip", self.frameskip, 1)?;
        count("data.window.extra", self.extra, 0)?;
        count("data.window.layouts", self.layouts, 1)?;
        count("data.window.episodes", self.episodes, 1)?;
        if !(0.0..=1.0).contains(&self.eventful) {
            return Err(DataError::config("data.window.eventful", self.eventful, "0 to 1"));
        }
        Ok(())
    }

    /// Draws one window from an episode of `length >= span` frames: writes the steps of its frames, `[time + extra]`.
    pub(crate) fn cut(&self, length: usize, eventful: impl Fn(usize) -> bool, rng: &mut Rng, at: &mut [u32]) {
        let looks = rng.random_bool(self.eventful);
        let start = looks.then(|| self.eventful_start(length, eventful, rng)).flatten();
        let start = start.unwrap_or_else(|| rng.random_range(0..=length - self.span()));
        let (window, extra) = at.split_at_mut(self.time);
        window.iter_mut().zip((start..).step_by(self.frameskip)).for_each(|(at, step)| *at = step as u32);
        let (others, gap) = (length - self.time, self.frameskip - 1);
        let skipped = (self.time - 1) * gap;
        for at in extra {
            // With no frame left outside the window, one of the window is seen again.
            *at = match others {
                0 => rng.random_range(0..length),
                _ => match rng.random_range(0..others) {
                    before if before < start => before,
                    inside if inside - start < skipped => inside + (inside - start) / gap + 1,
                    after => after + self.time,
                },
            } as u32;
        }
    }

    /// Uniform over the starts whose window has an eventful frame; none when there is no such start.
    fn eventful_start(&self, length: usize, eventful: impl Fn(usize) -> bool, rng: &mut Rng) -> Option<usize> {
        let starts = || {
            let (mut latest, eventful) = (None, &eventful);
            (0..length).filter_map(move |frame| {
                latest = if eventful(frame) { Some(frame) } else { latest };
                let start = (frame + 1).checked_sub(self.span())?;
                latest.is_some_and(|latest| latest >= start).then_some(start)
            })
        };
        match starts().count() {
            0 => None,
            count => starts().nth(rng.random_range(0..count)),
        }
    }
}

const MOST: usize = 1 << 16;

//! Batches: windows of several episodes, grouped by layout.

use gedanken_env::{ObservationSpace, Spec};

use crate::{DataError, Episode, Scales, WindowConfig};

/// Sizes of one frame, one action and one row of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The pictures, u8 `[channels, height, width]`.
    pub pixels: ObservationSpace,
    /// Numbers of one action, or of a block of actions where a frame is several control steps after the one before.
    pub action: usize,
    /// Numbers of one row of labels.
    pub labels: usize,
}

impl Shape {
    /// The sizes of an environment.
    pub fn of(spec: &Spec) -> Self {
        Self { pixels: spec.observation, action: spec.action.len(), labels: spec.label_len() }
    }

    /// The same with blocks of the actions of `frameskip` control steps.
    #[must_use]
    pub fn blocks(self, frameskip: usize) -> Self {
        Self { action: self.action * frameskip, ..self }
    }
}

/// Windows of several episodes, grouped by layout: `layouts` groups of `episodes` windows each, so that window `w`
/// belongs to layout `w / episodes` of the batch. A window has `time` consecutive frames, `frameskip` control steps apart,
/// and then `extra` further frames of the same episode at random other times.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Sizes of a frame, a block of actions, a row of labels.
    pub shape: Shape,
    /// Layouts.
    pub layouts: usize,
    /// Episodes (windows) of each layout.
    pub episodes: usize,
    /// Consecutive frames of each window.
    pub time: usize,
    /// Control steps from one of the consecutive frames to the next.
    pub frameskip: usize,
    /// Further frames of each window.
    pub extra: usize,
    /// `[windows, time + extra, channels, height, width]`.
    pub pixels: Vec<u8>,
    /// `[windows, time - 1, frameskip * action]`: block `t` leads from frame `t` to frame `t + 1`.
    pub actions: Vec<f32>,
    /// `[windows, time + extra, labels]`.
    pub labels: Vec<f32>,
    /// `[windows, time + extra]`: the control step of the episode at which each frame was seen.
    pub at: Vec<u32>,
}

impl Batch {
    /// A batch of zeros, for frames, control steps' actions and labels of this shape.
    pub fn zeros(shape: Shape, window: &WindowConfig) -> Self {
        let WindowConfig { time, frameskip, extra, layouts, episodes, .. } = *window;
        let shape = shape.blocks(frameskip);
        let (windows, frames) = (layouts * episodes, layouts * episodes * (time + extra));
        Self {
            shape,
            layouts,
            episodes,
            time,
            frameskip,
            extra,
            pixels: vec![0; frames * shape.pixels.len()],
            actions: vec![0.0; windows * time.saturating_sub(1) * shape.action],
            labels: vec![0.0; frames * shape.labels],
            at: vec![0; frames],
        }
    }

    /// Windows: `layouts * episodes`.
    pub fn windows(&self) -> usize {
        self.layouts * self.episodes
    }

    /// Frames of one window: `time + extra`.
    pub fn frames(&self) -> usize {
        self.time + self.extra
    }

    /// Fills window `window` from an episode: the frames at `times` (`[time + extra]`, the first `time` are `frameskip`
    /// apart) through `frame(step, pixels, labels)`, the actions of control steps through `action(step, out)`.
    pub(crate) fn fill(
        &mut self,
        window: usize,
        times: &[u32],
        mut frame: impl FnMut(usize, &mut [u8], &mut [f32]) -> Result<(), DataError>,
        mut action: impl FnMut(usize, &mut [f32]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let Shape { pixels, action: numbers, labels } = self.shape;
        let first = window * self.frames();
        for (i, &step) in times.iter().enumerate() {
            self.at[first + i] = step;
            let (p, l) =
                (row_mut(&mut self.pixels, first + i, pixels.len()), row_mut(&mut self.labels, first + i, labels));
            frame(step as usize, p, l)?;
        }
        for (i, &step) in times[..self.time - 1].iter().enumerate() {
            let block = row_mut(&mut self.actions, window * (self.time - 1) + i, numbers);
            for (step, out) in (step as usize..).zip(block.chunks_exact_mut(numbers / self.frameskip)) {
                action(step, out)?;
            }
        }
        Ok(())
    }
}

/// Row `index` of rows of `size` numbers.
pub(crate) fn row<T>(all: &[T], index: usize, size: usize) -> &[T] {
    &all[index * size..(index + 1) * size]
}

/// Row `index` of rows of `size` numbers, to write.
pub(crate) fn row_mut<T>(all: &mut [T], index: usize, size: usize) -> &mut [T] {
    &mut all[index * size..(index + 1) * size]
}

/// Something that makes batches. Batch number `index` is a function of the source's seed and of `index` alone, so that
/// a resumed training asks for the next index and several workers may ask in any order.
pub trait Source: Send + Sync {
    /// Makes batch number `index`.
    ///
    /// # Errors
    /// Whatever keeps the batch from being made; another index may still work.
    fn batch(&self, index: u64) -> Result<Batch, DataError>;

    /// A whole episode of what the batches are cut from: a function of the seed and of `index` alone. Any index is
    /// possible; a source of finitely many episodes counts them round and round.
    ///
    /// # Errors
    /// Whatever keeps the episode from being made or read.
    fn episode(&self, index: u64) -> Result<Episode, DataError>;

    /// Frames of every episode, where there are finitely many: the one of number `i` is `episode(i)`. Default none, for a source
    /// without end.
    fn lengths(&self) -> Option<Vec<usize>> {
        None
    }

    /// A warning to the user, in a sentence: the episodes that it leaves out. Default none.
    fn remark(&self) -> Option<String> {
        None
    }

    /// The scale of actions and labels: that of all episodes, or of the first 512 of a source without end. Every frame counts once,
    /// whatever windows are preferred.
    ///
    /// # Errors
    /// As [`Source::episode`].
    fn scales(&self) -> Result<Scales, DataError> {
        let episodes = self.lengths().map_or(SCALED, |lengths| lengths.len() as u64);
        Scales::sum(episodes, |index| Ok(Scales::of(&self.episode(index)?)))
    }
}

/// Episodes of a source without end whose actions and labels are measured.
const SCALED: u64 = 512;

//! The scale of actions and labels.

use rayon::prelude::*;

use crate::{DataError, Episode};

/// Mean and standard deviation of every number of the rows of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    count: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Adds a row.
    pub fn add(&mut self, row: impl Iterator<Item = f32>) {
        self.count += 1.0;
        for (i, number) in row.map(f64::from).enumerate() {
            self.widen(i + 1);
            self.sums[i] += number;
            self.squares[i] += number * number;
        }
    }

    fn widen(&mut self, size: usize) {
        if self.sums.len() < size {
            self.sums.resize(size, 0.0);
            self.squares.resize(size, 0.0);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.widen(other.sums.len());
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, more)| *sum += more);
    }

    /// The means.
    pub fn mean(&self) -> Vec<f32> {
        self.sums.iter().map(|sum| (sum / self.count.max(1.0)) as f32).collect()
    }

    /// The standard deviations; 1 for what never varies (the label of a fixed wall), which stays in its own unit.
    pub fn std(&self) -> Vec<f32> {
        let count = self.count.max(1.0);
        let of = |(sum, square): (&f64, &f64)| (square / count - (sum / count).powi(2)).max(0.0).sqrt();
        let std = self.sums.iter().zip(&self.squares).map(of);
        std.map(|std| if std > 1e-6 { std as f32 } else { 1.0 }).collect()
    }
}

/// The scales of the actions of control steps and of the labels of frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scales {
    /// Of every number of an action.
    pub actions: Moments,
    /// Of every number of a row of labels.
    pub labels: Moments,
}

impl Scales {
    /// Those of an episode.
    pub fn of(episode: &Episode) -> Self {
        let frames = episode.frames();
        let rows = |all: &[f32], count: usize| {
            let mut moments = Moments::default();
            all.chunks_exact((all.len() / count.max(1)).max(1)).for_each(|row| moments.add(row.iter().copied()));
            moments
        };
        Self { actions: rows(&episode.actions, frames.saturating_sub(1)), labels: rows(&episode.labels, frames) }
    }

    /// Those of the episodes from 0 to `count`, several at once; the sum does not depend on how many.
    pub(crate) fn sum(
        count: u64,
        of: impl Fn(u64) -> Result<Self, DataError> + Send + Sync,
    ) -> Result<Self, DataError> {
        let each = (0..count).into_par_iter().map(of).collect::<Result<Vec<_>, _>>()?;
        Ok(each.iter().fold(Self::default(), |mut all, one| {
            all.actions.merge(&one.actions);
            all.labels.merge(&one.labels);
            all
        }))
    }
}

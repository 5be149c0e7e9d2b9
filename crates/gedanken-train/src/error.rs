//! Reasons to end a training before its end.

use std::path::PathBuf;

use gedanken_data::DataError;
use gedanken_model::CheckpointError;
use gedanken_run::{FolderError, TrackError};

/// Why training stopped before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss is not a number any more.
    #[error(
        "update {step}: the loss is {loss} ({terms}); {}. A lower train.lr or train.clip may help",
        last_good(kept)
    )]
    NotFinite {
        /// The update.
        step: u64,
        /// The loss.
        loss: f32,
        /// Its terms.
        terms: String,
        /// The last good checkpoint.
        kept: Option<PathBuf>,
    },
    /// An update has ruined weights: they are not written.
    #[error(
        "update {step}: {name} holds numbers that are not finite; {}. A lower train.lr or train.clip may help",
        last_good(kept)
    )]
    Ruined {
        /// The update.
        step: u64,
        /// The first weights that are.
        name: String,
        /// The last good checkpoint.
        kept: Option<PathBuf>,
    },
    /// The latents say the same about everything.
    #[error("update {step}: the latents have collapsed: {diagnosis}; {}", last_good(kept))]
    Collapsed {
        /// The update.
        step: u64,
        /// The measurement.
        diagnosis: String,
        /// The last good checkpoint.
        kept: Option<PathBuf>,
    },
    /// The data ended or broke.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The run's folder could not be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The metrics could not be written.
    #[error(transparent)]
    Track(#[from] TrackError),
}

fn last_good(kept: &Option<PathBuf>) -> String {
    match kept {
        Some(path) => format!("the last good checkpoint is {}", path.display()),
        None => "there is no good checkpoint yet".to_owned(),
    }
}

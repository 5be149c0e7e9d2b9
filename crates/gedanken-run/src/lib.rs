#![doc = include_str!("../README.md")]

mod aside;
mod atomic;
mod best;
mod board;
mod claim;
mod dashboards;
mod error;
mod film;
mod finished;
mod folder;
mod gif;
mod lettering;
pub mod picture;
mod plot;
mod progress;
mod tensorboard;
mod tracker;
mod whiskers;

pub use aside::Aside;
pub use atomic::{check_writable, lies_inside, remove_dir_atomic, write_atomic, write_atomic_with, write_dir_atomic};
pub use best::Best;
pub use board::{Board, BoardLine};
pub use claim::Claim;
pub use dashboards::Chart;
pub use error::FolderError;
pub use film::Scene;
pub use folder::{Checkpoint, RunFolder, step_of};
pub use gif::{gif, save_gif};
pub use picture::{Picture, PictureError, check_ending};
pub use plot::Plot;
pub use progress::{ProgressBar, say};
pub use tracker::{TrackError, Tracker, curve, curves};
pub use whiskers::{Whisker, Whiskers};

//! The paper of every run: its folder, its metrics, TensorBoard, pictures, films, charts, and how far it is.

mod atomic;
mod error;
mod film;
mod folder;
pub mod picture;
mod plot;
mod progress;
mod tensorboard;
mod tracker;

pub use atomic::{check_writable, remove_dir_atomic, write_atomic, write_atomic_with, write_dir_atomic};
pub use error::FolderError;
pub use film::{gif, save_gif, scene};
pub use folder::{Checkpoint, RunFolder, step_of, timestamp};
pub use picture::{Picture, PictureError};
pub use plot::Plot;
pub use progress::{Progress, duration, say};
pub use tracker::{TrackError, Tracker};

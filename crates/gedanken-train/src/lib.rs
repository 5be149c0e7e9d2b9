//! Training: the loop, its schedule, what it writes down, and how it goes on after it was stopped.

pub mod film;
pub mod progress;
pub mod run_folder;
pub mod tensorboard;
pub mod tracker;

mod checkpoint;
mod clock;
mod config;
mod error;
mod gradients;
mod learner;
mod measure;
mod optimizer;
mod trainer;

pub use checkpoint::load_model;
pub use clock::Clock;
pub use config::TrainConfig;
pub use error::TrainError;
pub use gradients::{PartNorm, clip_parts, split};
pub use learner::{Learner, Update};
pub use measure::{host_batch, measure};
pub use optimizer::adamw;
pub use run_folder::RunFolder;
pub use tracker::Tracker;
pub use trainer::{End, Evaluate, Save, Task, Trainer};

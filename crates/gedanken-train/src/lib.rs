#![doc = include_str!("../README.md")]

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
pub use config::{OptimizerKind, TrainConfig};
pub use error::TrainError;
pub use gradients::{PartNorm, clip_parts, split};
pub use learner::{Learner, Update};
pub use measure::{host_batch, latent_batch, measure, to_half};
pub use optimizer::optimizer;
pub use trainer::{End, Evaluate, MakeBatch, Save, Task, Trainer};

#![doc = include_str!("../README.md")]

mod checkpoint;
mod clock;
mod config;
mod error;
mod evaluation;
mod gradients;
mod improvement;
mod learner;
mod measure;
mod optimizer;
mod task;
mod trainer;

pub use checkpoint::{begin, load_model, newest_whole, verify};
pub use clock::Clock;
pub use config::{OptimizerKind, TrainConfig};
pub use error::TrainError;
pub use evaluation::{Evaluate, Evaluated, is_evaluated};
pub use gradients::{PartNorm, clip_parts, split};
pub use learner::{Learner, Update};
pub use measure::{host_batch, latent_batch, measure, to_half};
pub use optimizer::optimizer;
pub use task::{MakeBatch, Save, Task};
pub use trainer::{End, Trainer};

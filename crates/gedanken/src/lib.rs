//! Gedanken: joint embedding predictive world models that learn from pixels and act by planning.
//!
//! The face of the house: an [`Experiment`] is one TOML file, [`main`] is the program. A crate with environments of its own
//! calls the same [`main`] with them added:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     gedanken::main(gedanken::environments()) // .with(my_environment::entry())
//! }
//! ```

pub mod bench;
pub mod config;
pub mod device;

mod commands;
mod experiment;
mod kernel_cache;
mod memory;
mod threads;

pub use commands::{main, run};
pub use experiment::{ActionStatistics, Experiment, PixelStatistics};

pub use gedanken_data as data;
pub use gedanken_encoder as encoder;
pub use gedanken_env as env;
pub use gedanken_eval as eval;
pub use gedanken_model as model;
pub use gedanken_nn as nn;
pub use gedanken_planner as planner;
pub use gedanken_predictor as predictor;
pub use gedanken_regularizer as regularizer;
pub use gedanken_train as train;

/// The environments of Gedanken itself.
pub fn environments() -> gedanken_env::Registry {
    gedanken_env::Registry::new("environment").with(gedanken_two_rooms::entry()).with(gedanken_push_t::entry())
}

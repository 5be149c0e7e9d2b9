//! Gedanken: joint embedding predictive world models that learn from pixels and act by planning.
//!
//! The face of the house: an [`Experiment`] is one TOML file, [`main`] is the program. A crate with parts of its own (an
//! environment, an encoder, a predictor, a term of the loss, a planner) calls the same [`main`] with them added:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     gedanken::main(gedanken::parts()) // .environment(my_environment::entry()).term::<MyTerm>("mine")
//! }
//! ```

pub mod bench;
pub mod config;
pub mod device;

mod commands;
mod experiment;
mod kernel_cache;
mod memory;
mod parts;
mod threads;

pub use commands::{main, run};
pub use experiment::{ActionStatistics, Experiment, PixelStatistics};
pub use parts::{Parts, Written, parts};

pub use gedanken_data as data;
pub use gedanken_encoder as encoder;
pub use gedanken_env as env;
pub use gedanken_eval as eval;
pub use gedanken_model as model;
pub use gedanken_nn as nn;
pub use gedanken_planner as planner;
pub use gedanken_predictor as predictor;
pub use gedanken_regularizer as regularizer;
pub use gedanken_run as run;
pub use gedanken_train as train;

//! A sweep: many runs of one experiment, in one folder.

mod arms;
mod config;
mod draws;
mod names;
mod plan;
mod runner;
pub(crate) mod slurm;

pub use arms::{Arm, Asked, arms};
pub use config::{RandomConfig, SweepConfig};
pub use names::{short_names, value_name};
pub(crate) use plan::{Plan, SWEEP, Task};
pub(crate) use runner::{Outcome, Runner};

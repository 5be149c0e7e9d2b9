#![doc = include_str!("../README.md")]

pub mod bench;
pub mod config;
pub mod device;

mod charts;
mod commands;
mod compare;
mod experiment;
mod import;
mod kernel_cache;
mod learned_from;
mod memory;
mod parts;
mod phases;
pub mod provenance;
mod room;
mod signals;
pub mod sweep;
pub mod threads;

pub use commands::{Grounds, Opened, main, open, run};
pub use experiment::{ActionStatistics, Experiment, PixelStatistics};
pub use parts::{Parts, Written, parts};
pub use phases::PhaseConfig;

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

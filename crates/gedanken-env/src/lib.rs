#![doc = include_str!("../README.md")]

mod catalog;
mod env;
mod error;
mod policy;
mod random;
mod space;

pub mod conformance;
pub mod many;

pub use catalog::{Registry, entry, make};
pub use env::{BoxedClone, Env, OtherRule, Show};
pub use error::EnvError;
pub use gedanken_parts::Entry;
pub use many::Many;
pub use policy::{Policy, Uniform};
pub use random::{Rng, derive_seed, rng};
pub use space::{ActionSpace, Factor, FactorKind, Field, Label, ObservationSpace, PolicyInfo, Spec, TaskInfo};

//! Environments: what a world is to Gedanken, and nothing about learning.
//!
//! One trait, [`Env`], is all that an environment implements; one line in a [`Registry`] gives it every command.
//! [`conformance::check`] says whether an implementation keeps its promises.

mod env;
mod random;
mod registry;
mod space;

pub mod conformance;
pub mod many;

pub use env::{Env, EnvError, OtherRule, Policy};
pub use many::Many;
pub use random::{Rng, derive_seed, rng};
pub use registry::{Entry, Registry};
pub use space::{ActionSpace, Factor, FactorKind, Field, Label, ObservationSpace, PolicyInfo, Spec};

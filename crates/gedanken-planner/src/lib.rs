#![doc = include_str!("../README.md")]
//!
//! # The way through
//!
//! ```text
//! latents of the present ── start ┐
//!                                 ├─ Planner::plan ──> Plans ── Agent::act ──> the next actions
//! latents of the goal ───── goals ┘       │
//!                                         └─ search, round by round:
//!                 Strategy::propose ──candidates──> World::rollout ──futures──> Objective::energy ──> Strategy::refine
//! ```
//!
//! Everything is batched over tasks: one rollout imagines all candidates of all tasks. Random numbers are the host's and follow from a
//! task's own seed: a task's plan is the same whichever tasks it shares a batch with. Candidates are tensors. A CPU ranks them on the host;
//! on a GPU they stay where they are imagined, and nothing is read before the end of the search.
//!
//! `search` is the loop, `scored` ranks, `stop` ends it, `evaluate` meets the world; `cem`, `icem`, `mppi`, `random` and `descent` are the
//! strategies, [`strategies`] lists them.

mod actor;
mod agent;
mod bounds;
mod categorical;
mod cem;
mod conformance;
mod descent;
mod draw;
mod error;
mod evaluate;
mod found;
mod guardrail;
mod icem;
mod mppi;
mod noise;
mod objective;
mod plan;
mod planner;
mod random;
mod sampling;
mod score;
mod scored;
mod search;
mod stop;
mod strategy;
mod width;
mod world;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

pub use actor::Actor;
pub use agent::{Agent, Effort};
pub use bounds::Bounds;
pub use categorical::Categorical;
pub use cem::Cem;
pub use conformance::conform;
pub use descent::Descent;
pub use draw::Draw;
pub use error::PlanError;
pub use evaluate::chunks;
pub use gedanken_parts::{Catalog, Entry, Table};
pub use guardrail::{ActionLimit, Guardrail};
pub use icem::Icem;
pub use mppi::Mppi;
pub use noise::Noise;
pub use objective::{ActionCost, LatentDistance, Norm, Objective, WeightedSum};
pub use plan::{Iteration, Plans, Problem, Warm};
pub use planner::{Over, PlanConfig, Planner, PlannerConfig};
pub use random::Random;
pub use sampling::Sampling;
pub use scored::Scored;
pub use strategy::{Belief, Returned, Round, Strategy, Style, Weights};
pub use width::{Share, Width};
pub use world::{Trajectory, World};

/// The strategies that come with this crate.
pub fn strategies() -> Catalog<dyn Strategy> {
    Catalog::new("planner")
        .with(strategy::<Random>("random"))
        .with(strategy::<Cem>("cem"))
        .with(strategy::<Icem>("icem"))
        .with(strategy::<Mppi>("mppi"))
        .with(strategy::<Categorical>("categorical"))
        .with(strategy::<Descent>("gradient"))
        .with(Entry::new("adam", |keys: Descent| Ok(Box::new(keys.with_adam()) as Box<dyn Strategy>)))
        .with(strategy::<Actor>("actor"))
}

/// The entry of a strategy that is its own config.
pub fn strategy<S>(name: &'static str) -> Entry<dyn Strategy>
where
    S: Strategy + Serialize + DeserializeOwned + JsonSchema + Default + 'static,
{
    Entry::new(name, |strategy: S| Ok(Box::new(strategy) as Box<dyn Strategy>))
}

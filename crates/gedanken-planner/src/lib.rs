//! Planning by imagination: search the action sequence whose imagined future has the lowest energy, execute a little of
//! it, look again, replan.
//!
//! ```text
//! latents of the present ── start ┐
//!                                 ├─ Planner::plan ──> Plans ── Agent::act ──> the next actions
//! latents of the goal ───── goals ┘       │  ▲
//!                  candidate actions ─────┘  └───── energies
//!                         └─World::rollout─> futures ─Objective::energy─┘
//! ```
//!
//! A planner sees a model only through [`World`] and what it is after only through [`Objective`], so the same planner runs
//! on a trained model, an ensemble, the true simulator or a toy. Everything is batched over tasks: one rollout imagines all
//! candidates of all tasks. Random numbers are the host's and follow from a task's own seed: a task's plan is the same whichever
//! tasks it shares a batch with. Sampling and ranking are tiny and happen on the host too, unless a GPU imagines: then the whole search stays
//! there (`on_device`), and nothing waits for it before its end.
//!
//! One file says what one planner does (`shooting`, `cem`, `icem`, `mppi`, `gradient`); what they share is in `search` (the sampling
//! loop), `stop` (when it ends) and `evaluate` (the scores of candidates). Any sampling planner can be followed by
//! steps down the gradient (`polish`). Constraints are [`Guardrail`]s. [`PlannerConfig`] is one flat struct for all of them.

mod agent;
mod bounds;
mod candidate;
mod cem;
mod config;
mod error;
mod evaluate;
mod gradient;
mod guardrail;
mod icem;
mod mppi;
mod noise;
mod objective;
mod on_device;
mod plan;
mod search;
mod shooting;
mod stop;
mod world;

pub use agent::{Agent, Effort};
pub use bounds::Bounds;
pub use config::{Kind, Over, PlannerConfig, Returned};
pub use error::PlanError;
pub use evaluate::chunks;
pub use guardrail::{ActionLimit, Guardrail};
pub use objective::{ActionCost, LatentDistance, Norm, Objective, WeightedSum};
pub use plan::{Iteration, Planner, Plans, Problem, Warm};
pub use world::{Trajectory, World};

//! Evaluation: a success rate with its protocol, its interval, its floors and its ceilings.

mod baselines;
mod bench;
mod checks;
mod config;
mod episodes;
mod guardrails;
mod objectives;
mod probes;
mod region;
mod report;
mod statistics;
mod tasks;
mod training;
mod uncertainty;
mod walks;
mod worlds;
mod worthiness;

pub mod films;

pub use baselines::{Baseline, evaluate};
pub use bench::{Bench, BenchRow, Comparison, bench, contenders};
pub use checks::{Checks, checks};
pub use config::{EvalConfig, ObjectiveKind, ObjectiveWeights, Rule, TasksFrom};
pub use episodes::{Driver, Episodes, Other, Thinker};
pub use guardrails::{ActionNorm, Ahead, GuardrailConfig, guardrails};
pub use objectives::{LabelCost, Labels, LearnedDistance, Measure, ProbeDistance};
pub use probes::{Frames, ProbeReport, ProbedLabel, Probing, Reading, probes};
pub use region::{KeepOut, Margin, StayWithin};
pub use report::{OtherRate, Report, Row};
pub use statistics::{spearman, wilson};
pub use tasks::{Recorded, Tasks};
pub use training::{Evaluator, TrainingEvaluation};
pub use uncertainty::{Sureness, Uncertainty};
pub use worlds::{LearnedWorld, Simulator};
pub use worthiness::Worthiness;

/// Why an evaluation could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The environment said no.
    #[error(transparent)]
    Env(#[from] gedanken_env::EnvError),
    /// The planner found no plan.
    #[error(transparent)]
    Plan(#[from] gedanken_planner::PlanError),
    /// The data ended or broke.
    #[error(transparent)]
    Data(#[from] gedanken_data::DataError),
    /// Numbers or pictures could not be written.
    #[error(transparent)]
    Track(#[from] gedanken_run::TrackError),
    /// A file could not be written.
    #[error(transparent)]
    Folder(#[from] gedanken_run::FolderError),
    /// A picture could not be made or written.
    #[error(transparent)]
    Picture(#[from] gedanken_run::PictureError),
    /// The model and the environment, or the model and the protocol, do not go together.
    #[error("{0}")]
    Mismatch(String),
}

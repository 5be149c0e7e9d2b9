#![doc = include_str!("../README.md")]

mod actor;
mod blame;
mod calibration;
mod checks;
mod compare;
mod config;
mod distances;
mod doubt;
mod episodes;
mod evaluate;
mod events;
mod eyes;
mod guardrails;
mod imagination;
mod labels;
mod objectives;
mod page;
mod pictures;
mod pieces;
mod planning;
mod privileged;
mod probes;
mod pushes;
mod recorder;
mod region;
mod report;
mod rungs;
mod search_round;
mod setup;
mod statistics;
mod tasks;
mod training;
mod uncertainty;
mod walks;
mod worlds;
mod worthiness;

pub mod films;

pub use actor::{Actor, Nobody, Replay, Scripted};
pub use blame::{Blame, Part};
pub use checks::{Checks, LabelError, checks};
pub use compare::{Contest, Standing, Standings, compare, contenders};
pub use config::{Draw, EvalConfig, Rule, TasksFrom};
pub use distances::{LearnedDistance, ProbeDistance};
pub use doubt::Doubt;
pub use episodes::{Episodes, Moment, Other};
pub use evaluate::evaluate;
pub use events::{AfterEvent, Events};
pub use eyes::{TrueDynamics, Unnumbered};
pub use guardrails::{ActionNorm, Ahead, GuardrailConfig, guardrails};
pub use imagination::Splits;
pub use labels::{CostRule, LabelCost, Labels};
pub use objectives::{ListedObjective, ModelPart, OBJECTIVES, Objectives};
pub use pictures::{Likeness, Pictures};
pub use pieces::Recorded;
pub use planning::{Planned, Planning, Thinker};
pub use privileged::{Practice, PrivilegedWorld};
pub use probes::{Frames, ProbeReport, ProbedLabel, Probing, Reading, probes};
pub use region::{KeepOut, Margin, StayWithin};
pub use report::{OtherRate, Report, Row, SeedRate};
pub use setup::{Protocol, Setup};
pub use statistics::{sign_test, spearman, student, wilson};
pub use tasks::Tasks;
pub use training::TrainingEvaluation;
pub use uncertainty::{Sureness, Uncertainty};
pub use worlds::{LearnedWorld, Perceive, TrueWorld};
pub use worthiness::{Retrieval, Worthiness};

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

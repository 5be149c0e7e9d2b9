//! Errors of planning.

use gedanken_parts::PartError;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A key of [`PlannerConfig`](crate::PlannerConfig) that cannot work.
    #[error("planner.{field}: {reason}")]
    Config {
        /// The key.
        field: String,
        /// The reason.
        reason: String,
    },
    /// A strategy that cannot be made.
    #[error("planner: {0}")]
    Strategy(#[from] PartError),
    /// Action bounds that no action can keep.
    #[error("action bounds: {0}")]
    Bounds(String),
    /// A batch without a task.
    #[error("there is no task to plan for")]
    NoTasks,
    /// A task without a step left to act.
    #[error("there is no step left to plan for")]
    NoSteps,
    /// Something of another shape than the batch asks for.
    #[error("{what} has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        what: &'static str,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        got: Vec<usize>,
    },
    /// Every candidate of a task has an energy that is NaN or infinite: the model or the objective has diverged.
    #[error("task {task}, iteration {iteration}: not one of {samples} imagined futures has a finite energy")]
    NotFinite {
        /// Row of the batch.
        task: usize,
        /// Iteration of the search, from 0.
        iteration: usize,
        /// Candidates tried.
        samples: usize,
    },
    /// A planner by gradient on a world or an objective that has none.
    #[error(
        "the world or the objective has no gradient; expected a planner that needs none (planner.kind = \"cem\", planner.polish = 0)"
    )]
    NoGradient,
    /// The device did not give the energies back.
    #[error("reading energies from the device: {0}")]
    Device(String),
}

impl PlanError {
    /// A key that cannot work.
    pub fn config(field: impl Into<String>, reason: impl Into<String>) -> Self {
        PlanError::Config { field: field.into(), reason: reason.into() }
    }
}

/// An error unless `got` is the `expected` shape.
pub(crate) fn expect_shape(what: &'static str, got: &[usize], expected: &[usize]) -> Result<(), PlanError> {
    if got == expected {
        return Ok(());
    }
    Err(PlanError::Shape { what, expected: expected.to_vec(), got: got.to_vec() })
}

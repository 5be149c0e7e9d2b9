//! Guardrails: constraints on plans, whatever their energy.

use burn::prelude::*;

use crate::Trajectory;

/// A constraint on every imagined step.
///
/// Guardrails are hard: among candidates, one that keeps them comes before any that does not, and a plan that breaks one is
/// marked ([`Plans::violation`](crate::Plans::violation)): the agent's owner does the safe thing in its place.
pub trait Guardrail: Sync {
    /// Violation of each imagined step, `[rows, steps]`, in the guardrail's own unit; 0 or less where it is kept. NaN counts as an infinite
    /// violation. Planners that slide down a gradient follow this one's, where it has one, out of the forbidden region.
    fn violation(&self, way: &Trajectory) -> Tensor<2>;
}

/// No control step's action is longer than this, in the actions' unit: a limit of speed or force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionLimit {
    /// The greatest Euclidean norm.
    pub norm: f32,
    /// Numbers of one control step's action.
    pub dims: usize,
}

impl Guardrail for ActionLimit {
    fn violation(&self, way: &Trajectory) -> Tensor<2> {
        let [rows, horizon, numbers] = way.actions.dims();
        let steps = way.actions.clone().reshape([rows, horizon, numbers / self.dims, self.dims]);
        // The root has no slope at zero, where descents begin.
        let norms: Tensor<3> = steps.square().sum_dim(3).clamp_min(1e-12).sqrt().squeeze_dim(3);
        // Scaling an action to the limit may leave it a rounding above.
        norms.max_dim(2).squeeze_dim::<2>(2) - self.norm * (1.0 + 1e-5)
    }
}

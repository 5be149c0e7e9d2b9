//! What a planner is asked and what it answers.

use burn::prelude::*;

use crate::{Objective, PlanError, World};

/// Searches, for each task of a batch, the action sequence of the lowest energy.
pub trait Planner: Send + Sync {
    /// The plans. The same problem gives the same plans, and a task's plan does not depend on the tasks beside it.
    ///
    /// # Errors
    /// A problem without tasks or steps, shapes that do not fit, a task without any finite energy, or a device that fails.
    fn plan(&self, problem: &Problem) -> Result<Plans, PlanError>;
}

/// A batch of tasks to plan for.
pub struct Problem<'a> {
    /// Imagines futures.
    pub world: &'a dyn World,
    /// Judges them.
    pub objective: &'a dyn Objective,
    /// Where the tasks are: latents `[tasks, tokens, dim]`.
    pub start: Tensor<3>,
    /// Where they should end: latents `[tasks, tokens, dim]`.
    pub goals: Tensor<3>,
    /// Actions that can still be executed; no plan is longer.
    pub steps_left: usize,
    /// One seed per task.
    pub seeds: &'a [u64],
    /// The step of the episode: another one, other random numbers.
    pub step: u64,
    /// The plans before, to start from.
    pub warm: Option<Warm<'a>>,
}

/// A warm start: the plans before, of which the first `executed` actions are past.
#[derive(Clone, Copy, Debug)]
pub struct Warm<'a> {
    /// The plans before.
    pub plans: &'a Plans,
    /// How many of their actions have been executed.
    pub executed: usize,
}

/// One plan per task.
#[derive(Clone, Debug, PartialEq)]
pub struct Plans {
    /// Tasks.
    pub tasks: usize,
    /// Actions of a plan.
    pub horizon: usize,
    /// Numbers of an action.
    pub action: usize,
    /// `[tasks, horizon, action]`, in the environment's units, always finite and within the bounds.
    pub actions: Vec<f32>,
    /// The plans' energies `[tasks]`.
    pub energy: Vec<f32>,
    /// Model evaluations: imagined steps, counted once per imagined future.
    pub evaluations: u64,
    /// How the search went, iteration by iteration.
    pub trace: Vec<Iteration>,
}

/// The candidates' energies in one iteration, per task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Iteration {
    /// Mean of those that are finite `[tasks]`.
    pub mean: Vec<f32>,
    /// The lowest `[tasks]`.
    pub best: Vec<f32>,
}

impl Plans {
    /// A task's whole plan `[horizon, action]`.
    pub fn sequence(&self, task: usize) -> &[f32] {
        let length = self.horizon * self.action;
        &self.actions[task * length..][..length]
    }

    /// All tasks' actions at one step of the plan `[tasks, action]`.
    pub fn at(&self, step: usize) -> Vec<f32> {
        (0..self.tasks).flat_map(|task| &self.sequence(task)[step * self.action..][..self.action]).copied().collect()
    }

    /// What is left of a task's plan after `executed` actions, cut or filled up with zero actions to `horizon`:
    /// `[horizon, action]`.
    pub fn remainder(&self, task: usize, executed: usize, horizon: usize) -> Vec<f32> {
        let left = &self.sequence(task)[executed.min(self.horizon) * self.action..];
        left.iter().copied().chain(std::iter::repeat(0.0)).take(horizon * self.action).collect()
    }

    /// The plans of these tasks alone.
    pub(crate) fn select(self, tasks: &[usize]) -> Self {
        let pick = |values: &[f32]| tasks.iter().map(|&task| values[task]).collect();
        let trace = self.trace.iter().map(|i| Iteration { mean: pick(&i.mean), best: pick(&i.best) }).collect();
        let actions = tasks.iter().flat_map(|&task| self.sequence(task)).copied().collect();
        Plans { tasks: tasks.len(), actions, energy: pick(&self.energy), trace, ..self }
    }

    /// The plans as a tensor `[tasks, horizon, action]`, to imagine them again.
    pub fn tensor(&self, device: &Device) -> Tensor<3> {
        let data = TensorData::new(self.actions.clone(), [self.tasks, self.horizon, self.action]);
        Tensor::from_data(data, device)
    }
}

//! The question to a planner, and its answer.

use burn::prelude::*;

use crate::score::Stats;
use crate::{Bounds, Guardrail, Objective, World};

/// A batch of tasks to plan for.
pub struct Problem<'a> {
    /// Imagines futures.
    pub world: &'a dyn World,
    /// Judges them.
    pub objective: &'a dyn Objective,
    /// Constraints on every plan; empty for none.
    pub guardrails: &'a [Box<dyn Guardrail + 'a>],
    /// Actions that may be taken.
    pub bounds: &'a Bounds,
    /// Where the tasks are: latents `[tasks, tokens, dim]`.
    pub start: Tensor<3>,
    /// Where they should end: latents `[tasks, tokens, dim]`.
    pub goals: Tensor<3>,
    /// Actions that can still be executed; no plan is longer.
    pub steps_left: usize,
    /// One seed per task.
    pub seeds: &'a [u64],
    /// The control step of the episode: another one, other random numbers.
    pub step: u64,
    /// The plans before, to start from.
    pub warm: Option<Warm<'a>>,
}

/// A warm start: the plans before, of which the first `executed` control steps are past. A plan that breaks a guardrail was not
/// executed, so all of it still lies ahead.
#[derive(Clone, Copy, Debug)]
pub struct Warm<'a> {
    /// The plans before.
    pub plans: &'a Plans,
    /// Control steps of them that have been executed.
    pub executed: usize,
}

impl Warm<'_> {
    /// The rest of a task's plan, as [`Plans::remainder`].
    pub(crate) fn remainder(&self, task: usize, horizon: usize) -> Vec<f32> {
        self.plans.remainder(task, self.executed_of(task), horizon)
    }

    /// The rest of a task's other sequences.
    pub(crate) fn alternatives(&self, task: usize, horizon: usize) -> Vec<Vec<f32>> {
        self.plans.alternatives(task, self.executed_of(task), horizon)
    }

    fn executed_of(&self, task: usize) -> usize {
        if self.plans.violation[task] > 0.0 { 0 } else { self.executed }
    }
}

/// One plan per task.
#[derive(Clone, Debug, PartialEq)]
pub struct Plans {
    /// Tasks.
    pub tasks: usize,
    /// Actions of a plan.
    pub horizon: usize,
    /// Numbers of an action: those of one control step, or of a block of several.
    pub action: usize,
    /// `[tasks, horizon, action]`, in the environment's units, always finite and within the bounds.
    pub actions: Vec<f32>,
    /// The control step's action that a plan is filled up with where its rest is too short: the middle of the box.
    pub filling: Vec<f32>,
    /// The plans' energies `[tasks]`.
    pub energy: Vec<f32>,
    /// The plans' violations of the guardrails `[tasks]`, summed over these and the plan's steps; 0 where they keep them. A plan
    /// that breaks one is the least bad that was found.
    pub violation: Vec<f32>,
    /// Other good sequences of every task, best first, each `[horizon, action]`: what iCEM shifts into the next plan, and
    /// films draw.
    pub others: Vec<Vec<Vec<f32>>>,
    /// Model evaluations of every task `[tasks]`: imagined steps, counted once per imagined future and once more where its
    /// gradient was asked for.
    pub evaluations: Vec<u64>,
    /// The search, round by round.
    pub trace: Vec<Iteration>,
}

/// One iteration of the search, per task; a task whose search has ended stays as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Iteration {
    /// Mean energy of the candidates, of those that are finite `[tasks]`.
    pub mean: Vec<f32>,
    /// The lowest `[tasks]`.
    pub best: Vec<f32>,
    /// Their standard deviation `[tasks]`.
    pub spread: Vec<f32>,
    /// Standard deviation of the next distribution, the mean over a sequence's numbers `[tasks]`; 0 where there is none.
    pub deviation: Vec<f32>,
    /// Root mean square, over the candidates, of the gradient's norm `[tasks]`; 0 where none was asked for.
    pub gradient: Vec<f32>,
}

impl Iteration {
    pub(crate) fn of(rounds: impl Iterator<Item = Stats>) -> Self {
        let mut all = Self::default();
        for round in rounds {
            all.mean.push(round.mean);
            all.best.push(round.best);
            all.spread.push(round.spread);
            all.deviation.push(round.deviation);
            all.gradient.push(round.gradient);
        }
        all
    }

    fn select(&self, tasks: &[usize]) -> Self {
        let pick = |values: &[f32]| tasks.iter().map(|&task| values[task]).collect();
        Self {
            mean: pick(&self.mean),
            best: pick(&self.best),
            spread: pick(&self.spread),
            deviation: pick(&self.deviation),
            gradient: pick(&self.gradient),
        }
    }
}

impl Plans {
    /// A task's whole plan `[horizon, action]`.
    pub fn sequence(&self, task: usize) -> &[f32] {
        let length = self.horizon * self.action;
        &self.actions[task * length..][..length]
    }

    /// Control steps of a plan.
    pub fn steps(&self) -> usize {
        self.horizon * self.action / self.filling.len()
    }

    /// All tasks' actions at one control step of the plan, as many numbers each as [`Plans::filling`] has.
    pub fn at(&self, step: usize) -> Vec<f32> {
        let size = self.filling.len();
        (0..self.tasks).flat_map(|task| &self.sequence(task)[step * size..][..size]).copied().collect()
    }

    /// The rest of a task's plan after `executed` control steps, cut or filled up with [`Plans::filling`] to `horizon`:
    /// `[horizon, action]`.
    pub fn remainder(&self, task: usize, executed: usize, horizon: usize) -> Vec<f32> {
        self.rest_of(self.sequence(task), executed, horizon)
    }

    /// The rest of a task's other sequences, as [`Plans::remainder`].
    pub fn alternatives(&self, task: usize, executed: usize, horizon: usize) -> Vec<Vec<f32>> {
        self.others[task].iter().map(|sequence| self.rest_of(sequence, executed, horizon)).collect()
    }

    fn rest_of(&self, sequence: &[f32], executed: usize, horizon: usize) -> Vec<f32> {
        let left = &sequence[executed.min(self.steps()) * self.filling.len()..];
        left.iter().copied().chain(self.filling.iter().copied().cycle()).take(horizon * self.action).collect()
    }

    /// The plans of these tasks alone.
    pub(crate) fn select(self, tasks: &[usize]) -> Self {
        let pick = |values: &[f32]| tasks.iter().map(|&task| values[task]).collect();
        Plans {
            tasks: tasks.len(),
            horizon: self.horizon,
            action: self.action,
            filling: self.filling.clone(),
            actions: tasks.iter().flat_map(|&task| self.sequence(task)).copied().collect(),
            energy: pick(&self.energy),
            violation: pick(&self.violation),
            others: tasks.iter().map(|&task| self.others[task].clone()).collect(),
            evaluations: tasks.iter().map(|&task| self.evaluations[task]).collect(),
            trace: self.trace.iter().map(|iteration| iteration.select(tasks)).collect(),
        }
    }

    /// The plans as a tensor `[tasks, horizon, action]`, to imagine them again.
    pub fn tensor(&self, device: &Device) -> Tensor<3> {
        let data = TensorData::new(self.actions.clone(), [self.tasks, self.horizon, self.action]);
        Tensor::from_data(data, device)
    }
}

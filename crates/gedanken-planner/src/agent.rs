//! The receding-horizon agent: plans, executes a few actions, looks, plans again.

use std::time::Instant;

use burn::prelude::*;

use crate::error::expect_shape;
use crate::{Bounds, Guardrail, Objective, PlanError, Planner, Plans, Problem, Warm, World};

/// Acts in a batch of tasks that run in step.
pub struct Agent {
    planner: Planner,
    bounds: Bounds,
    seeds: Vec<u64>,
    step: u64,
    plans: Option<Plans>,
    executed: usize,
    effort: Effort,
}

/// Cost of planning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effort {
    /// Plans made, each for the whole batch.
    pub plans: u64,
    /// Model evaluations: imagined steps, counted once per imagined future, and once more where its gradient was asked for.
    pub evaluations: u64,
    /// Plans made, counted for every task.
    pub task_plans: u64,
    /// Those of them that break a guardrail: there was none that kept them all.
    pub broken: u64,
    /// Time spent encoding and planning, in milliseconds.
    pub milliseconds: f64,
}

impl Effort {
    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Effort {
            plans: self.plans + more.plans,
            evaluations: self.evaluations + more.evaluations,
            task_plans: self.task_plans + more.task_plans,
            broken: self.broken + more.broken,
            milliseconds: self.milliseconds + more.milliseconds,
        }
    }

    /// Mean time of a plan of one task, in milliseconds.
    pub fn milliseconds_per_plan(&self) -> f64 {
        self.milliseconds / self.task_plans.max(1) as f64
    }
}

impl Agent {
    /// An agent for as many tasks as there are `seeds`, at the beginning of their episodes, that acts within `bounds`. What it does in a
    /// task follows from that task and its seed, not from the others.
    ///
    /// # Errors
    /// No seed.
    pub fn new(planner: Planner, bounds: Bounds, seeds: Vec<u64>) -> Result<Self, PlanError> {
        if seeds.is_empty() {
            return Err(PlanError::NoTasks);
        }
        Ok(Agent { planner, bounds, seeds, step: 0, plans: None, executed: 0, effort: Effort::default() })
    }

    /// The actions of the next control step, `[tasks, action]`, towards the goals' latents `[tasks, tokens, dim]`, with `steps_left` control
    /// steps to go, this one included. `look` gives the latents of the present `[tasks, tokens, dim]`; it is called when a new plan is due.
    ///
    /// # Errors
    /// See [`Planner::plan`], or another number of latents than of tasks.
    pub fn act(
        &mut self,
        world: &dyn World,
        objective: &dyn Objective,
        guardrails: &[Box<dyn Guardrail + '_>],
        look: &dyn Fn() -> Tensor<3>,
        goals: &Tensor<3>,
        steps_left: usize,
    ) -> Result<Vec<f32>, PlanError> {
        if steps_left == 0 {
            return Err(PlanError::NoSteps);
        }
        let settings = self.planner.settings();
        if self.is_due(steps_left) {
            let began = Instant::now();
            let start = look();
            expect_shape("present", &start.dims()[..1], &[self.seeds.len()])?;
            let warm = self.plans.as_ref().filter(|_| settings.warm_start);
            let plans = self.planner.plan(&Problem {
                world,
                objective,
                guardrails,
                bounds: &self.bounds,
                start,
                goals: goals.clone(),
                steps_left: (steps_left / self.frameskip()).max(1),
                seeds: &self.seeds,
                step: self.step,
                warm: warm.map(|plans| Warm { plans, executed: self.executed }),
            })?;
            self.effort.plans += 1;
            self.effort.evaluations += plans.evaluations.iter().sum::<u64>();
            self.effort.task_plans += plans.tasks as u64;
            self.effort.broken += plans.violation.iter().filter(|&&violation| violation > 0.0).count() as u64;
            self.effort.milliseconds += began.elapsed().as_secs_f64() * 1e3;
            self.plans = Some(plans);
            self.executed = 0;
        }
        let actions = self.plans.as_ref().map(|plans| plans.at(self.executed)).unwrap_or_default();
        self.executed += 1;
        self.step += 1;
        Ok(actions)
    }

    /// True where the next control step needs a new plan, with `steps_left` to go. In the last block the plan is carried out: a new one would
    /// arrive after the end.
    pub fn is_due(&self, steps_left: usize) -> bool {
        let every = self.planner.settings().steps_between_plans(self.frameskip());
        let due = steps_left >= self.frameskip() && self.executed >= every;
        self.plans.as_ref().is_none_or(|plans| due || self.executed >= plans.steps())
    }

    /// Control steps of one of a plan's actions.
    fn frameskip(&self) -> usize {
        self.bounds.action() / self.bounds.dims()
    }

    /// Goes on with only the tasks for which `keep` holds, in their order; the others have ended.
    pub fn retain(&mut self, keep: &[bool]) {
        let kept = |task: &usize| keep.get(*task).copied().unwrap_or(false);
        let tasks: Vec<usize> = (0..self.seeds.len()).filter(kept).collect();
        self.seeds = tasks.iter().map(|&task| self.seeds[task]).collect();
        self.plans = self.plans.take().map(|plans| plans.select(&tasks));
    }

    /// The plans being executed; none before the first action.
    pub fn plans(&self) -> Option<&Plans> {
        self.plans.as_ref()
    }

    /// Control steps of these plans that have been executed.
    pub fn executed(&self) -> usize {
        self.executed
    }

    /// Cost of planning so far.
    pub fn effort(&self) -> Effort {
        self.effort
    }
}

//! A protocol in its environment, and a model under it.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use gedanken_data::Source;
use gedanken_env::Env;
use gedanken_model::{Blueprint, WorldModel};
use gedanken_planner::{Guardrail, Objective, Planner};

use crate::walks::Walks;
use crate::worthiness::EPISODES;
use crate::{Ahead, EvalConfig, EvalError, Labels, LearnedWorld, Tasks, TasksFrom, TrueWorld, Worthiness, guardrails};

/// Everything that a success rate depends on, beside the weights of the model.
pub struct Protocol {
    /// The environment, with the protocol's options.
    pub env: Box<dyn Env>,
    /// Tasks, budget, success rule, objective, guardrails.
    pub config: EvalConfig,
    /// The episodes that recorded tasks are cut from; needed by protocols that ask for them.
    pub source: Option<Arc<dyn Source>>,
    /// Warnings to the reader of its results, each a sentence.
    pub remarks: Vec<String>,
    /// The batches that the model was trained on; needed by protocols with a ladder, for its privileged rung.
    pub practice: Option<Arc<dyn Source>>,
    /// The search.
    pub planner: Planner,
    /// The model's parts and statistics.
    pub blueprint: Blueprint,
    /// Where the model lives.
    pub device: Device,
}

/// A model under a protocol.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// The protocol.
    pub protocol: &'a Protocol,
    /// The model, without autodiff.
    pub model: &'a WorldModel,
}

/// Control steps of one of a model's actions in an environment: the model takes blocks of the actions of so many.
pub(crate) fn frameskip(model: &WorldModel, env: &dyn Env) -> usize {
    (model.spaces().action / env.spec().action.len().max(1)).max(1)
}

impl Protocol {
    /// The first `count` tasks.
    ///
    /// # Errors
    /// As [`Tasks::recorded`]; or recorded tasks without a source, or an environment without a task.
    pub fn tasks(&self, count: usize) -> Result<Tasks<'_>, EvalError> {
        self.tasks_of(&self.config, 0..count)
    }

    /// These tasks of another config.
    pub(crate) fn tasks_of<'a>(&'a self, config: &'a EvalConfig, tasks: Range<usize>) -> Result<Tasks<'a>, EvalError> {
        self.env.spec().require_task()?;
        match (config.tasks_from, &self.source) {
            (TasksFrom::Reset, _) => {
                let tasks = Tasks::among(self.env.as_ref(), config, tasks);
                tasks.check()?;
                Ok(tasks)
            }
            (TasksFrom::Recorded, Some(source)) => {
                Tasks::recorded_among(self.env.as_ref(), config, tasks, source.as_ref())
            }
            (TasksFrom::Recorded, None) => {
                Err(EvalError::Mismatch("eval.tasks_from is \"recorded\", but there are no episodes".to_owned()))
            }
        }
    }

    /// The radius of success.
    ///
    /// # Errors
    /// An environment without a task.
    pub fn radius(&self) -> Result<f64, EvalError> {
        Ok(self.config.radius.unwrap_or(self.env.spec().require_task()?.radius))
    }
}

impl<'a> Setup<'a> {
    /// Control steps of one of the model's actions.
    pub fn frameskip(&self) -> usize {
        frameskip(self.model, self.protocol.env.as_ref())
    }

    /// The protocol's objective on the model.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] where the model lacks what the objective needs.
    pub fn objective(&self) -> Result<Box<dyn Objective + 'a>, EvalError> {
        self.protocol.config.objective.on(self)
    }

    /// The model as a planner sees it.
    pub fn world(&self) -> LearnedWorld<'a> {
        let Protocol { blueprint, device, .. } = self.protocol;
        LearnedWorld { model: self.model, statistics: &blueprint.statistics, device }
    }

    /// Labels of the model's latents, as its probe reads them.
    pub fn labels(&self) -> Labels<'a> {
        Labels::Probed(self.model, &self.protocol.blueprint.statistics)
    }

    /// The protocol's guardrails on the model.
    ///
    /// # Errors
    /// As [`guardrails`](crate::guardrails).
    pub fn guardrails(&self) -> Result<Vec<Box<dyn Guardrail + 'a>>, EvalError> {
        let Protocol { env, config, .. } = self.protocol;
        guardrails(&config.guardrails, &self.world(), self.labels(), env.as_ref(), self.ahead(), config.seed)
    }

    /// The same on the true simulator, which is never uncertain.
    ///
    /// # Errors
    /// As [`guardrails`](crate::guardrails).
    pub fn true_guardrails(&self) -> Result<Vec<Box<dyn Guardrail + 'a>>, EvalError> {
        let Protocol { env, config, .. } = self.protocol;
        let kept = config.guardrails.iter().filter(|guardrail| guardrail.is_of_the_world());
        let kept: Vec<_> = kept.cloned().collect();
        guardrails(&kept, &TrueWorld::default(), Labels::Simulated, env.as_ref(), self.ahead(), config.seed)
    }

    /// The reach of plans. What lies beyond the next look is seen nearer before it is done.
    fn ahead(&self) -> Ahead {
        let (plan, frameskip) = (self.protocol.planner.settings(), self.frameskip());
        Ahead { look: plan.steps_between_plans(frameskip).div_ceil(frameskip), horizon: plan.horizon, frameskip }
    }

    /// Measures of whether the model is worth planning with, on at least `episodes`; none where the environment has neither policies nor
    /// recordings to compare with.
    ///
    /// # Errors
    /// As [`Setup::objective`]; a policy that the environment refuses, or recordings that are too short.
    pub fn worthiness(&self, episodes: usize) -> Result<Option<Worthiness>, EvalError> {
        let Protocol { env, config, planner, source, .. } = self.protocol;
        let frameskip = self.frameskip();
        let plan = [planner.settings().horizon.min(config.budget.div_ceil(frameskip)).max(1), frameskip];
        let walks = |seed: u64| match source {
            Some(source) if env.spec().recorded.is_some() => {
                Walks::recorded(env.as_ref(), source.as_ref(), EPISODES, plan, seed)
            }
            _ => Walks::of(env.as_ref(), EPISODES, plan, seed),
        };
        if env.spec().policies.is_empty() && env.spec().recorded.is_none() {
            return Ok(None);
        }
        let (world, objective, groups) = (self.world(), self.objective()?, episodes.div_ceil(EPISODES));
        Worthiness::of(&world, objective.as_ref(), &walks, groups, config.seed).map(Some)
    }
}

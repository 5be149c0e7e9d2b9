//! The actor that plans: an agent for every task, all searching together until they have arrived.

use burn::tensor::Tensor;
use gedanken_env::{Many, derive_seed};
use gedanken_planner::{Agent, Bounds, Effort, Guardrail, Iteration, Objective, PlanError, Planner};

use crate::worlds::host;
use crate::{Actor, EvalError, Perceive};

/// The parts of an agent.
#[derive(Clone, Copy)]
pub struct Thinker<'a> {
    /// The world that it sees with and imagines in.
    pub world: &'a dyn Perceive,
    /// The energy that its plans minimise.
    pub objective: &'a dyn Objective,
    /// Constraints on its plans. Where no plan keeps them, the agent keeps still ([`gedanken_env::Env::rest`]).
    pub guardrails: &'a [Box<dyn Guardrail + 'a>],
    /// The search.
    pub planner: &'a Planner,
    /// Control steps of one planned action: plans are made of blocks of the actions of so many.
    pub frameskip: usize,
    /// The energy below which it stops for good.
    pub arrived: Option<f64>,
}

/// The cost of an actor's plans.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Of all tasks together.
    pub effort: Effort,
    /// Model evaluations of every task `[tasks]`.
    pub evaluations: Vec<u64>,
    /// The rounds of the first plan's search.
    pub trace: Vec<Iteration>,
    /// True where the plans had guardrails.
    pub guarded: bool,
}

impl Planned {
    /// This and after it what other tasks cost; the search that is shown stays the first.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.effort = self.effort.and(more.effort);
        self.evaluations.extend(more.evaluations);
        self
    }
}

/// Acts by planning, again and again.
pub struct Planning<'a> {
    thinker: Thinker<'a>,
    /// Number of the first task.
    first: usize,
    agents: Option<Agents>,
    planned: Planned,
}

/// The agents of those tasks that have not arrived.
struct Agents {
    agent: Agent,
    /// `[active, tokens, dim]`
    goals: Tensor<3>,
    active: Vec<usize>,
    /// Control steps of the episodes.
    steps: usize,
}

impl<'a> Planning<'a> {
    /// An actor that thinks like this.
    pub fn new(thinker: Thinker<'a>) -> Self {
        Self { thinker, first: 0, agents: None, planned: Planned::default() }
    }

    /// The same in tasks that are numbered from `first` on: the plans of task `i` follow from its number.
    #[must_use]
    pub fn from_task(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// The agent, and the tasks that its rows stand for: those that have not arrived. None before the first step.
    pub fn agent(&self) -> Option<(&Agent, &[usize])> {
        self.agents.as_ref().map(|agents| (&agents.agent, agents.active.as_slice()))
    }
}

impl Actor for Planning<'_> {
    fn begin(&mut self, envs: &mut Many, steps: usize, seed: u64) -> Result<(), EvalError> {
        let Thinker { world, planner, frameskip, guardrails, .. } = self.thinker;
        let Some(first) = envs.envs().first() else { return Err(PlanError::NoTasks.into()) };
        let space = &first.spec().action;
        let bounds = Bounds::new(space.low.clone(), space.high.clone(), space.max_norm)?.frameskip(frameskip)?;
        let tasks = (self.first..).take(envs.len());
        let seeds = tasks.map(|task| derive_seed(seed, &[task as u64, 2])).collect();
        self.agents = Some(Agents {
            agent: Agent::new(planner.clone(), bounds, seeds)?,
            goals: world.goals(envs),
            active: (0..envs.len()).collect(),
            steps,
        });
        let evaluations = vec![0; envs.len()];
        self.planned = Planned { evaluations, guarded: !guardrails.is_empty(), ..Planned::default() };
        Ok(())
    }

    fn act(&mut self, envs: &Many, step: usize, actions: &mut [f32]) -> Result<(), EvalError> {
        let Some(agents) = &mut self.agents else {
            return Err(EvalError::Mismatch("an actor that plans has to begin before it acts".to_owned()));
        };
        agents.act(&self.thinker, envs, step, actions)?;
        agents.note(&mut self.planned);
        Ok(())
    }

    fn planned(&self) -> Option<Planned> {
        Some(self.planned.clone())
    }
}

impl Agents {
    /// Acts in every active task that has a plan which keeps the guardrails; the others keep still.
    fn act(&mut self, thinker: &Thinker<'_>, envs: &Many, step: usize, actions: &mut [f32]) -> Result<(), EvalError> {
        let Thinker { world, objective, guardrails, arrived, .. } = *thinker;
        let left = self.steps - step;
        if let (true, Some(limit), false) = (self.agent.is_due(left), arrived, self.active.is_empty()) {
            let now = world.present(&envs.select(&self.active)).unsqueeze_dim::<4>(1);
            let energies = host(objective.energy(now, self.goals.clone()));
            let arrived = |energy: &f32| f64::from(*energy) < limit;
            self.retain(&energies.iter().map(|energy| !arrived(energy)).collect::<Vec<_>>());
        }
        if self.active.is_empty() {
            return Ok(());
        }
        let look = || world.present(&envs.select(&self.active));
        let acted = self.agent.act(world, objective, guardrails, &look, &self.goals, left);
        let acted = acted.map_err(|error| match error {
            PlanError::NotFinite { task, iteration, samples } => {
                PlanError::NotFinite { task: self.active[task], iteration, samples }
            }
            other => other,
        })?;
        let broken = self.agent.plans().map(|plans| plans.violation.clone()).unwrap_or_default();
        let size = actions.len() / envs.len();
        for ((&task, acted), violation) in self.active.iter().zip(acted.chunks(size)).zip(broken) {
            if violation <= 0.0 {
                actions[task * size..][..size].copy_from_slice(acted);
            }
        }
        Ok(())
    }

    /// Takes in the cost of the plans that have just been made, if any.
    fn note(&self, planned: &mut Planned) {
        planned.effort = self.agent.effort();
        let Some(plans) = self.agent.plans().filter(|_| self.agent.executed() == 1) else { return };
        for (&task, evaluations) in self.active.iter().zip(&plans.evaluations) {
            planned.evaluations[task] += evaluations;
        }
        if planned.trace.is_empty() {
            planned.trace.clone_from(&plans.trace);
        }
    }

    /// Goes on with only those of the active tasks for which `keep` holds.
    fn retain(&mut self, keep: &[bool]) {
        let rows: Vec<i32> = (0..).zip(keep).filter(|(_, keep)| **keep).map(|(row, _)| row).collect();
        self.agent.retain(keep);
        self.active = rows.iter().map(|&row| self.active[row as usize]).collect();
        if !rows.is_empty() {
            self.goals = self.goals.clone().select(0, Tensor::from_data(rows.as_slice(), &self.goals.device()));
        }
    }
}

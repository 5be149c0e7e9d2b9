//! Episodes of all tasks of a protocol, in step.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use gedanken_env::{Env, Many, OtherRule, Policy, Rng, Spec, derive_seed, rng};
use gedanken_planner::{
    Agent, Bounds, Effort, Guardrail, Iteration, Objective, Observations, PlanError, PlannerConfig, World,
};

use crate::{EvalError, GuardrailConfig, Simulator, Tasks};

/// Who acts.
pub enum Driver<'a> {
    /// Nobody: actions that keep still ([`gedanken_env::Env::rest`]).
    Noop,
    /// Who acted when the tasks were recorded: the recorded actions, then those that keep still.
    Replay,
    /// A scripted policy of the environment.
    Policy(&'a str),
    /// A planner on a world.
    Planner(Thinker<'a>),
}

/// How an agent thinks.
#[derive(Clone, Copy)]
pub struct Thinker<'a> {
    /// What it imagines with.
    pub world: &'a dyn World,
    /// The same world, if it is the simulator: it is shown the tasks before every plan.
    pub simulator: Option<&'a Simulator>,
    /// What it minimises.
    pub objective: &'a dyn Objective,
    /// What its plans keep. Where none does, the agent keeps still ([`gedanken_env::Env::rest`]).
    pub guardrails: &'a [Box<dyn Guardrail + 'a>],
    /// How it plans.
    pub planner: &'a PlannerConfig,
    /// Control steps of one planned action: plans are made of blocks of the actions of so many.
    pub frameskip: usize,
    /// The energy below which it stops for good.
    pub arrived: Option<f64>,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Episodes {
    /// Distance to the goal of every task, before the first step and after every one, `[tasks][budget + 1]`.
    pub distances: Vec<Vec<f64>>,
    /// The same by every other rule of success that the environment knows.
    pub others: Vec<Other>,
    /// What planning cost.
    pub effort: Effort,
    /// The same of every task, in model evaluations `[tasks]`.
    pub evaluations: Vec<u64>,
    /// How the first plan's search went: none where nobody planned.
    pub trace: Vec<Iteration>,
    /// The protocol's guardrails.
    pub guardrails: Vec<GuardrailConfig>,
    /// Whether plans had to keep them.
    pub guarded: bool,
    /// How far the truth broke any of them at worst, `[tasks]`; 0 where it kept them all.
    pub broken: Vec<f64>,
}

/// Distances by a rule of success beside the task's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Other {
    /// The rule's name.
    pub name: String,
    /// A distance below this is success.
    pub radius: f64,
    /// `[tasks][budget + 1]`.
    pub distances: Vec<Vec<f64>>,
}

/// Shown every step of the episodes before it is taken, and the end: step, the tasks, and the agent that acts in those
/// tasks of which the numbers stand beside it.
pub type Watch<'a> = dyn FnMut(usize, &Many, Option<(&Agent, &[usize])>) + 'a;

impl Tasks<'_> {
    /// Runs the episodes.
    ///
    /// # Errors
    /// No such policy, no recorded actions to replay, or no plan.
    pub fn run(&self, driver: &Driver<'_>, watch: &mut Watch<'_>) -> Result<Episodes, EvalError> {
        match driver {
            Driver::Noop => Ok(self.run_actions(|_| &[], watch)),
            Driver::Replay => match self.pieces() {
                Some(pieces) => Ok(self.run_actions(|task| &pieces[task].actions, watch)),
                None => Err(EvalError::Mismatch("there is nothing to replay: the tasks were not recorded".to_owned())),
            },
            Driver::Policy(name) => self.run_policy(name, watch),
            Driver::Planner(thinker) => self.run_planner(thinker, watch),
        }
    }

    /// Every task's own actions, f32 `[steps, action]`, and after them those that keep still.
    fn run_actions<'t>(&self, own: impl Fn(usize) -> &'t [f32], watch: &mut Watch<'_>) -> Episodes {
        let mut many = self.start();
        let size = self.env.spec().action.len();
        let mut actions = vec![0.0; self.count * size];
        let mut episodes = Episodes::begin(&many, self.guardrails);
        for step in 0..self.budget {
            watch(step, &many, None);
            for (task, action) in actions.chunks_mut(size).enumerate() {
                match own(task).chunks_exact(size).nth(step) {
                    Some(recorded) => action.copy_from_slice(recorded),
                    None => many.envs()[task].rest(action),
                }
            }
            many.step(&actions);
            episodes.note(&many, &actions);
        }
        watch(self.budget, &many, None);
        episodes
    }

    fn run_policy(&self, name: &str, watch: &mut Watch<'_>) -> Result<Episodes, EvalError> {
        let mut many = self.start();
        let mut random: Vec<Rng> = (0..self.count).map(|task| rng(self.seed, &[task as u64, 1])).collect();
        let mut policies: Vec<Box<dyn Policy>> =
            many.envs().iter().map(|env| env.policy(name)).collect::<Result<_, _>>()?;
        for ((env, policy), random) in many.envs_mut().iter_mut().zip(&mut policies).zip(&mut random) {
            // A policy may choose where its episodes start; a protocol's tasks start where they start.
            let mut state = vec![0.0; env.spec().state.len()];
            env.state(&mut state);
            policy.begin(env.as_mut(), random);
            env.set_state(&state)?;
        }
        let size = self.env.spec().action.len();
        let mut actions = vec![0.0; self.count * size];
        let mut episodes = Episodes::begin(&many, self.guardrails);
        for step in 0..self.budget {
            watch(step, &many, None);
            for (i, action) in actions.chunks_mut(size).enumerate() {
                policies[i].act(many.envs()[i].as_ref(), &mut random[i], action);
            }
            many.step(&actions);
            episodes.note(&many, &actions);
        }
        watch(self.budget, &many, None);
        Ok(episodes)
    }

    fn run_planner(&self, thinker: &Thinker<'_>, watch: &mut Watch<'_>) -> Result<Episodes, EvalError> {
        let (mut many, spec, frameskip) = (self.start(), self.env.spec(), thinker.frameskip);
        let bounds = Bounds::new(spec.action.low.clone(), spec.action.high.clone(), spec.action.max_norm)?;
        let seeds = (0..self.count).map(|task| derive_seed(self.seed, &[task as u64, 2])).collect();
        let all: Vec<usize> = (0..self.count).collect();
        let mut agents = Agents {
            thinker,
            agent: Agent::new(thinker.planner, bounds.frameskip(frameskip)?, seeds)?,
            goals: thinker.world.encode(&observe(&many, &all, true)),
            active: all,
        };
        let (size, block) = (spec.action.len(), frameskip * spec.action.len());
        let mut episodes = Episodes::begin(&many, self.guardrails);
        // A task's block of actions; none where it keeps still.
        let mut blocks: Vec<Option<Vec<f32>>> = vec![None; self.count];
        let mut actions = vec![0.0; self.count * size];
        for step in 0..self.budget {
            watch(step, &many, Some((&agents.agent, &agents.active)));
            if step.is_multiple_of(frameskip) {
                blocks.fill(None);
                agents.decide(&many, step / frameskip, (self.budget - step).div_ceil(frameskip), &mut blocks, block)?;
                agents.note(&mut episodes);
            }
            let now = step % frameskip * size;
            for ((env, block), action) in many.envs().iter().zip(&blocks).zip(actions.chunks_mut(size)) {
                match block {
                    Some(block) => action.copy_from_slice(&block[now..][..size]),
                    None => env.rest(action),
                }
            }
            many.step(&actions);
            episodes.note(&many, &actions);
        }
        watch(self.budget, &many, Some((&agents.agent, &agents.active)));
        episodes.effort = agents.agent.effort();
        episodes.guarded = !thinker.guardrails.is_empty();
        Ok(episodes)
    }
}

/// The agents of those tasks that have not arrived, thinking together.
struct Agents<'a> {
    thinker: &'a Thinker<'a>,
    agent: Agent,
    /// `[active, tokens, dim]`
    goals: Tensor<3>,
    active: Vec<usize>,
}

impl Agents<'_> {
    /// Writes the next block of actions of every active task that has a plan which keeps the guardrails.
    fn decide(
        &mut self,
        many: &Many,
        blocks_past: usize,
        blocks_left: usize,
        blocks: &mut [Option<Vec<f32>>],
        block: usize,
    ) -> Result<(), EvalError> {
        let Thinker { world, simulator, objective, guardrails, planner, arrived, .. } = *self.thinker;
        let looks = blocks_past.is_multiple_of(planner.replan_every);
        if looks && !self.active.is_empty() {
            if let Some(limit) = arrived {
                let energies = energies(world, objective, &observe(many, &self.active, false), &self.goals);
                let arrived = |energy: &f32| f64::from(*energy) < limit;
                self.retain(&energies.iter().map(|energy| !arrived(energy)).collect::<Vec<_>>());
            }
            if let Some(simulator) = simulator {
                simulator.set(self.active.iter().map(|&task| many.envs()[task].boxed_clone()).collect());
            }
        }
        if self.active.is_empty() {
            return Ok(());
        }
        // Between plans the agent does not look.
        let seen = if looks { observe(many, &self.active, false) } else { Observations::default() };
        let acted = self.agent.act(world, objective, guardrails, &seen, &self.goals, blocks_left);
        let acted = acted.map_err(|error| match error {
            PlanError::NotFinite { task, iteration, samples } => {
                PlanError::NotFinite { task: self.active[task], iteration, samples }
            }
            other => other,
        })?;
        let broken = self.agent.plans().map(|plans| plans.violation.clone()).unwrap_or_default();
        for ((&task, acted), violation) in self.active.iter().zip(acted.chunks(block)).zip(broken) {
            blocks[task] = (violation <= 0.0).then(|| acted.to_vec());
        }
        Ok(())
    }

    /// Takes in what the plans cost that have just been made, if any.
    fn note(&self, episodes: &mut Episodes) {
        let Some(plans) = self.agent.plans().filter(|_| self.agent.executed() == 1) else { return };
        for (&task, evaluations) in self.active.iter().zip(&plans.evaluations) {
            episodes.evaluations[task] += evaluations;
        }
        if episodes.trace.is_empty() {
            episodes.trace.clone_from(&plans.trace);
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

impl Episodes {
    /// Before the first step.
    fn begin(many: &Many, guardrails: &[GuardrailConfig]) -> Self {
        let rules = many.envs().first().map(|env| env.other_rules()).unwrap_or_default();
        let none = vec![Vec::new(); many.len()];
        let other = |rule: OtherRule| Other { name: rule.name.into(), radius: rule.radius, distances: none.clone() };
        let others = rules.into_iter().map(other).collect();
        let (guardrails, broken) = (guardrails.to_vec(), vec![0.0; many.len()]);
        let evaluations = vec![0; many.len()];
        let mut episodes = Self { distances: none, others, guardrails, broken, evaluations, ..Self::default() };
        let still = vec![0.0; many.len() * many.envs().first().map_or(0, |env| env.spec().action.len())];
        episodes.note(many, &still);
        episodes
    }

    /// Takes in where the tasks are after these actions, `[tasks, action]`.
    fn note(&mut self, many: &Many, actions: &[f32]) {
        self.note_broken(many, actions);
        for (distances, distance) in self.distances.iter_mut().zip(many.distances()) {
            distances.push(distance);
        }
        if self.others.is_empty() {
            return;
        }
        for (task, env) in many.envs().iter().enumerate() {
            for (other, rule) in self.others.iter_mut().zip(env.other_rules()) {
                other.distances[task].push(rule.distance);
            }
        }
    }

    fn note_broken(&mut self, many: &Many, actions: &[f32]) {
        if self.guardrails.is_empty() {
            return;
        }
        let size = actions.len() / many.len().max(1);
        for ((env, action), broken) in many.envs().iter().zip(actions.chunks(size)).zip(&mut self.broken) {
            let mut labels = vec![0.0; env.spec().label_len()];
            env.labels(&mut labels);
            let depths = self.guardrails.iter().map(|guardrail| guardrail.broken(env.spec(), &labels, action));
            *broken = depths.fold(*broken, f64::max);
        }
    }
}

/// What an agent sees in every one of these environments.
pub(crate) fn observe_all(envs: &[Box<dyn Env>]) -> Observations {
    look(&envs.iter().collect(), false)
}

/// What the agents of some tasks see now, or would see at their goals.
pub(crate) fn observe(many: &Many, tasks: &[usize], goal: bool) -> Observations {
    look(&many.only(tasks), goal)
}

fn look(many: &Many<&(dyn Env + 'static)>, goal: bool) -> Observations {
    let size = |of: fn(&Spec) -> usize| many.envs().iter().map(|env| of(env.spec())).sum();
    let (pixels, labels) = (size(|spec| spec.observation.len()), size(Spec::label_len));
    let mut seen = Observations { rows: many.len(), pixels: vec![0; pixels], labels: vec![0.0; labels] };
    if goal {
        many.observe_goal(&mut seen.pixels);
        many.goal_labels(&mut seen.labels);
    } else {
        many.observe(&mut seen.pixels);
        many.labels(&mut seen.labels);
    }
    seen
}

fn energies(world: &dyn World, objective: &dyn Objective, seen: &Observations, goals: &Tensor<3>) -> Vec<f32> {
    let now = world.encode(seen).unsqueeze_dim::<4>(1);
    objective.energy(now, goals.clone()).into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

/// Names and numbers, in order.
pub(crate) type Numbers = BTreeMap<String, f64>;

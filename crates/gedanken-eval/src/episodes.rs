//! Episodes of all tasks of a protocol, in step.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use gedanken_env::{Env, Many, Policy, Rng, derive_seed, rng};
use gedanken_planner::{Agent, Bounds, Effort, Objective, Observations, PlannerConfig, World};

use crate::{EvalConfig, EvalError, Simulator};

/// The tasks of a protocol.
pub struct Tasks<'a> {
    /// The environment, with the protocol's options.
    pub env: &'a dyn Env,
    /// Seed of the tasks.
    pub seed: u64,
    /// How many.
    pub count: usize,
    /// Control steps of an episode.
    pub budget: usize,
}

/// Who acts.
pub enum Driver<'a> {
    /// A scripted policy of the environment.
    Policy(&'a str),
    /// A planner on a world.
    Planner {
        /// What it imagines with.
        world: &'a dyn World,
        /// The same world, if it is the simulator: it is shown the tasks before every plan.
        simulator: Option<&'a Simulator>,
        /// What it minimises.
        objective: &'a dyn Objective,
        /// How it plans.
        planner: &'a PlannerConfig,
        /// The energy below which the agent stops for good.
        arrived: Option<f64>,
    },
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Episodes {
    /// Distance to the goal of every task, before the first step and after every one, `[tasks][budget + 1]`.
    pub distances: Vec<Vec<f64>>,
    /// What planning cost.
    pub effort: Effort,
}

/// Shown every step of the episodes before it is taken, and the end: step, the tasks, and the agent that acts in those
/// tasks of which the numbers stand beside it.
pub type Watch<'a> = dyn FnMut(usize, &Many, Option<(&Agent, &[usize])>) + 'a;

impl<'a> Tasks<'a> {
    /// The tasks of a protocol: the first `count` of them.
    pub fn of(env: &'a dyn Env, config: &EvalConfig, count: usize) -> Self {
        Self { env, seed: config.seed, count, budget: config.budget }
    }

    /// The environments at the start of their tasks; task `i` is a function of the seed and `i`.
    pub fn start(&self) -> Many {
        let start = |task: usize| {
            let mut env = self.env.boxed_clone();
            env.reset(derive_seed(self.seed, &[task as u64]));
            env
        };
        Many::new((0..self.count).map(start).collect())
    }

    /// Runs the episodes.
    ///
    /// # Errors
    /// No such policy, or no plan.
    pub fn run(&self, driver: &Driver<'_>, watch: &mut Watch<'_>) -> Result<Episodes, EvalError> {
        match driver {
            Driver::Policy(name) => self.run_policy(name, watch),
            Driver::Planner { .. } => self.run_planner(driver, watch),
        }
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
        let mut episodes =
            Episodes { distances: many.distances().into_iter().map(|d| vec![d]).collect(), ..Episodes::default() };
        for step in 0..self.budget {
            watch(step, &many, None);
            for (i, action) in actions.chunks_mut(size).enumerate() {
                policies[i].act(many.envs()[i].as_ref(), &mut random[i], action);
            }
            many.step(&actions);
            episodes.note(&many);
        }
        watch(self.budget, &many, None);
        Ok(episodes)
    }

    fn run_planner(&self, driver: &Driver<'_>, watch: &mut Watch<'_>) -> Result<Episodes, EvalError> {
        let Driver::Planner { world, simulator, objective, planner, arrived } = driver else {
            return Ok(Episodes::default());
        };
        let mut many = self.start();
        let spec = self.env.spec();
        let bounds = Bounds::new(spec.action.low.clone(), spec.action.high.clone(), spec.action.max_norm)?;
        let seeds = (0..self.count).map(|task| derive_seed(self.seed, &[task as u64, 2])).collect();
        let mut agent = Agent::new(planner, bounds, seeds)?;
        let mut active: Vec<usize> = (0..self.count).collect();
        let mut goals = world.encode(&observe(&many, &active, true));
        let size = spec.action.len();
        let mut episodes =
            Episodes { distances: many.distances().into_iter().map(|d| vec![d]).collect(), ..Episodes::default() };
        for step in 0..self.budget {
            watch(step, &many, Some((&agent, &active)));
            let mut actions = vec![0.0; self.count * size];
            if step.is_multiple_of(planner.replan_every) && !active.is_empty() {
                if let Some(limit) = arrived {
                    let near = energies(*world, *objective, &observe(&many, &active, false), &goals);
                    let keep: Vec<bool> = near.iter().map(|&energy| f64::from(energy) >= *limit).collect();
                    let rows: Vec<i32> = (0..).zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| row).collect();
                    agent.retain(&keep);
                    let mut kept = keep.iter();
                    active.retain(|_| kept.next().copied().unwrap_or(false));
                    if !rows.is_empty() {
                        goals = goals.clone().select(0, Tensor::from_data(rows.as_slice(), &goals.device()));
                    }
                }
                if let Some(simulator) = simulator {
                    simulator.set(active.iter().map(|&task| many.envs()[task].boxed_clone()).collect());
                }
            }
            if !active.is_empty() {
                let observations = observe(&many, &active, false);
                let acted = agent.act(*world, *objective, &observations, &goals, self.budget - step)?;
                for (&task, action) in active.iter().zip(acted.chunks(size)) {
                    actions[task * size..][..size].copy_from_slice(action);
                }
            }
            many.step(&actions);
            episodes.note(&many);
        }
        watch(self.budget, &many, Some((&agent, &active)));
        episodes.effort = agent.effort();
        Ok(episodes)
    }
}

impl Episodes {
    fn note(&mut self, many: &Many) {
        for (distances, distance) in self.distances.iter_mut().zip(many.distances()) {
            distances.push(distance);
        }
    }
}

/// What the agents of some tasks see now, or would see at their goals.
pub(crate) fn observe(many: &Many, tasks: &[usize], goal: bool) -> Observations {
    let spec = many.envs()[0].spec();
    let (picture, row) = (spec.observation.len(), spec.label_len());
    let mut seen = Observations {
        rows: tasks.len(),
        pixels: vec![0; tasks.len() * picture],
        labels: vec![0.0; tasks.len() * row],
    };
    for (i, &task) in tasks.iter().enumerate() {
        let env = &many.envs()[task];
        let (pixels, labels) = (&mut seen.pixels[i * picture..][..picture], &mut seen.labels[i * row..][..row]);
        if goal {
            env.observe_goal(pixels);
            env.goal_labels(labels);
        } else {
            env.observe(pixels);
            env.labels(labels);
        }
    }
    seen
}

fn energies(world: &dyn World, objective: &dyn Objective, seen: &Observations, goals: &Tensor<3>) -> Vec<f32> {
    let now = world.encode(seen).unsqueeze_dim::<4>(1);
    objective.energy(now, goals.clone()).into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

/// Names and numbers, in order.
pub(crate) type Numbers = BTreeMap<String, f64>;

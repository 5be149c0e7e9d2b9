//! Episodes of all tasks of a protocol, in step.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use gedanken_env::{Many, OtherRule, Policy, Rng, derive_seed, rng};
use gedanken_planner::{Agent, Bounds, Effort, Objective, Observations, PlannerConfig, World};

use crate::{EvalError, Simulator, Tasks};

/// Who acts.
pub enum Driver<'a> {
    /// Nobody: actions that keep still ([`gedanken_env::Env::rest`]).
    Noop,
    /// Who acted when the tasks were recorded: the recorded actions, then those that keep still.
    Replay,
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
        /// Control steps of one planned action: plans are made of blocks of the actions of so many.
        frameskip: usize,
        /// The energy below which the agent stops for good.
        arrived: Option<f64>,
    },
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
            Driver::Planner { .. } => self.run_planner(driver, watch),
        }
    }

    /// Every task's own actions, f32 `[steps, action]`, and after them those that keep still.
    fn run_actions<'t>(&self, own: impl Fn(usize) -> &'t [f32], watch: &mut Watch<'_>) -> Episodes {
        let mut many = self.start();
        let size = self.env.spec().action.len();
        let mut actions = vec![0.0; self.count * size];
        let mut episodes = Episodes::begin(&many);
        for step in 0..self.budget {
            watch(step, &many, None);
            for (task, action) in actions.chunks_mut(size).enumerate() {
                match own(task).chunks_exact(size).nth(step) {
                    Some(recorded) => action.copy_from_slice(recorded),
                    None => many.envs()[task].rest(action),
                }
            }
            many.step(&actions);
            episodes.note(&many);
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
        let mut episodes = Episodes::begin(&many);
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
        let Driver::Planner { world, simulator, objective, planner, frameskip, arrived } = driver else {
            return Ok(Episodes::default());
        };
        let frameskip = *frameskip;
        let mut many = self.start();
        let spec = self.env.spec();
        let bounds = Bounds::new(spec.action.low.clone(), spec.action.high.clone(), spec.action.max_norm)?;
        let bounds = bounds.frameskip(frameskip)?;
        let seeds = (0..self.count).map(|task| derive_seed(self.seed, &[task as u64, 2])).collect();
        let mut agent = Agent::new(planner, bounds, seeds)?;
        let mut active: Vec<usize> = (0..self.count).collect();
        let mut goals = world.encode(&observe(&many, &active, true));
        let (size, block) = (spec.action.len(), frameskip * spec.action.len());
        let mut episodes = Episodes::begin(&many);
        let (mut blocks, mut actions) = (vec![0.0; self.count * block], vec![0.0; self.count * size]);
        for step in 0..self.budget {
            watch(step, &many, Some((&agent, &active)));
            if step.is_multiple_of(frameskip) {
                if (step / frameskip).is_multiple_of(planner.replan_every) && !active.is_empty() {
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
                    let blocks_left = (self.budget - step).div_ceil(frameskip);
                    let acted = agent.act(*world, *objective, &observations, &goals, blocks_left)?;
                    for (&task, acted) in active.iter().zip(acted.chunks(block)) {
                        blocks[task * block..][..block].copy_from_slice(acted);
                    }
                }
            }
            let now = step % frameskip * size;
            for (env, action) in many.envs().iter().zip(actions.chunks_mut(size)) {
                env.rest(action);
            }
            for &task in &active {
                actions[task * size..][..size].copy_from_slice(&blocks[task * block + now..][..size]);
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
    /// Before the first step.
    fn begin(many: &Many) -> Self {
        let rules = many.envs().first().map(|env| env.other_rules()).unwrap_or_default();
        let none = vec![Vec::new(); many.len()];
        let other = |rule: OtherRule| Other { name: rule.name.into(), radius: rule.radius, distances: none.clone() };
        let others = rules.into_iter().map(other).collect();
        let mut episodes = Self { distances: none.clone(), others, effort: Effort::default() };
        episodes.note(many);
        episodes
    }

    fn note(&mut self, many: &Many) {
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

#![doc = include_str!("../README.md")]

mod options;
mod policy;
mod workers;
mod world;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gedanken_env::{Entry, Env, EnvError, Policy, Show, Spec, derive_seed, entry as env_entry, rng};
use gedanken_worker::observation;

pub use options::Options;
use policy::Wander;
use workers::Workers;
use world::{Told, World};

/// The line that puts it into a list of environments.
pub fn entry() -> Entry<dyn Env> {
    env_entry(options::NAME, Gymnasium::new)
}

/// Seeds of Gymnasium have 31 bits.
const SEEDS: u64 = 1 << 31;
// Purposes of derived seeds.
const GOAL: u64 = 1;
const GOAL_WALK: u64 = 2;

/// An environment of Gymnasium in a Python process.
///
/// The state is `[ended, …, ended, …]`: where it is, and where it should be, each as the process gives it. Worlds in the processes are
/// lent: a copy of an environment takes one when it is asked to move or to show itself, and puts its state into it.
pub struct Gymnasium {
    workers: Arc<Workers>,
    /// Where it is.
    now: Told,
    /// Where it should be.
    goal: Told,
    lent: Mutex<Lent>,
    picture: OnceLock<Vec<u8>>,
    goal_picture: OnceLock<Vec<u8>>,
}

/// The world in a process, if there is one, and whether it is in the state of [`Gymnasium::now`].
#[derive(Default)]
struct Lent {
    world: Option<World>,
    here: bool,
}

impl Clone for Gymnasium {
    fn clone(&self) -> Self {
        Self {
            workers: self.workers.clone(),
            now: self.now.clone(),
            goal: self.goal.clone(),
            lent: Mutex::default(),
            picture: self.picture.clone(),
            goal_picture: self.goal_picture.clone(),
        }
    }
}

impl Drop for Gymnasium {
    fn drop(&mut self) {
        let lent = self.lent.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.workers.take_back(lent.world.take());
    }
}

impl Gymnasium {
    /// The environment of these options. Its processes are shared by all environments of the same options.
    ///
    /// # Errors
    /// [`EnvError::Broken`] with Python's own message where it cannot be made.
    pub fn new(options: Options) -> Result<Self, EnvError> {
        let workers = Workers::of(&options)?;
        let mut env = Self {
            now: Told::default(),
            goal: Told::default(),
            lent: Mutex::default(),
            picture: OnceLock::new(),
            goal_picture: OnceLock::new(),
            workers,
        };
        env.reset(0);
        env.fault().map_or(Ok(env), |message| Err(EnvError::broken(options::NAME, message)))
    }

    /// Lets `then` speak with a world; what it breaks is remembered.
    fn ask<T>(&self, then: impl FnOnce(&mut World, &mut bool) -> Result<T, String>) -> Option<T> {
        if self.workers.fault().is_some() {
            return None;
        }
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = || -> Result<T, String> {
            let Lent { world, here } = &mut *lent;
            if world.is_none() {
                (*world, *here) = (Some(self.workers.lend()?), false);
            }
            let found = world.as_mut().map_or(Err("no world".to_owned()), |world| then(world, here));
            if world.as_ref().is_some_and(|world| !self.workers.keeps(world)) {
                self.workers.take_back(world.take());
            }
            found
        };
        asked().map_err(|message| self.workers.broke(message)).ok()
    }

    /// The same with a world in this state.
    fn ask_here<T>(&self, then: impl FnOnce(&mut World) -> Result<T, String>) -> Option<T> {
        self.ask(|world, here| {
            if !*here {
                world.set(&self.now.state)?;
                *here = true;
            }
            then(world)
        })
    }

    fn moved(&mut self, told: Option<Told>) {
        if let Some(told) = told {
            self.now = told;
            self.picture = OnceLock::new();
            let lent = self.lent.get_mut().unwrap_or_else(PoisonError::into_inner);
            lent.here = lent.world.is_some();
        }
    }

    /// Where a walk of some steps from another start leads.
    fn draw_goal(&mut self, seed: u64) {
        let steps = self.workers.options.goal_steps;
        let mut env = self.clone();
        let told = env.ask(|world, _| world.reset(derive_seed(seed, &[GOAL]) % SEEDS));
        env.moved(told);
        let (mut walk, mut rng) = (Wander::default(), rng(seed, &[GOAL_WALK]));
        let mut action = vec![0.0; env.spec().action.len()];
        for _ in 0..steps {
            walk.act(&env, &mut rng, &mut action);
            env.step(&action);
        }
        self.goal = env.now.clone();
        self.goal_picture = OnceLock::new();
    }

    fn goal_is(&self, state: &[f64]) -> Option<Told> {
        self.ask(|world, here| {
            *here = false;
            world.set(state)
        })
    }
}

impl Env for Gymnasium {
    fn spec(&self) -> &Spec {
        &self.workers.spec
    }

    fn reset(&mut self, seed: u64) {
        self.draw_goal(seed);
        let told = self.ask(|world, _| world.reset(seed % SEEDS));
        self.moved(told);
    }

    fn step(&mut self, action: &[f32]) {
        let mut action = action.to_vec();
        self.spec().action.clip(&mut action);
        let told = self.ask_here(|world| world.step(&action));
        self.moved(told);
    }

    fn observe(&self, pixels: &mut [u8]) {
        let seen = self.picture.get_or_init(|| {
            let picture = self.ask_here(World::picture);
            picture
                .and_then(|(shape, bytes)| observation(shape, bytes, self.spec().observation))
                .unwrap_or_else(|| vec![0; pixels.len()])
        });
        pixels.copy_from_slice(seen);
    }

    fn observe_goal(&self, pixels: &mut [u8]) {
        let seen = self.goal_picture.get_or_init(|| {
            let picture = self.ask(|world, here| {
                *here = false;
                world.set(&self.goal.state)?;
                world.picture()
            });
            picture
                .and_then(|(shape, bytes)| observation(shape, bytes, self.spec().observation))
                .unwrap_or_else(|| vec![0; pixels.len()])
        });
        pixels.copy_from_slice(seen);
    }

    fn state(&self, out: &mut [f64]) {
        let (now, goal) = out.split_at_mut(self.now.state.len());
        now.copy_from_slice(&self.now.state);
        goal.copy_from_slice(&self.goal.state);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let half = self.now.state.len();
        if state.len() != 2 * half || !state.iter().all(|number| number.is_finite()) {
            return Err(EnvError::state(options::NAME, state, format!("{} finite numbers", 2 * half)));
        }
        let (now, goal) = state.split_at(half);
        if goal != self.goal.state {
            let told = self.goal_is(goal);
            self.goal = told.unwrap_or_else(|| self.goal.clone());
            self.goal_picture = OnceLock::new();
        }
        let lent = self.lent.get_mut().unwrap_or_else(PoisonError::into_inner);
        if now != self.now.state || !lent.here {
            let told = self.ask(|world, _| world.set(now));
            self.moved(told);
        }
        self.fault().map_or(Ok(()), |message| Err(EnvError::broken(options::NAME, message)))
    }

    fn labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&self.now.labels);
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        self.spec().require_task()?;
        let half = self.now.state.len();
        let goal =
            state.get(..half).filter(|_| state.len() == 2 * half && state.iter().all(|number| number.is_finite()));
        let Some(goal) = goal else {
            return Err(EnvError::state(options::NAME, state, format!("{} finite numbers", 2 * half)));
        };
        if let Some(told) = self.goal_is(goal) {
            (self.goal, self.goal_picture) = (told, OnceLock::new());
        }
        self.fault().map_or(Ok(()), |message| Err(EnvError::broken(options::NAME, message)))
    }

    fn goal_labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&self.goal.labels);
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let columns = &self.workers.goal_columns;
        self.spec().task.as_ref()?;
        Some(columns.iter().map(|&i| f64::from(labels[i] - goal[i]).powi(2)).sum::<f64>().sqrt())
    }

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        match name {
            Wander::NAME => Ok(Box::new(Wander::default())),
            gedanken_env::Uniform::NAME => Ok(Box::new(gedanken_env::Uniform)),
            _ => Err(self.spec().no_policy(name)),
        }
    }

    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let (shape, bytes) = (show == Show::Now).then(|| self.ask_here(World::picture))??;
        (shape[0] >= height).then(|| observation(shape, bytes, self.spec().observation.at_height(height)))?
    }

    fn fault(&self) -> Option<String> {
        self.workers.fault()
    }
}

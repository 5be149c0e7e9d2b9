//! Many environments at once, on all cores.

use rayon::prelude::*;

use crate::{Env, EnvError, Spec};

/// The fewest environments that one task steps: a step may take as little as 20 ns.
const STEPPED: usize = 16;
/// The fewest that one task draws or reads.
const DRAWN: usize = 4;

/// Environments of one kind that are stepped and looked at together, in parallel.
///
/// Results do not depend on the number of cores. Rows of every buffer are in the order of the environments.
#[derive(Clone, Default)]
pub struct Many {
    envs: Vec<Box<dyn Env>>,
}

impl Many {
    /// Takes the environments; they must have the same spaces.
    pub fn new(envs: Vec<Box<dyn Env>>) -> Self {
        Self { envs }
    }

    /// Number of environments.
    pub fn len(&self) -> usize {
        self.envs.len()
    }

    /// No environment at all.
    pub fn is_empty(&self) -> bool {
        self.envs.is_empty()
    }

    /// Copies of some of them, in this order.
    pub fn select(&self, which: &[usize]) -> Self {
        Self::new(which.iter().map(|&index| self.envs[index].clone()).collect())
    }

    /// The environments.
    pub fn envs(&self) -> &[Box<dyn Env>] {
        &self.envs
    }

    /// The environments, to reset or set one by one.
    pub fn envs_mut(&mut self) -> &mut [Box<dyn Env>] {
        &mut self.envs
    }

    /// One control step of each: actions f32 `[envs, action]`.
    ///
    /// # Panics
    /// When `actions` has another length.
    pub fn step(&mut self, actions: &[f32]) {
        let size = self.row(actions.len(), |spec| spec.action.len());
        let least = self.least(STEPPED);
        let rows = actions.par_chunks_exact(size);
        self.envs.par_iter_mut().with_min_len(least).zip(rows).for_each(|(env, action)| env.step(action));
    }

    /// Writes the observations, u8 `[envs, channels, height, width]`.
    ///
    /// # Panics
    /// When `pixels` has another length.
    pub fn observe(&self, pixels: &mut [u8]) {
        self.write(pixels, |spec| spec.observation.len(), |env, row| env.observe(row));
    }

    /// Writes the observations at the goals, u8 `[envs, channels, height, width]`.
    ///
    /// # Panics
    /// When `pixels` has another length.
    pub fn observe_goal(&self, pixels: &mut [u8]) {
        self.write(pixels, |spec| spec.observation.len(), |env, row| env.observe_goal(row));
    }

    /// Writes the labels, f32 `[envs, labels]`.
    ///
    /// # Panics
    /// When `labels` has another length.
    pub fn labels(&self, labels: &mut [f32]) {
        self.write(labels, Spec::label_len, |env, row| env.labels(row));
    }

    /// Writes the labels at the goals, f32 `[envs, labels]`.
    ///
    /// # Panics
    /// When `labels` has another length.
    pub fn goal_labels(&self, labels: &mut [f32]) {
        self.write(labels, Spec::label_len, |env, row| env.goal_labels(row));
    }

    /// [`Env::distance`] of each, `[envs]`.
    pub fn distances(&self) -> Vec<f64> {
        let mut distances = vec![0.0; self.len()];
        self.write(&mut distances, |_| 1, |env, row| row[0] = env.distance());
        distances
    }

    /// The last words of the first that broke, as an error.
    ///
    /// # Errors
    /// [`EnvError::Broken`].
    pub fn whole(&self) -> Result<(), EnvError> {
        let broken = self.envs.iter().find_map(|env| Some(EnvError::broken(&env.spec().name, env.fault()?)));
        broken.map_or(Ok(()), Err)
    }

    /// The fewest environments of one task.
    fn least(&self, inside: usize) -> usize {
        if self.envs.first().is_some_and(|env| env.spec().outside) { 1 } else { inside }
    }

    fn write<T: Send>(&self, out: &mut [T], size: fn(&Spec) -> usize, one: fn(&dyn Env, &mut [T])) {
        let size = self.row(out.len(), size);
        let rows = out.par_chunks_exact_mut(size);
        self.envs.par_iter().with_min_len(self.least(DRAWN)).zip(rows).for_each(|(env, row)| one(env.as_ref(), row));
    }

    /// The length of one environment's row in a buffer of `found` numbers.
    fn row(&self, found: usize, size: fn(&Spec) -> usize) -> usize {
        let size = self.envs.first().map_or(0, |env| size(env.spec()));
        assert_eq!(found, size * self.envs.len(), "a buffer of {found} for {} rows of {size}", self.envs.len());
        size.max(1)
    }
}

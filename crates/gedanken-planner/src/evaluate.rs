//! The energies of candidates: the only place where a planner meets the device.

use burn::prelude::*;

use crate::error::expect_shape;
use crate::{Over, PlanError, Problem};

/// Imagines candidates and reads their energies, counting the work.
pub(crate) struct Evaluator<'a> {
    problem: &'a Problem<'a>,
    over: Over,
    max_rows: usize,
    /// Imagined steps so far, counted once per imagined future.
    pub evaluations: u64,
}

impl<'a> Evaluator<'a> {
    /// For a problem whose parts fit each other.
    pub fn new(problem: &'a Problem<'a>, over: Over, max_rows: usize) -> Result<Self, PlanError> {
        let [tasks, _, _] = problem.start.dims();
        if tasks == 0 {
            return Err(PlanError::NoTasks);
        }
        if problem.steps_left == 0 {
            return Err(PlanError::NoSteps);
        }
        let [goals, tokens, dim] = problem.goals.dims();
        expect_shape("goals", &[goals, tokens, dim], &[tasks, tokens, dim])?;
        expect_shape("seeds", &[problem.seeds.len()], &[tasks])?;
        Ok(Evaluator { problem, over, max_rows, evaluations: 0 })
    }

    /// Tasks of the batch.
    pub fn tasks(&self) -> usize {
        self.problem.seeds.len()
    }

    /// Energies `[tasks, samples]` of the candidates `[tasks, samples, horizon, action]`; what is not finite becomes
    /// infinity.
    pub fn energies(&mut self, candidates: &[f32], samples: usize, horizon: usize) -> Result<Vec<f32>, PlanError> {
        let rows = self.tasks() * samples;
        let length = candidates.len() / rows;
        let mut energies = Vec::with_capacity(rows);
        for (chunk, actions) in candidates.chunks(self.max_rows.saturating_mul(length)).enumerate() {
            let first = chunk * self.max_rows;
            let count = actions.len() / length;
            let tasks = (first..first + count).map(|row| (row / samples) as i32).collect();
            energies.extend(self.chunk(tasks, actions, horizon)?);
        }
        self.evaluations += (rows * horizon) as u64;
        Ok(energies)
    }

    /// Energies of one chunk of rows; row r belongs to task `tasks[r]`.
    fn chunk(&self, tasks: Vec<i32>, actions: &[f32], horizon: usize) -> Result<Vec<f32>, PlanError> {
        let (rows, device) = (tasks.len(), self.problem.start.device());
        let actions = TensorData::new(actions.to_vec(), [rows, horizon, actions.len() / rows / horizon]);
        let tasks = Tensor::<1, Int>::from_data(TensorData::new(tasks, [rows]), &device);
        let start = self.problem.start.clone().select(0, tasks.clone());
        let goals = self.problem.goals.clone().select(0, tasks);

        let (world, actions) = (self.problem.world, Tensor::from_data(actions, &device));
        let (futures, steps) = match self.over {
            Over::Last => (world.destination(start, actions).unsqueeze_dim(1), 1),
            Over::Sum | Over::Mean => (world.rollout(start, actions), horizon),
        };
        let [_, _, tokens, dim] = futures.dims();
        expect_shape("the world's rollout", &futures.dims(), &[rows, steps, tokens, dim])?;
        let energy = self.problem.objective.energy(futures, goals);
        expect_shape("the objective's energy", &energy.dims(), &[rows, steps])?;
        let energy = if self.over == Over::Mean { energy.mean_dim(1) } else { energy.sum_dim(1) };

        let data = energy.try_into_data().map_err(|error| PlanError::Device(format!("{error:?}")))?;
        let values = data.try_into_vec_as::<f32>();
        let mut values = values.map_err(|error| PlanError::Device(format!("{error:?}")))?;
        values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = f32::INFINITY);
        Ok(values)
    }
}

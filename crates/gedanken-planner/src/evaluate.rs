//! The scores of candidates: the only place where a planner meets the device.

use burn::prelude::*;
use rayon::prelude::*;

use crate::candidate::{Candidate, Chosen, Score};
use crate::error::expect_shape;
use crate::{Bounds, Iteration, Over, PlanError, PlannerConfig, Plans, Problem, Trajectory};

/// Chunks that candidates are cut into, for threads to share, where they are many.
const CHUNKS: usize = 16;
/// Rows below which a chunk is not worth a thread of its own.
const LEAST_ROWS: usize = 32;

/// How many of so many candidates a device imagines at a time, and how many of these chunks follow each other on one thread at least: a
/// GPU takes as many rows as it may, one chunk after the other; a CPU's threads share them. How they are cut depends on their number
/// alone, not on the threads: the last bits of a product may depend on how many rows it has.
pub fn chunks(device: &Device, candidates: usize, max_rows: usize) -> (usize, usize) {
    match *device == Device::flex() {
        true => (candidates.div_ceil((candidates / LEAST_ROWS).clamp(1, CHUNKS)).min(max_rows), 1),
        false => (max_rows, usize::MAX),
    }
}

/// Imagines candidates and reads their scores, counting the work.
pub(crate) struct Evaluator<'a> {
    problem: &'a Problem<'a>,
    over: Over,
    max_rows: usize,
    /// Numbers of an action.
    action: usize,
    /// Actions of a plan.
    pub horizon: usize,
    /// Imagined steps so far, counted once per imagined future; a gradient counts as much as its future.
    evaluations: Vec<u64>,
}

impl<'a> Evaluator<'a> {
    /// For a problem whose parts fit each other.
    pub fn new(problem: &'a Problem<'a>, config: &PlannerConfig, bounds: &Bounds) -> Result<Self, PlanError> {
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
        let horizon = config.horizon.min(problem.steps_left);
        let (over, max_rows, evaluations) = (config.over, config.max_rows, vec![0; tasks]);
        Ok(Evaluator { problem, over, max_rows, action: bounds.action(), horizon, evaluations })
    }

    /// Numbers of a sequence.
    pub fn length(&self) -> usize {
        self.horizon * self.action
    }

    /// Scores `[tasks, samples]` of the candidates `[tasks, samples, horizon, action]` of these tasks.
    pub fn scores(&mut self, tasks: &[usize], candidates: &[f32], samples: usize) -> Result<Vec<Score>, PlanError> {
        self.count(tasks, samples, 1);
        let scores = self.in_chunks(tasks, candidates, samples, usize::MAX, |chunk| {
            let (energy, violation) = chunk.imagine(chunk.actions.clone())?;
            zip(read(energy)?, violation)
        })?;
        Ok(scores.concat())
    }

    /// The same, and gradients `[tasks, samples, horizon, action]`: of the energy where a candidate keeps the guardrails, of how far
    /// it breaks them where it does not (Polyak's switching subgradient method, 1967). A guardrail that does not follow the
    /// gradient only judges.
    pub fn gradients(
        &mut self,
        tasks: &[usize],
        candidates: &[f32],
        samples: usize,
    ) -> Result<(Vec<Score>, Vec<f32>), PlanError> {
        self.count(tasks, samples, 2);
        // Whatever a gradient goes back through is kept meanwhile.
        let found = self.in_chunks(tasks, candidates, samples, self.max_rows, |chunk| {
            let actions = chunk.actions.clone().autodiff().require_grad();
            let (energy, violation) = chunk.imagine(actions.clone())?;
            if !energy.is_autodiff() {
                return Err(PlanError::NoGradient);
            }
            let (slope, violation) = match violation {
                Some(violation) if violation.is_autodiff() => {
                    let broken = violation.clone().greater_elem(0.0);
                    (energy.clone().mask_where(broken, violation.clone()), Some(violation.inner()))
                }
                violation => (energy.clone(), violation),
            };
            let gradient = actions.grad(&slope.sum().backward()).ok_or(PlanError::NoGradient)?;
            Ok((zip(read(energy.inner())?, violation)?, read(gradient)?))
        })?;
        let (scores, gradients): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ok((scores.concat(), gradients.concat()))
    }

    /// What comes of [`chunks`] of the candidates, in their order, of at most so many rows at once.
    fn in_chunks<T: Send>(
        &self,
        tasks: &[usize],
        candidates: &[f32],
        samples: usize,
        at_once: usize,
        run: impl Fn(Chunk) -> Result<T, PlanError> + Sync,
    ) -> Result<Vec<T>, PlanError> {
        let (length, mut found) = (self.length(), Vec::new());
        for (number, candidates) in candidates.chunks(at_once.saturating_mul(length)).enumerate() {
            let (first, all) = (number.saturating_mul(at_once), candidates.len() / length);
            let (rows, together) = chunks(&self.device(), all, self.max_rows);
            let cut = candidates.par_chunks(rows.saturating_mul(length)).enumerate().with_min_len(together);
            let done = cut.map(|(number, actions)| {
                let shape = [actions.len() / length, self.horizon, self.action];
                let actions = Tensor::from_data(TensorData::new(actions.to_vec(), shape), &self.device());
                run(self.chunk(tasks, first + number * rows, actions, samples))
            });
            found.extend(done.collect::<Result<Vec<T>, _>>()?);
        }
        Ok(found)
    }

    /// Energies `[tasks, samples]`, and violations where there are guardrails, of candidates `[tasks, samples, horizon * action]` of
    /// all tasks that lie on the device: they stay there, and nothing waits for them.
    pub fn imagine(&mut self, candidates: Tensor<3>) -> Result<(Tensor<2>, Option<Tensor<2>>), PlanError> {
        let [tasks, samples, _] = candidates.dims();
        let all: Vec<usize> = (0..tasks).collect();
        self.count(&all, samples, 1);
        let rows = candidates.reshape([tasks * samples, self.horizon, self.action]);
        let (mut energies, mut violations) = (Vec::new(), Vec::new());
        for first in (0..tasks * samples).step_by(self.max_rows) {
            let actions = rows.clone().narrow(0, first, self.max_rows.min(tasks * samples - first));
            let chunk = self.chunk(&all, first, actions.clone(), samples);
            let (energy, violation) = chunk.imagine(actions)?;
            energies.push(energy);
            violations.extend(violation);
        }
        let whole = |parts: Vec<Tensor<1>>| Tensor::cat(parts, 0).reshape([tasks, samples]);
        Ok((whole(energies), (!violations.is_empty()).then(|| whole(violations))))
    }

    /// The device on which futures are imagined.
    pub fn device(&self) -> Device {
        self.problem.start.device()
    }

    /// Candidates from the row `first` on.
    fn chunk(&self, tasks: &[usize], first: usize, actions: Tensor<3>, samples: usize) -> Chunk<'a> {
        let rows = actions.dims()[0];
        let of: Vec<i32> = (first..first + rows).map(|row| tasks[row / samples] as i32).collect();
        let of = Tensor::<1, Int>::from_data(TensorData::new(of, [rows]), &self.device());
        Chunk {
            problem: self.problem,
            over: self.over,
            start: self.problem.start.clone().select(0, of.clone()),
            goals: self.problem.goals.clone().select(0, of),
            actions,
        }
    }

    fn count(&mut self, tasks: &[usize], samples: usize, cost: usize) {
        tasks.iter().for_each(|&task| self.evaluations[task] += (cost * samples * self.horizon) as u64);
    }

    /// The plans of all tasks.
    pub fn plans(self, chosen: Vec<Chosen>, trace: Vec<Iteration>) -> Plans {
        let of = |get: fn(&Candidate) -> f32| chosen.iter().map(|chosen| get(&chosen.plan)).collect();
        Plans {
            tasks: chosen.len(),
            horizon: self.horizon,
            action: self.action,
            actions: chosen.iter().flat_map(|chosen| &chosen.plan.actions).copied().collect(),
            energy: of(|plan| plan.score.energy),
            violation: of(|plan| plan.score.violation),
            others: chosen.into_iter().map(|chosen| chosen.others).collect(),
            evaluations: self.evaluations,
            trace,
        }
    }
}

/// Some rows of candidates, each beside its task's start and goal.
struct Chunk<'a> {
    problem: &'a Problem<'a>,
    over: Over,
    start: Tensor<3>,
    goals: Tensor<3>,
    actions: Tensor<3>,
}

impl Chunk<'_> {
    /// Energies `[rows]`, and violations `[rows]` where there are guardrails.
    fn imagine(&self, actions: Tensor<3>) -> Result<(Tensor<1>, Option<Tensor<1>>), PlanError> {
        let Problem { world, objective, guardrails, .. } = self.problem;
        let [rows, horizon, _] = actions.dims();
        let unwatched = guardrails.is_empty() && !objective.watches_the_way();
        let (futures, steps) = if self.over == Over::Last && unwatched {
            (world.destination(self.start.clone(), actions.clone()).unsqueeze_dim(1), 1)
        } else {
            (world.rollout(self.start.clone(), actions.clone()), horizon)
        };
        let [_, _, tokens, dim] = futures.dims();
        expect_shape("the world's rollout", &futures.dims(), &[rows, steps, tokens, dim])?;

        let way = Trajectory { start: self.start.clone(), latents: futures.clone(), actions };
        let mut violation: Option<Tensor<2>> = None;
        for guardrail in *guardrails {
            let by = guardrail.violation(&way);
            expect_shape("the guardrail's violation", &by.dims(), &[rows, steps])?;
            let by = by.clamp_min(0.0);
            violation = Some(violation.map_or(by.clone(), |sum| sum + by));
        }
        let judged = if self.over == Over::Last { futures.narrow(1, steps - 1, 1) } else { futures };
        let counted = judged.dims()[1];
        let energy = objective.energy(judged, self.goals.clone());
        expect_shape("the objective's energy", &energy.dims(), &[rows, counted])?;
        let energy = if self.over == Over::Mean { energy.mean_dim(1) } else { energy.sum_dim(1) };
        let energy: Tensor<1> = energy.squeeze_dim(1);
        let energy = match objective.way_cost(&way) {
            Some(cost) => energy + cost,
            None => energy,
        };
        Ok((energy, violation.map(|violation| violation.sum_dim(1).squeeze_dim(1))))
    }
}

/// Numbers from the device; what is not finite becomes infinity.
fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, PlanError> {
    let data = tensor.try_into_data().map_err(|error| PlanError::Device(format!("{error:?}")))?;
    let values = data.try_into_vec_as::<f32>();
    let mut values = values.map_err(|error| PlanError::Device(format!("{error:?}")))?;
    values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = f32::INFINITY);
    Ok(values)
}

fn zip(energies: Vec<f32>, violations: Option<Tensor<1>>) -> Result<Vec<Score>, PlanError> {
    let violations = match violations {
        Some(violations) => read(violations)?,
        None => vec![0.0; energies.len()],
    };
    Ok(energies.into_iter().zip(violations).map(|(energy, violation)| Score { energy, violation }).collect())
}

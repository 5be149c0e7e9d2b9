//! Energies of candidates: the only place where a planner meets the world.

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::error::expect_shape;
use crate::{Over, PlanConfig, PlanError, Problem, Trajectory};

/// Chunks that candidates are cut into, for threads to share, where they are many.
const CHUNKS: usize = 16;
/// Rows below which a chunk is not worth a thread of its own.
const LEAST_ROWS: usize = 32;

/// Rows of a chunk of so many candidates, and the least number of chunks that follow each other on one thread: a GPU takes as many
/// rows as it may, one chunk after the other; a CPU's threads share them. The cut depends on the number of candidates alone, not on the
/// threads: the last bits of a product may depend on how many rows it has.
pub fn chunks(device: &Device, candidates: usize, max_rows: usize) -> (usize, usize) {
    match *device == Device::flex() {
        true => (candidates.div_ceil((candidates / LEAST_ROWS).clamp(1, CHUNKS)).min(max_rows), 1),
        false => (max_rows, usize::MAX),
    }
}

/// Imagines candidates and counts the work.
pub(crate) struct Evaluator<'a> {
    problem: &'a Problem<'a>,
    over: Over,
    max_rows: usize,
    scenarios: Option<Scenarios>,
    /// Numbers of an action.
    pub action: usize,
    /// Actions of a plan.
    pub horizon: usize,
    /// Imagined steps of every task so far, counted once per imagined future; a gradient counts as much as its future.
    pub evaluations: Vec<u64>,
}

/// Energies of candidates.
pub(crate) struct Judged {
    /// `[tasks, samples]`.
    pub energy: Tensor<2>,
    /// `[tasks, samples]`, where there are guardrails.
    pub violation: Option<Tensor<2>>,
    /// `[tasks, samples, length]`, where it was asked for.
    pub gradient: Option<Tensor<3>>,
}

impl<'a> Evaluator<'a> {
    /// For a problem whose parts fit each other.
    pub fn new(problem: &'a Problem<'a>, config: &PlanConfig) -> Result<Self, PlanError> {
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
        if let Some(warm) = &problem.warm {
            expect_shape("the warm start", &[warm.plans.tasks, warm.plans.action], &[tasks, problem.bounds.action()])?;
        }
        let horizon = config.horizon.min(problem.steps_left);
        let scenarios = Scenarios::draw(problem, config, horizon);
        let rows = scenarios.as_ref().map_or(1, |scenarios| scenarios.count);
        let (over, max_rows, evaluations) = (config.over, (config.max_rows / rows).max(1), vec![0; tasks]);
        Ok(Evaluator { problem, over, max_rows, scenarios, action: problem.bounds.action(), horizon, evaluations })
    }

    /// Numbers of a sequence.
    pub fn length(&self) -> usize {
        self.horizon * self.action
    }

    /// Energies of the candidates `[tasks, samples, length]` of these tasks. They stay on the device, and nothing waits for them. The
    /// gradient is that of the energy where a candidate keeps the guardrails, of its violation where it does not (Polyak's
    /// switching subgradient method, 1967); a guardrail without a gradient only judges.
    pub fn judge(&mut self, tasks: &[usize], candidates: &Tensor<3>, gradient: bool) -> Result<Judged, PlanError> {
        let [_, samples, length] = candidates.dims();
        let all = tasks.len() * samples;
        let futures = samples * self.scenarios.as_ref().map_or(1, |scenarios| scenarios.count);
        let cost = (futures * self.horizon * (1 + usize::from(gradient))) as u64;
        tasks.iter().for_each(|&task| self.evaluations[task] += cost);
        let rows = candidates.clone().reshape([all, self.horizon, self.action]);
        // Whatever a gradient goes back through is kept meanwhile.
        let at_once = if gradient { self.max_rows } else { usize::MAX };
        let mut found = Vec::new();
        for begin in (0..all).step_by(at_once.min(all)) {
            let end = all.min(begin.saturating_add(at_once));
            let (each, together) = chunks(&self.device(), end - begin, self.max_rows);
            let firsts: Vec<usize> = (begin..end).step_by(each).collect();
            let chunk = |&first: &usize| {
                let actions = rows.clone().narrow(0, first, each.min(end - first));
                self.chunk(tasks, first, samples, actions).judge(gradient)
            };
            let done: Result<Vec<_>, _> = firsts.par_iter().with_min_len(together).map(chunk).collect();
            found.extend(done?);
        }
        let shape = [tasks.len(), samples];
        let whole = |parts: Vec<Tensor<1>>| (!parts.is_empty()).then(|| Tensor::cat(parts, 0).reshape(shape));
        let (mut energies, mut violations, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
        for (energy, violation, gradient) in found {
            energies.push(energy);
            violations.extend(violation);
            gradients.extend(gradient);
        }
        Ok(Judged {
            energy: Tensor::cat(energies, 0).reshape(shape),
            violation: whole(violations),
            gradient: (!gradients.is_empty())
                .then(|| Tensor::cat(gradients, 0).reshape([tasks.len(), samples, length])),
        })
    }

    /// The device on which futures are imagined.
    pub fn device(&self) -> Device {
        self.problem.start.device()
    }

    /// Candidates from the row `first` on.
    fn chunk(&self, tasks: &[usize], first: usize, samples: usize, actions: Tensor<3>) -> Chunk<'a> {
        let rows = actions.dims()[0];
        let of: Vec<i32> = (first..first + rows).map(|row| tasks[row / samples] as i32).collect();
        let of = Tensor::<1, Int>::from_data(TensorData::new(of, [rows]), &self.device());
        let scenarios = self.scenarios.as_ref();
        Chunk {
            problem: self.problem,
            over: self.over,
            chance: scenarios.map(|scenarios| scenarios.of(of.clone())),
            worst: scenarios.map_or(1, |scenarios| scenarios.worst),
            start: self.problem.start.clone().select(0, of.clone()),
            goals: self.problem.goals.clone().select(0, of),
            actions,
        }
    }
}

/// The futures that every sequence of a task is judged by.
struct Scenarios {
    count: usize,
    /// Those that count.
    worst: usize,
    /// Standard normal numbers `[tasks, count, horizon * chance]`.
    numbers: Tensor<3>,
    chance: usize,
}

impl Scenarios {
    /// Of a world that thinks several futures possible. They follow from the tasks' seeds and the step.
    fn draw(problem: &Problem, config: &PlanConfig, horizon: usize) -> Option<Self> {
        let (chance, count) = (problem.world.chance(), config.scenarios);
        if chance == 0 || count == 1 {
            return None;
        }
        let length = horizon * chance;
        let numbers = problem.seeds.iter().flat_map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            // A stream of its own: sequences are drawn from the same seed.
            rng.set_stream(!problem.step);
            (0..count * length).map(move |_| StandardNormal.sample(&mut rng))
        });
        let numbers = TensorData::new(numbers.collect::<Vec<f32>>(), [problem.seeds.len(), count, length]);
        let worst = ((config.risk * count as f32).ceil() as usize).clamp(1, count);
        Some(Self { count, worst, numbers: Tensor::from_data(numbers, &problem.start.device()), chance })
    }

    /// Those of these tasks, `[rows * count, horizon, chance]`.
    fn of(&self, tasks: Tensor<1, Int>) -> Tensor<3> {
        let [_, count, length] = self.numbers.dims();
        let rows = tasks.dims()[0] * count;
        self.numbers.clone().select(0, tasks).reshape([rows, length / self.chance, self.chance])
    }
}

/// Some rows of candidates, each beside its task's start and goal.
struct Chunk<'a> {
    problem: &'a Problem<'a>,
    over: Over,
    /// What decides the scenarios of every row, `[rows * scenarios, horizon, chance]`, where there are several.
    chance: Option<Tensor<3>>,
    /// Scenarios that count.
    worst: usize,
    start: Tensor<3>,
    goals: Tensor<3>,
    actions: Tensor<3>,
}

/// Energies `[rows]`, violations `[rows]` where there are guardrails, and gradients `[rows, horizon, action]` where they were asked for.
type Rows = (Tensor<1>, Option<Tensor<1>>, Option<Tensor<3>>);

impl Chunk<'_> {
    fn judge(&self, gradient: bool) -> Result<Rows, PlanError> {
        if !gradient {
            let (energy, violation) = self.imagine(self.actions.clone())?;
            return Ok((energy, violation, None));
        }
        let actions = self.actions.clone().autodiff().require_grad();
        let (energy, violation) = self.imagine(actions.clone())?;
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
        Ok((energy.inner(), violation, Some(gradient)))
    }

    /// Energies and violations.
    fn imagine(&self, actions: Tensor<3>) -> Result<(Tensor<1>, Option<Tensor<1>>), PlanError> {
        let Some(chance) = &self.chance else {
            return self.futures(self.start.clone(), self.goals.clone(), actions, None);
        };
        let rows = actions.dims()[0];
        let scenarios = chance.dims()[0] / rows;
        // Every row as often as there are scenarios.
        fn each(rows: Tensor<3>, times: usize) -> Tensor<3> {
            let [count, a, b] = rows.dims();
            rows.unsqueeze_dim::<4>(1).repeat_dim(1, times).reshape([count * times, a, b])
        }
        let [start, goals, actions] = [self.start.clone(), self.goals.clone(), actions].map(|x| each(x, scenarios));
        let (energy, violation) = self.futures(start, goals, actions, Some(chance.clone()))?;
        let worst = |numbers: Tensor<1>| -> Tensor<1> {
            let numbers = numbers.reshape([rows, scenarios]);
            let counted =
                if self.worst < scenarios { numbers.sort_descending(1).narrow(1, 0, self.worst) } else { numbers };
            counted.mean_dim(1).squeeze_dim(1)
        };
        Ok((worst(energy), violation.map(worst)))
    }

    /// Energies and violations of one future a row.
    fn futures(
        &self,
        start: Tensor<3>,
        goals: Tensor<3>,
        actions: Tensor<3>,
        chance: Option<Tensor<3>>,
    ) -> Result<(Tensor<1>, Option<Tensor<1>>), PlanError> {
        let Problem { world, objective, guardrails, .. } = self.problem;
        let [rows, horizon, _] = actions.dims();
        let unwatched = guardrails.is_empty() && !objective.watches_the_way();
        let (futures, steps) = match chance {
            Some(chance) => (world.rollout_by(start.clone(), actions.clone(), chance), horizon),
            None if self.over == Over::Last && unwatched => {
                (world.destination(start.clone(), actions.clone()).unsqueeze_dim(1), 1)
            }
            None => (world.rollout(start.clone(), actions.clone()), horizon),
        };
        let [_, _, tokens, dim] = futures.dims();
        expect_shape("the world's rollout", &futures.dims(), &[rows, steps, tokens, dim])?;

        let way = Trajectory { start, latents: futures.clone(), actions };
        let mut violation: Option<Tensor<2>> = None;
        for guardrail in *guardrails {
            let by = guardrail.violation(&way);
            expect_shape("the guardrail's violation", &by.dims(), &[rows, steps])?;
            let by = by.clamp_min(0.0);
            violation = Some(violation.map_or(by.clone(), |sum| sum + by));
        }
        let judged = if self.over == Over::Last { futures.narrow(1, steps - 1, 1) } else { futures };
        let counted = judged.dims()[1];
        let energy = objective.energy(judged, goals);
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

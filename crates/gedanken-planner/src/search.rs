//! The search: propose, imagine, refine, round by round, for all tasks side by side.

use std::time::Instant;

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;

use crate::error::expect_shape;
use crate::evaluate::{Evaluator, Judged};
use crate::found::{End, Found, flat, read_all, scores};
use crate::score::{FAR, Stats};
use crate::scored::{PAIRS, Scored, read};
use crate::stop::Stop;
use crate::{
    Belief, Bounds, Descent, Draw, Iteration, PlanConfig, PlanError, Plans, Problem, Returned, Round, Strategy, Style,
    Width, noise,
};

/// Plans for a batch.
pub(crate) fn plan(config: &PlanConfig, strategy: &dyn Strategy, problem: &Problem) -> Result<Plans, PlanError> {
    let device = problem.start.device();
    // A CPU ranks faster on the host, and a search that ends by its energies or by the clock has to see every round.
    let looks = config.tolerance > 0.0 || config.max_milliseconds.is_some();
    let samples = strategy.samples(0);
    let on_host = device == Device::flex() || looks || samples.saturating_mul(samples) > PAIRS;
    plan_on(config, strategy, problem, on_host)
}

/// The same, ranking on the host or where the futures are imagined.
pub(crate) fn plan_on(
    config: &PlanConfig,
    strategy: &dyn Strategy,
    problem: &Problem,
    on_host: bool,
) -> Result<Plans, PlanError> {
    let mut search = Search::new(config, problem, on_host)?;
    let (mut style, belief) = (strategy.style(), search.begin(&strategy.style(), problem)?);
    let mut found = search.run(strategy, belief)?;
    if config.polish > 0 {
        search.polish(style.elites, &mut found)?;
        style.returns = Returned::Best;
    }
    Ok(search.plans(&style, found))
}

/// The searches of a batch of tasks, which share nothing but the rollouts.
struct Search<'a> {
    config: &'a PlanConfig,
    bounds: Bounds,
    evaluator: Evaluator<'a>,
    on_host: bool,
    began: Instant,
    /// One of each for every task.
    rngs: Vec<ChaCha8Rng>,
    stops: Vec<Stop>,
    stats: Vec<Stats>,
    trace: Vec<Iteration>,
}

/// A round, to be put into numbers later.
struct Look {
    tried: Scored,
    std: Tensor<3>,
    gradient: Option<Tensor<3>>,
}

impl<'a> Search<'a> {
    fn new(config: &'a PlanConfig, problem: &'a Problem<'a>, on_host: bool) -> Result<Self, PlanError> {
        let bounds = problem.bounds.clone();
        let bounds = if config.max_norm.is_some() { bounds.max_norm(config.max_norm)? } else { bounds };
        let evaluator = Evaluator::new(problem, config)?;
        let tasks = problem.seeds.len();
        Ok(Search {
            config,
            bounds,
            evaluator,
            on_host,
            began: Instant::now(),
            rngs: problem.seeds.iter().map(|&seed| noise::rng(seed, problem.step)).collect(),
            stops: vec![Stop::new(config); tasks],
            stats: vec![Stats::default(); tasks],
            trace: Vec::new(),
        })
    }

    /// The belief of all tasks before the first round: around what the world proposes, else the warm start, else the middle of the box.
    fn begin(&self, style: &Style, problem: &Problem) -> Result<Belief, PlanError> {
        let (tasks, horizon, length) = (self.rngs.len(), self.evaluator.horizon, self.evaluator.length());
        let proposed = self.proposed(problem)?;
        let middle: Vec<f32> = self.bounds.middle().into_iter().cycle().take(length).collect();
        let known = |task: usize| {
            let mut known: Vec<Vec<f32>> = proposed.iter().map(|all| all[task * length..][..length].to_vec()).collect();
            if let Some(warm) = &problem.warm {
                known.push(warm.remainder(task, horizon));
                known.extend(if style.carries > 0 { warm.alternatives(task, horizon) } else { Vec::new() });
            }
            known
        };
        let known: Vec<Vec<Vec<f32>>> = (0..tasks).map(known).collect();
        let mean = known.iter().flat_map(|known| known.first().cloned().unwrap_or_else(|| middle.clone()));
        let (mean, half_widths) = (self.upload(mean.collect(), tasks, 1), self.half_widths());
        let std = style.init_std.along(&half_widths).repeat_dim(0, tasks);
        let middle = self.upload(middle, 1, 1);
        Ok(Belief { mean, std, middle, half_widths, memory: Vec::new(), elites: None, best: None, known })
    }

    /// Half the width of the box along a sequence, `[1, 1, length]`.
    fn half_widths(&self) -> Tensor<3> {
        self.upload(self.bounds.half_widths().into_iter().cycle().take(self.evaluator.length()).collect(), 1, 1)
    }

    /// Sequences that the world proposes, `[tasks, length]`, within the bounds.
    fn proposed(&self, problem: &Problem) -> Result<Option<Vec<f32>>, PlanError> {
        if !self.config.proposals {
            return Ok(None);
        }
        let (horizon, action) = (self.evaluator.horizon, self.evaluator.action);
        let Some(all) = problem.world.propose(problem.start.clone(), problem.goals.clone(), horizon) else {
            return Ok(None);
        };
        expect_shape("the world's proposal", &all.dims(), &[self.rngs.len(), horizon, action])?;
        let mut all = read(all)?;
        self.bounds.apply(&mut all);
        Ok(Some(all))
    }

    fn upload(&self, numbers: Vec<f32>, tasks: usize, samples: usize) -> Tensor<3> {
        let data = TensorData::new(numbers, [tasks, samples, self.evaluator.length()]);
        Tensor::from_data(data, &self.evaluator.device())
    }

    /// Runs all rounds; every task's search ends when it has to.
    fn run(&mut self, strategy: &dyn Strategy, mut belief: Belief) -> Result<Vec<Found>, PlanError> {
        let (style, horizon) = (strategy.style(), self.evaluator.horizon);
        let mut tasks: Vec<usize> = (0..self.rngs.len()).collect();
        let mut found: Vec<(usize, Found)> = Vec::new();
        let mut looks = Vec::new();
        for number in 0..style.rounds {
            let cost = strategy.samples(number) * horizon * (1 + usize::from(style.gradient));
            let goes_on = |row: &usize| self.stops[tasks[*row]].goes_on(cost, self.began);
            let (go_on, end): (Vec<usize>, Vec<usize>) = (0..tasks.len()).partition(goes_on);
            if go_on.is_empty() {
                break;
            }
            if !end.is_empty() {
                let ended: Vec<usize> = end.iter().map(|&row| tasks[row]).collect();
                found.extend(self.end(&style, &ended, belief.select(&end), &[])?);
                belief = belief.select(&go_on);
                tasks = go_on.iter().map(|&row| tasks[row]).collect();
            }
            let look = self.round(strategy, number, &tasks, &mut belief)?;
            if self.on_host {
                let mut numbers = read_all(look.tensors())?.into_iter();
                self.note(number, &tasks, &mut numbers, style.gradient)?;
                tasks.iter().for_each(|&task| self.stops[task].note(&self.stats[task], cost));
            } else {
                tasks.iter().for_each(|&task| self.stops[task].spend(cost));
                looks.push(look);
            }
        }
        found.extend(self.end(&style, &tasks, belief, &looks)?);
        found.sort_by_key(|(task, _)| *task);
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    /// One round of the active tasks.
    fn round(
        &mut self,
        strategy: &dyn Strategy,
        number: usize,
        tasks: &[usize],
        belief: &mut Belief,
    ) -> Result<Look, PlanError> {
        let (style, length, device) = (strategy.style(), self.evaluator.length(), self.evaluator.device());
        let mut draw = Draw {
            rngs: &mut self.rngs,
            tasks,
            dims: self.bounds.dims(),
            length,
            device: &device,
            on_host: self.on_host,
        };
        let proposed = strategy.propose(number, belief, &mut draw)?;
        expect_shape("proposals", &proposed.dims(), &[tasks.len(), strategy.samples(number).max(1), length])?;
        let proposed = self.bounds.within(proposed, self.on_host)?;
        let Judged { energy, violation, gradient } = self.evaluator.judge(tasks, &proposed, style.gradient)?;
        let tried = Scored::new(proposed, energy, violation, self.on_host)?;
        let elites = tried.best(style.elites)?;
        let first = elites.first();
        belief.best = Some(match &belief.best {
            Some(best) => first.or(best)?,
            None => first,
        });
        let (gradient, lost) = match gradient {
            Some(gradient) => self.without_gaps(gradient)?,
            None => (None, None),
        };
        let round = Round { number, tried, elites, gradient, lost };
        strategy.refine(belief, &round)?;
        let Round { tried, elites, gradient, .. } = round;
        belief.elites = Some(elites);
        Ok(Look { tried, std: belief.std.clone(), gradient })
    }

    /// A gradient with zeros where it is not finite, and the candidates for which it is not; none where the host sees that there are none.
    fn without_gaps(&self, gradient: Tensor<3>) -> Result<(Option<Tensor<3>>, Option<Tensor<3, Bool>>), PlanError> {
        if self.on_host && read(gradient.clone())?.iter().all(|number| number.is_finite()) {
            return Ok((Some(gradient), None));
        }
        // What is not a number compares as false.
        let finite = gradient.clone().abs().lower_elem(FAR);
        let lost = finite.clone().all_dim(2).bool_not();
        Ok((Some(gradient.zeros_like().mask_where(finite, gradient)), Some(lost)))
    }

    /// Takes in a round's numbers, as [`Look::tensors`] orders them.
    fn note(
        &mut self,
        number: usize,
        tasks: &[usize],
        numbers: &mut impl Iterator<Item = Vec<f32>>,
        descends: bool,
    ) -> Result<(), PlanError> {
        let mut next = || numbers.next().unwrap_or_default();
        let (energy, violation, std) = (next(), next(), next());
        let gradient = if descends { next() } else { Vec::new() };
        let (samples, length) = (energy.len() / tasks.len(), self.evaluator.length());
        let scores = scores(&energy, &violation);
        for (row, (&task, scores)) in tasks.iter().zip(scores.chunks_exact(samples)).enumerate() {
            let Some(stats) = Stats::of(scores) else {
                // Where all have slid into what is not finite, the round is the one before.
                if descends && number > 0 {
                    continue;
                }
                return Err(PlanError::NotFinite { task, iteration: number, samples });
            };
            let own = gradient.chunks_exact(samples * length).nth(row).unwrap_or_default();
            let squares: f64 = own.iter().map(|&g| f64::from(g) * f64::from(g)).sum();
            self.stats[task] = Stats {
                deviation: std[row * length..][..length].iter().sum::<f32>() / length as f32,
                gradient: (squares / samples as f64).sqrt() as f32,
                ..stats
            };
        }
        self.trace.push(Iteration::of(self.stats.iter().copied()));
        Ok(())
    }

    /// Ends the searches of these tasks: imagines the mean if it may be the plan, and reads all that was left on the device.
    fn end(
        &mut self,
        style: &Style,
        tasks: &[usize],
        belief: Belief,
        looks: &[Look],
    ) -> Result<Vec<(usize, Found)>, PlanError> {
        let mean = self.bounds.within(belief.mean, self.on_host)?;
        let mut judged = None;
        if style.returns == Returned::Mean && self.config.polish == 0 {
            let Judged { energy, violation, .. } = self.evaluator.judge(tasks, &mean, false)?;
            judged = Some(Scored::new(mean.clone(), energy, violation, self.on_host)?);
        }
        let end = End { mean, judged, best: belief.best, elites: belief.elites };
        // Here a device is waited for.
        let tensors = looks.iter().flat_map(Look::tensors).chain(end.tensors()).collect();
        let mut numbers = read_all(tensors)?.into_iter();
        for number in 0..looks.len() {
            self.note(number, tasks, &mut numbers, style.gradient)?;
        }
        Ok(tasks.iter().copied().zip(end.found(&mut numbers)).collect())
    }

    /// Slides as many elites of every task down the gradient, however few have a finite energy.
    fn polish(&mut self, count: usize, found: &mut [Found]) -> Result<(), PlanError> {
        if found.iter().any(|found| found.elites.is_empty()) {
            return Ok(());
        }
        let sequences = |found: &Found| {
            found.elites.iter().cycle().take(count).flat_map(|elite| elite.actions.clone()).collect::<Vec<_>>()
        };
        let at = self.upload(found.iter().flat_map(sequences).collect(), found.len(), count);
        let nothing = self.upload(vec![0.0; found.len() * self.evaluator.length()], found.len(), 1);
        let (mean, std, known) = (nothing.clone(), nothing, vec![Vec::new(); found.len()]);
        let half_widths = self.half_widths();
        let middle = half_widths.zeros_like();
        let belief = Belief { mean, std, middle, half_widths, memory: vec![at], elites: None, best: None, known };
        self.stops.iter_mut().for_each(|stop| *stop = Stop::after(self.config, stop.spent()));
        let (iterations, learning_rate) = (self.config.polish, self.config.polish_rate);
        let descent =
            Descent { iterations, samples: count, learning_rate, noise: Width::Units(0.0), ..Descent::default() };
        for (found, polished) in found.iter_mut().zip(self.run(&descent.with_adam(), belief)?) {
            let both = found.best.take().into_iter().chain(polished.best);
            found.best = both.min_by(|a, b| a.score.order(&b.score));
        }
        Ok(())
    }

    /// The plans of all tasks.
    fn plans(mut self, style: &Style, found: Vec<Found>) -> Plans {
        let mut plans = Plans {
            tasks: found.len(),
            horizon: self.evaluator.horizon,
            action: self.evaluator.action,
            actions: Vec::new(),
            filling: self.bounds.middle(),
            energy: Vec::new(),
            violation: Vec::new(),
            others: Vec::new(),
            evaluations: std::mem::take(&mut self.evaluator.evaluations),
            trace: std::mem::take(&mut self.trace),
        };
        for (found, rng) in found.into_iter().zip(&mut self.rngs) {
            let plan = found.chosen(style, rng);
            let others = found.elites.into_iter().map(|elite| elite.actions).filter(|other| *other != plan.actions);
            let told = if style.elites > 1 { style.carries.max(SHOWN) } else { 0 };
            plans.others.push(others.take(told).collect());
            plans.actions.extend(plan.actions);
            plans.energy.push(plan.score.energy);
            plans.violation.push(plan.score.violation);
        }
        plans
    }
}

/// Other sequences that plans tell of, at least.
const SHOWN: usize = 6;

impl Look {
    /// Energies, violations, standard deviations, and the gradient where there is one.
    fn tensors(&self) -> Vec<Tensor<1>> {
        let scores = [&self.tried.energy, &self.tried.violation].map(|numbers| flat(numbers.clone()));
        scores.into_iter().chain([flat(self.std.clone())]).chain(self.gradient.clone().map(flat)).collect()
    }
}

#[cfg(test)]
mod tests;

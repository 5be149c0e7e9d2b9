//! The search: propose, imagine, refine, round by round, for all tasks side by side.

use std::time::Instant;

use burn::prelude::*;
use burn::tensor::Transaction;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::error::expect_shape;
use crate::evaluate::{Evaluator, Judged};
use crate::score::{Candidate, Score, Stats};
use crate::scored::{FAR, PAIRS, Scored, read};
use crate::stop::Stop;
use crate::{
    Adam, Belief, Bounds, Descent, Draw, Iteration, PlanConfig, PlanError, Plans, Problem, Returned, Round, Strategy,
    noise,
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
fn plan_on(config: &PlanConfig, strategy: &dyn Strategy, problem: &Problem, on_host: bool) -> Result<Plans, PlanError> {
    let mut search = Search::new(config, problem, on_host)?;
    let belief = search.begin(strategy, problem);
    let mut found = search.run(strategy, belief)?;
    if config.polish > 0 {
        search.polish(strategy.elites(), &mut found)?;
    }
    Ok(search.plans(strategy, found))
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

/// How one task's search ended.
struct Found {
    /// The last mean, within the bounds; untried unless it may be returned.
    mean: Candidate,
    /// The last round's, best first, those with a finite energy.
    elites: Vec<Candidate>,
    best: Option<Candidate>,
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

    /// The belief of all tasks before the first round: around the warm start, or around zero actions.
    fn begin(&self, strategy: &dyn Strategy, problem: &Problem) -> Belief {
        let (tasks, horizon, length) = (self.rngs.len(), self.evaluator.horizon, self.evaluator.length());
        let known = |task| {
            let Some(warm) = &problem.warm else { return Vec::new() };
            let others = if strategy.carries() > 0 { warm.alternatives(task, horizon) } else { Vec::new() };
            std::iter::once(warm.remainder(task, horizon)).chain(others).collect()
        };
        let known: Vec<Vec<Vec<f32>>> = (0..tasks).map(known).collect();
        let mean = known.iter().flat_map(|known| known.first().cloned().unwrap_or_else(|| vec![0.0; length]));
        let (mean, std) = (mean.collect(), vec![strategy.init_std(); tasks * length]);
        let tensor = |numbers: Vec<f32>| self.upload(numbers, tasks, 1);
        Belief { mean: tensor(mean), std: tensor(std), memory: Vec::new(), elites: None, best: None, known }
    }

    fn upload(&self, numbers: Vec<f32>, tasks: usize, samples: usize) -> Tensor<3> {
        let data = TensorData::new(numbers, [tasks, samples, self.evaluator.length()]);
        Tensor::from_data(data, &self.evaluator.device())
    }

    /// Runs all rounds; every task's search ends when it has to.
    fn run(&mut self, strategy: &dyn Strategy, mut belief: Belief) -> Result<Vec<Found>, PlanError> {
        let mut tasks: Vec<usize> = (0..self.rngs.len()).collect();
        let mut found: Vec<(usize, Found)> = Vec::new();
        let mut looks = Vec::new();
        for number in 0..strategy.rounds() {
            let samples = strategy.samples(number);
            let cost = samples * self.evaluator.horizon * (1 + usize::from(strategy.needs_gradient()));
            let goes_on = |row: &usize| self.stops[tasks[*row]].goes_on(cost, self.began);
            let (go_on, end): (Vec<usize>, Vec<usize>) = (0..tasks.len()).partition(goes_on);
            if go_on.is_empty() {
                break;
            }
            if !end.is_empty() {
                let ended: Vec<usize> = end.iter().map(|&row| tasks[row]).collect();
                found.extend(self.end(strategy, &ended, belief.select(&end), &[])?);
                belief = belief.select(&go_on);
                tasks = go_on.iter().map(|&row| tasks[row]).collect();
            }
            let look = self.round(strategy, number, &tasks, &mut belief)?;
            if self.on_host {
                let mut numbers = read_all(look.tensors())?.into_iter();
                self.note(number, &tasks, &mut numbers, strategy.needs_gradient())?;
                tasks.iter().for_each(|&task| self.stops[task].note(&self.stats[task], cost));
            } else {
                tasks.iter().for_each(|&task| self.stops[task].spend(cost));
                looks.push(look);
            }
        }
        found.extend(self.end(strategy, &tasks, belief, &looks)?);
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
        let (length, device) = (self.evaluator.length(), self.evaluator.device());
        let mut draw = Draw {
            rngs: &mut self.rngs,
            tasks,
            dims: self.bounds.dims(),
            length,
            device: &device,
            on_host: self.on_host,
        };
        let proposed = strategy.propose(number, belief, &mut draw)?;
        expect_shape("proposals", &proposed.dims(), &[tasks.len(), strategy.samples(number), length])?;
        let proposed = self.bounds.within(proposed, self.on_host)?;
        let Judged { energy, violation, gradient } =
            self.evaluator.judge(tasks, &proposed, strategy.needs_gradient())?;
        let tried = Scored::new(proposed, energy, violation, self.on_host)?;
        let elites = tried.best(strategy.elites())?;
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
        strategy: &dyn Strategy,
        tasks: &[usize],
        belief: Belief,
        looks: &[Look],
    ) -> Result<Vec<(usize, Found)>, PlanError> {
        let length = self.evaluator.length();
        let mean = self.bounds.within(belief.mean, self.on_host)?;
        let mut tensors: Vec<Tensor<1>> = looks.iter().flat_map(Look::tensors).collect();
        let mut register = |scored: &Scored| {
            tensors.extend([flat(scored.actions.clone()), flat(scored.energy.clone()), flat(scored.violation.clone())]);
        };
        let counts = strategy.returns() == Returned::Mean && self.config.polish == 0;
        if counts {
            let Judged { energy, violation, .. } = self.evaluator.judge(tasks, &mean, false)?;
            register(&Scored::new(mean.clone(), energy, violation, self.on_host)?);
        }
        belief.best.iter().chain(&belief.elites).for_each(register);
        tensors.push(flat(mean));

        // Here a device is waited for.
        let mut numbers = read_all(tensors)?.into_iter();
        for number in 0..looks.len() {
            self.note(number, tasks, &mut numbers, strategy.needs_gradient())?;
        }
        let mut candidates = |known: bool| {
            let mut next = || if known { numbers.next().unwrap_or_default() } else { Vec::new() };
            let (actions, energy, violation) = (next(), next(), next());
            let scores = scores(&energy, &violation);
            let sequences = actions.chunks_exact(length).map(<[f32]>::to_vec);
            let candidates = sequences.zip(scores).map(|(actions, score)| Candidate { actions, score });
            candidates.collect::<Vec<_>>()
        };
        let (judged, best, elites) =
            (candidates(counts), candidates(belief.best.is_some()), candidates(belief.elites.is_some()));
        let means = numbers.next().unwrap_or_default();
        let each = elites.len() / tasks.len();
        let found = tasks.iter().enumerate().map(|(row, &task)| {
            let untried = || Candidate { actions: means[row * length..][..length].to_vec(), score: Score::UNTRIED };
            let own = elites.iter().skip(row * each).take(each);
            let found = Found {
                mean: judged.get(row).cloned().unwrap_or_else(untried),
                elites: own.filter(|elite| elite.score.energy.is_finite()).cloned().collect(),
                best: best.get(row).filter(|best| best.score.energy.is_finite()).cloned(),
            };
            (task, found)
        });
        Ok(found.collect())
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
        let belief = Belief { mean, std, memory: vec![at], elites: None, best: None, known };
        self.stops.iter_mut().for_each(|stop| *stop = Stop::after(self.config, stop.spent()));
        let descent = Descent {
            iterations: self.config.polish,
            samples: count,
            learning_rate: self.config.polish_rate,
            noise: 0.0,
            ..Descent::default()
        };
        for (found, polished) in found.iter_mut().zip(self.run(&Adam { descent }, belief)?) {
            let both = found.best.take().into_iter().chain(polished.best);
            found.best = both.min_by(|a, b| a.score.order(&b.score));
        }
        Ok(())
    }

    /// The plans of all tasks.
    fn plans(mut self, strategy: &dyn Strategy, found: Vec<Found>) -> Plans {
        let mut plans = Plans {
            tasks: found.len(),
            horizon: self.evaluator.horizon,
            action: self.evaluator.action,
            actions: Vec::new(),
            energy: Vec::new(),
            violation: Vec::new(),
            others: Vec::new(),
            evaluations: std::mem::take(&mut self.evaluator.evaluations),
            trace: std::mem::take(&mut self.trace),
        };
        for (found, rng) in found.into_iter().zip(&mut self.rngs) {
            let polished = self.config.polish > 0;
            let plan = found.chosen(if polished { Returned::Best } else { strategy.returns() }, strategy, rng);
            let others = found.elites.into_iter().map(|elite| elite.actions).filter(|other| *other != plan.actions);
            let told = if strategy.elites() > 1 { strategy.carries().max(SHOWN) } else { 0 };
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

impl Found {
    /// The plan: the best sequence takes the place of one that is no plan or violates the guardrails more.
    fn chosen(&self, returns: Returned, strategy: &dyn Strategy, rng: &mut ChaCha8Rng) -> Candidate {
        let best = self.best.as_ref().unwrap_or(&self.mean);
        let plan = match returns {
            Returned::Mean => &self.mean,
            Returned::Best => best,
            Returned::Elite => {
                let scores: Vec<Score> = self.elites.iter().map(|elite| elite.score).collect();
                let mut left: f64 = rng.random();
                let drawn = self.elites.iter().zip(strategy.weights().of(&scores)).find(|(_, weight)| {
                    left -= weight;
                    left < 0.0
                });
                // Rounding may leave a sliver after the last weight.
                drawn.map(|(elite, _)| elite).or(self.elites.first()).unwrap_or(best)
            }
        };
        if plan.score.worse_kind(&best.score) { best.clone() } else { plan.clone() }
    }
}

impl Look {
    /// Energies, violations, standard deviations, and the gradient where there is one.
    fn tensors(&self) -> Vec<Tensor<1>> {
        let scores = [&self.tried.energy, &self.tried.violation].map(|numbers| flat(numbers.clone()));
        scores.into_iter().chain([flat(self.std.clone())]).chain(self.gradient.clone().map(flat)).collect()
    }
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    tensor.reshape([-1])
}

/// Numbers of tensors, all read at once.
fn read_all(tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>, PlanError> {
    let failed = |error: &dyn std::fmt::Debug| PlanError::Device(format!("{error:?}"));
    let reads = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    let read = reads.try_execute().map_err(|error| failed(&error))?;
    read.into_iter().map(|data| data.try_into_vec_as::<f32>().map_err(|error| failed(&error))).collect()
}

fn scores(energy: &[f32], violation: &[f32]) -> Vec<Score> {
    energy.iter().zip(violation).map(|(&energy, &violation)| Score::of(energy, violation)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guardrail, LatentDistance, Objective, PlannerConfig, Trajectory, World, strategies};
    use serde_json::{Value, json};

    /// A point on the plane that actions move.
    struct Plane;

    impl World for Plane {
        fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
            (latents + actions.cumsum(1)).unsqueeze_dim(2)
        }
    }

    /// Not to the right of this; and NaN far to the left.
    struct Wall(f32);

    fn x(futures: Tensor<4>) -> Tensor<2> {
        futures.narrow(3, 0, 1).flatten::<3>(2, 3).squeeze_dim(2)
    }

    impl Guardrail for Wall {
        fn violation(&self, way: &Trajectory) -> Tensor<2> {
            x(way.latents.clone()) - self.0
        }
    }

    impl Objective for Wall {
        fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
            let lost = x(futures.clone()).lower_elem(-0.8);
            LatentDistance::default().energy(futures, goals).mask_fill(lost, f32::NAN)
        }
    }

    /// The same plans twice, of three tasks: by the host, and as a device would find them.
    fn both(keys: Value, bounds: &Bounds, wall: bool) -> [Result<Plans, PlanError>; 2] {
        let points =
            |numbers: [f32; 6]| Tensor::<3>::from_data(TensorData::new(numbers.to_vec(), [3, 1, 2]), &Device::flex());
        let guardrail: [Box<dyn Guardrail>; 1] = [Box::new(Wall(1.5))];
        let PlannerConfig { plan, strategy } = serde_json::from_value(keys).unwrap();
        let strategy = strategies().make(&strategy).unwrap();
        let problem = Problem {
            world: &Plane,
            objective: &Wall(1.5),
            guardrails: if wall { &guardrail } else { &[] },
            bounds,
            start: points([0.0; 6]),
            goals: points([3.0, 4.0, -1.0, 1.0, 0.5, 0.0]),
            steps_left: 5,
            seeds: &[1, 2, 3],
            step: 0,
            warm: None,
        };
        [true, false].map(|on_host| plan_on(&plan, &*strategy, &problem, on_host))
    }

    fn same(keys: Value, bounds: &Bounds, wall: bool) {
        let case = format!("{keys}, wall {wall}");
        let [host, device] = both(keys, bounds, wall).map(Result::unwrap);
        assert_eq!((host.evaluations, host.trace.len()), (device.evaluations, device.trace.len()), "{case}");
        let close = |a: &[f32], b: &[f32]| {
            assert_eq!(a.len(), b.len(), "{case}");
            let differ = |(a, b): (&f32, &f32)| (a - b).abs() > 2e-4 * (1.0 + a.abs());
            assert!(!a.iter().zip(b).any(differ), "{case}: {a:?} and {b:?}");
        };
        close(&host.actions, &device.actions);
        close(&host.energy, &device.energy);
        close(&host.violation, &device.violation);
        for (host, device) in host.trace.iter().zip(&device.trace) {
            close(&host.mean, &device.mean);
            close(&host.best, &device.best);
            close(&host.spread, &device.spread);
            close(&host.deviation, &device.deviation);
            close(&host.gradient, &device.gradient);
        }
        for (host, device) in host.others.iter().zip(&device.others) {
            close(&host.concat(), &device.concat());
        }
    }

    #[test]
    fn every_planner_finds_on_a_device_what_it_finds_on_the_host() {
        let ball = Bounds::new(vec![-1.0, f32::NEG_INFINITY], vec![0.9, f32::INFINITY], Some(1.0)).unwrap();
        let plane = Bounds::unbounded(2).unwrap();
        for (bounds, wall) in [(&ball, true), (&plane, false)] {
            for kind in ["cem", "icem", "mppi"] {
                for returns in ["mean", "best", "elite"] {
                    for (keep, momentum, budget) in [(1, 0.0, 1_000_000), (0, 0.3, 300), (3, 0.0, 1)] {
                        let mut keys = json!({
                            "kind": kind, "returns": returns, "keep": keep, "momentum": momentum,
                            "max_evaluations": budget, "horizon": 5, "samples": 24, "iterations": 4, "max_rows": 50,
                        });
                        if kind == "mppi" {
                            // What is forbidden may have a far lower energy.
                            keys["temperature"] = json!(if wall { 1e-3 } else { 0.1 });
                        }
                        same(keys, bounds, wall);
                    }
                }
            }
            let few = json!({ "kind": "random", "horizon": 5, "samples": 24, "iterations": 4, "max_rows": 50 });
            same(few, bounds, wall);
            for kind in ["gradient", "adam"] {
                // Where the energy is NaN on the way, so is the gradient.
                let keys = json!({ "kind": kind, "horizon": 5, "samples": 6, "iterations": 5, "max_rows": 7 });
                same(keys, bounds, wall);
            }
            let polished =
                json!({ "kind": "cem", "horizon": 5, "samples": 24, "polish": 5, "max_evaluations": 5 * 24 * 9 });
            same(polished, bounds, wall);
        }
    }

    #[test]
    fn a_round_without_a_finite_energy_is_the_same_error() {
        let left = Bounds::new(vec![-2.0; 2], vec![-1.0; 2], None).unwrap();
        let [host, device] = both(json!({ "kind": "cem" }), &left, false).map(Result::unwrap_err);
        assert!(matches!(host, PlanError::NotFinite { task: 0, iteration: 0, samples: 64 }), "{host}");
        assert_eq!(host.to_string(), device.to_string());
    }
}

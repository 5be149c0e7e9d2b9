//! The rounds of a search where a GPU imagines: candidates are made, imagined, ranked and refitted on the device, and nothing is read
//! before the last round. The same search as the host's, from the same random numbers, but for the last bits of its sums; and where fewer
//! candidates have a finite energy than are kept, the others are kept as well, for the host would have to count them.

use std::time::Instant;

use burn::prelude::*;
use burn::tensor::Transaction;

use crate::candidate::{Candidate, Round, Score};
use crate::evaluate::Evaluator;
use crate::search::{Refit, Style, TaskSearch};
use crate::{Bounds, Iteration, PlanError, PlannerConfig, Returned, noise};

/// An energy that is none: not every GPU keeps infinities.
const FAR: f32 = 1e30;
/// Most pairs of candidates that are compared at once.
const PAIRS: usize = 1 << 24;

/// Whether the rounds of such a search stay on the device: a CPU ranks faster on the host, and who ends a search by its energies or by
/// the clock has to look at every round.
pub(crate) fn pays(config: &PlannerConfig, device: &Device) -> bool {
    let looks = config.tolerance > 0.0 || config.max_milliseconds.is_some();
    *device != Device::flex() && !looks && config.samples.saturating_mul(config.samples) <= PAIRS
}

/// Runs all rounds of searches that have not begun.
pub(crate) fn rounds(
    config: &PlannerConfig,
    bounds: &Bounds,
    style: &Style,
    evaluator: &mut Evaluator,
    searches: &mut [TaskSearch],
    trace: &mut Vec<Iteration>,
) -> Result<(), PlanError> {
    let (tasks, length, device, began) = (searches.len(), evaluator.length(), evaluator.device(), Instant::now());
    let upload = |numbers: Vec<f32>| {
        let each = numbers.len() / (tasks * length);
        Tensor::<3>::from_data(TensorData::new(numbers, [tasks, each, length]), &device)
    };
    let mut gaussian = Gaussian {
        mean: upload(searches.iter().flat_map(|search| &search.mean).copied().collect()),
        std: upload(searches.iter().flat_map(|search| &search.std).copied().collect()),
    };
    let (mut elites, mut best, mut weights) = (None::<Candidates>, None::<Candidates>, None);
    let (mut looks, mut samples) = (Vec::new(), Vec::new());
    for iteration in 0..config.iterations {
        let count = style.samples(config, iteration);
        // All tasks cost the same, and no clock is looked at.
        if !searches[0].stop.goes_on(count * evaluator.horizon, began) {
            break;
        }
        let with_mean = style.mean_last && iteration + 1 == config.iterations;
        let actions = if let Some(elites) = &elites {
            let keep = config.keep.min(count);
            let mut parts = Vec::new();
            parts.extend((keep > 0).then(|| elites.actions.clone().narrow(1, 0, keep)));
            parts.extend((with_mean && config.keep < count).then(|| gaussian.mean.clone()));
            let fresh = count - parts.iter().map(|part| part.dims()[1]).sum::<usize>();
            let mut numbers = vec![0.0; tasks * fresh * length];
            for (search, own) in searches.iter_mut().zip(numbers.chunks_exact_mut((fresh * length).max(1))) {
                let one = |candidate| noise::fill(candidate, bounds.dims(), style.noise, &mut search.rng);
                own.chunks_exact_mut(length).for_each(one);
            }
            if fresh > 0 {
                parts.push(gaussian.mean.clone() + gaussian.std.clone() * upload(numbers));
            }
            within(bounds, Tensor::cat(parts, 1))
        } else {
            // What tasks begin with may be of different lengths.
            let mut candidates = vec![0.0; tasks * count * length];
            for (search, own) in searches.iter_mut().zip(candidates.chunks_exact_mut(count * length)) {
                search.sample(config, bounds, style, with_mean, own);
            }
            upload(candidates)
        };
        searches.iter_mut().for_each(|search| search.stop.spend(count * evaluator.horizon));
        let candidates = Candidates::judged(evaluator, actions)?;
        let chosen = candidates.best(config.elites().min(count));
        let shares = chosen.weights(style.refit.unwrap_or(Refit::Equal));
        if let Some(refit) = style.refit {
            gaussian = gaussian.refit(config, refit, &chosen.actions, shares.clone());
        }
        looks.push(candidates.look(&chosen, &gaussian.std));
        samples.push(count);
        let first = chosen.part(0, 1);
        best = Some(match best {
            Some(best) => first.or(best),
            None => first,
        });
        (elites, weights) = (Some(chosen), Some(shares));
    }
    let (Some(elites), Some(best), Some(weights)) = (elites, best, weights) else { return Ok(()) };
    let mean_counts = config.returns == Returned::Mean && config.polish == 0;
    let mean = within(bounds, gaussian.mean.clone());
    let mean = if mean_counts { Candidates::judged(evaluator, mean)? } else { best.clone() };

    // Here everything is waited for.
    let reads = Transaction::default()
        .register(Tensor::cat(looks, 1))
        .register(gaussian.mean)
        .register(gaussian.std)
        .register(weights)
        .register(mean.scores())
        .register(best.actions.clone())
        .register(best.scores())
        .register(elites.actions.clone())
        .register(elites.scores());
    let failed = |error| PlanError::Device(error);
    let read = reads.try_execute().map_err(|error| failed(format!("{error:?}")))?;
    let numbers = |data: TensorData| data.try_into_vec_as::<f32>().map_err(|error| failed(format!("{error:?}")));
    let read = read.into_iter().map(numbers).collect::<Result<Vec<_>, _>>()?;
    let of = |part: usize, task: usize| -> &[f32] {
        let each = read[part].len() / tasks;
        &read[part][task * each..][..each]
    };

    let looked = |task: usize, round: usize| Look::of(&of(0, task)[round * Look::NUMBERS..]);
    for (iteration, &samples) in samples.iter().enumerate() {
        if let Some(task) = (0..tasks).find(|&task| looked(task, iteration).finite == 0.0) {
            return Err(PlanError::NotFinite { task, iteration, samples });
        }
        trace.push(Iteration::of((0..tasks).map(|task| looked(task, iteration).round)));
    }
    for (task, search) in searches.iter_mut().enumerate() {
        search.round = looked(task, samples.len() - 1).round;
        search.mean = of(1, task).to_vec();
        search.std = of(2, task).to_vec();
        search.mean_score = mean_counts.then(|| score(of(4, task)));
        let candidate = |actions: &[f32], scores: &[f32], weight: f32| Candidate {
            actions: actions.to_vec(),
            score: score(scores),
            weight: f64::from(weight),
        };
        search.best = Some(candidate(of(5, task), of(6, task), 1.0));
        let elites = of(7, task).chunks_exact(length).zip(of(8, task).chunks_exact(2)).zip(of(3, task));
        let elites = elites.map(|((actions, scores), &weight)| candidate(actions, scores, weight));
        search.elites = elites.filter(|elite| elite.score.energy.is_finite()).collect();
    }
    Ok(())
}

/// Candidates `[tasks, samples, length]` within the bounds.
fn within(bounds: &Bounds, candidates: Tensor<3>) -> Tensor<3> {
    let shape = candidates.dims();
    bounds.apply_on_device(candidates.reshape([shape[0] * shape[1], shape[2]])).reshape(shape)
}

/// An energy and a violation, as they were read.
fn score(numbers: &[f32]) -> Score {
    let of = |number: f32| if number < FAR { number } else { f32::INFINITY };
    Score { energy: of(numbers[0]), violation: of(numbers[1]) }
}

/// What the next candidates are drawn from, element by element, `[tasks, 1, length]`.
struct Gaussian {
    mean: Tensor<3>,
    std: Tensor<3>,
}

impl Gaussian {
    /// The next one, of elites `[tasks, elites, length]` and their weights `[tasks, elites]`.
    fn refit(self, config: &PlannerConfig, refit: Refit, elites: &Tensor<3>, weights: Tensor<2>) -> Self {
        let share: Tensor<3> = weights.unsqueeze_dim(2);
        let mean = (elites.clone() * share.clone()).sum_dim(1);
        let mut variance = ((elites.clone() - mean.clone()).square() * share.clone()).sum_dim(1);
        if matches!(refit, Refit::Equal) {
            // A single elite has no spread, with or without the correction.
            let spread: Tensor<3> = -share.square().sum_dim(1) + 1.0;
            variance = variance / spread.clone().mask_fill(spread.lower_elem(1e-6), 1.0);
        }
        let mix = |old: Tensor<3>, new: Tensor<3>| new * (1.0 - config.momentum) + old * config.momentum;
        let std = match refit {
            Refit::Softmax { std: false, .. } => self.std,
            _ => mix(self.std, variance.sqrt()).clamp_min(config.min_std),
        };
        Gaussian { mean: mix(self.mean, mean), std }
    }
}

/// Sequences `[tasks, samples, length]` with their energies and how far they break the guardrails, `[tasks, samples]`: both are
/// [`FAR`] where the energy is not finite.
#[derive(Clone)]
struct Candidates {
    actions: Tensor<3>,
    energy: Tensor<2>,
    violation: Tensor<2>,
}

impl Candidates {
    fn judged(evaluator: &mut Evaluator, actions: Tensor<3>) -> Result<Self, PlanError> {
        // What is not a number compares as false.
        let known = |numbers: &Tensor<2>| numbers.clone().abs().lower_elem(FAR);
        let or_far = |numbers: Tensor<2>, known| (numbers.zeros_like() + FAR).mask_where(known, numbers);
        let (energy, violation) = evaluator.imagine(actions.clone())?;
        let finite = known(&energy);
        let violation = match violation {
            Some(violation) => or_far(violation.clone(), known(&violation)),
            None => energy.zeros_like(),
        };
        let (energy, violation) = (or_far(energy, finite.clone()), or_far(violation, finite));
        Ok(Candidates { actions, energy, violation })
    }

    /// The best of every task, best first: in the order of [`Score::order`], and the earlier one of two that are alike.
    fn best(&self, count: usize) -> Self {
        let [tasks, samples, length] = self.actions.dims();
        let each = (PAIRS / (samples * samples)).clamp(1, tasks);
        let part = |first: usize| {
            let part = self.of_tasks(first, each.min(tasks - first));
            let order = part.order(count);
            let along = order.clone().unsqueeze_dim::<3>(2).expand([order.dims()[0], count, length]);
            Candidates {
                actions: part.actions.gather(1, along),
                energy: part.energy.gather(1, order.clone()),
                violation: part.violation.gather(1, order),
            }
        };
        let parts: Vec<Self> = (0..tasks).step_by(each).map(part).collect();
        Candidates {
            actions: Tensor::cat(parts.iter().map(|part| part.actions.clone()).collect(), 0),
            energy: Tensor::cat(parts.iter().map(|part| part.energy.clone()).collect(), 0),
            violation: Tensor::cat(parts.into_iter().map(|part| part.violation).collect(), 0),
        }
    }

    /// Indices `[tasks, count]` of the best. A rank is the number of those that come before: burn sorts on the host.
    fn order(&self, count: usize) -> Tensor<2, Int> {
        let ([_, samples], device) = (self.energy.dims(), self.energy.device());
        let pairs =
            |numbers: &Tensor<2>| (numbers.clone().unsqueeze_dim::<3>(2), numbers.clone().unsqueeze_dim::<3>(1));
        let before = |numbers: &Tensor<2>, else_before: Tensor<3, Bool>| {
            let (one, other) = pairs(numbers);
            one.clone().lower(other.clone()).bool_or(one.equal(other).bool_and(else_before))
        };
        let place = Tensor::<1, Int>::arange(0..samples as i64, &device);
        let earlier =
            place.clone().reshape([1, samples as i32, 1]).lower(place.clone().reshape([1, 1, samples as i32]));
        let rank = before(&self.violation, before(&self.energy, earlier)).int().sum_dim(1);
        let wanted = Tensor::<1, Int>::arange(0..count as i64, &device).reshape([1, count as i32, 1]);
        let held = rank.equal(wanted).int() * place.reshape([1, 1, samples as i32]);
        held.sum_dim(2).squeeze_dim(2)
    }

    /// Some samples of every task.
    fn part(&self, first: usize, count: usize) -> Self {
        Candidates {
            actions: self.actions.clone().narrow(1, first, count),
            energy: self.energy.clone().narrow(1, first, count),
            violation: self.violation.clone().narrow(1, first, count),
        }
    }

    /// All samples of some tasks.
    fn of_tasks(&self, first: usize, count: usize) -> Self {
        Candidates {
            actions: self.actions.clone().narrow(0, first, count),
            energy: self.energy.clone().narrow(0, first, count),
            violation: self.violation.clone().narrow(0, first, count),
        }
    }

    /// The better of two, sample by sample; the others where they are alike.
    fn or(self, others: Self) -> Self {
        let alike = self.violation.clone().equal(others.violation.clone());
        let cheaper = self.energy.clone().lower(others.energy.clone());
        let wins = self.violation.clone().lower(others.violation.clone()).bool_or(alike.bool_and(cheaper));
        let along = wins.clone().unsqueeze_dim::<3>(2).expand(self.actions.dims());
        Candidates {
            actions: others.actions.mask_where(along, self.actions),
            energy: others.energy.mask_where(wins.clone(), self.energy),
            violation: others.violation.mask_where(wins, self.violation),
        }
    }

    /// 1 where the energy is finite, else 0.
    fn finite(&self) -> Tensor<2> {
        self.energy.clone().lower_elem(FAR).float()
    }

    /// [`Refit::weights`] of elites, best first.
    fn weights(&self, refit: Refit) -> Tensor<2> {
        let weights = match refit {
            Refit::Equal => self.finite(),
            Refit::Softmax { temperature, .. } => {
                let above = self.energy.clone() - self.energy.clone().narrow(1, 0, 1);
                let as_good = self.violation.clone().lower_equal(self.violation.clone().narrow(1, 0, 1));
                // One that breaks the guardrails more may have a lower energy: it weighs nothing.
                (-above.clamp_min(0.0) / temperature).exp() * as_good.float() * self.finite()
            }
        };
        let sum = weights.clone().sum_dim(1).clamp_min(f32::MIN_POSITIVE);
        weights / sum
    }

    /// Energies and violations, one after the other, `[tasks, 2 samples]`.
    fn scores(&self) -> Tensor<2> {
        let ([tasks, samples], stacked) =
            (self.energy.dims(), Tensor::stack::<3>(vec![self.energy.clone(), self.violation.clone()], 2));
        stacked.reshape([tasks, 2 * samples])
    }

    /// The numbers of a [`Look`], `[tasks, NUMBERS]`.
    fn look(&self, elites: &Self, std: &Tensor<3>) -> Tensor<2> {
        let finite = self.finite();
        let count = finite.clone().sum_dim(1);
        let energy = self.energy.clone() * finite.clone();
        let mean = energy.clone().sum_dim(1) / count.clone().clamp_min(1.0);
        let variance = ((energy - mean.clone()) * finite).square().sum_dim(1) / count.clone().clamp_min(1.0);
        let first = elites.part(0, 1);
        let deviation = std.clone().mean_dim(2).squeeze_dim::<2>(2);
        Tensor::cat(vec![count, mean, variance.sqrt(), first.energy, first.violation, deviation], 1)
    }
}

/// What is kept of a round for the trace.
struct Look {
    /// Candidates with a finite energy.
    finite: f32,
    round: Round,
}

impl Look {
    const NUMBERS: usize = 6;

    fn of(numbers: &[f32]) -> Self {
        let Score { energy: best, violation } = score(&numbers[3..]);
        let [finite, mean, spread, _, _, deviation] = [0, 1, 2, 3, 4, 5].map(|number| numbers[number]);
        Look { finite, round: Round { mean, best, violation, spread, deviation, ..Round::default() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{begin, end, host_rounds};
    use crate::{Guardrail, Kind, LatentDistance, Objective, Observations, Plans, Problem, Trajectory, World};
    use crate::{cem, icem, mppi, shooting};

    /// A point on the plane that actions move.
    struct Plane;

    impl World for Plane {
        fn encode(&self, _: &Observations) -> Tensor<3> {
            Tensor::zeros([1, 1, 2], &Device::flex())
        }
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
    fn both(config: &PlannerConfig, bounds: &Bounds, wall: bool) -> [Result<Plans, PlanError>; 2] {
        let points =
            |numbers: [f32; 6]| Tensor::<3>::from_data(TensorData::new(numbers.to_vec(), [3, 1, 2]), &Device::flex());
        let guardrail: [Box<dyn Guardrail>; 1] = [Box::new(Wall(1.5))];
        let style = match config.kind {
            Kind::Icem => icem::style(config),
            Kind::Mppi => mppi::style(config),
            Kind::Random => shooting::style(config),
            _ => cem::style(config),
        };
        let problem = Problem {
            world: &Plane,
            objective: &Wall(1.5),
            guardrails: if wall { &guardrail } else { &[] },
            start: points([0.0; 6]),
            goals: points([3.0, 4.0, -1.0, 1.0, 0.5, 0.0]),
            steps_left: 5,
            seeds: &[1, 2, 3],
            step: 0,
            warm: None,
        };
        [false, true].map(|device| {
            let mut evaluator = Evaluator::new(&problem, config, bounds)?;
            let mut searches = begin(config, bounds, &problem, &style, evaluator.length())?;
            let (mut trace, began) = (Vec::new(), Instant::now());
            match device {
                true => rounds(config, bounds, &style, &mut evaluator, &mut searches, &mut trace)?,
                false => host_rounds(config, bounds, &style, &mut evaluator, &mut searches, began, &mut trace)?,
            }
            end(config, bounds, evaluator, searches, began, trace)
        })
    }

    #[test]
    fn every_sampling_planner_finds_on_a_device_what_it_finds_on_the_host() {
        let ball = Bounds::new(vec![-1.0, f32::NEG_INFINITY], vec![0.9, f32::INFINITY], Some(1.0)).unwrap();
        let few = PlannerConfig { horizon: 5, samples: 24, iterations: 4, max_rows: 50, ..PlannerConfig::default() };
        for kind in [Kind::Cem, Kind::Icem, Kind::Mppi, Kind::Random] {
            for returns in [Returned::Mean, Returned::Best, Returned::Elite] {
                for (keep, momentum, budget) in [(1, 0.0, None), (0, 0.3, Some(300)), (3, 0.0, Some(1))] {
                    for (bounds, wall) in [(&ball, true), (&Bounds::unbounded(2).unwrap(), false)] {
                        let config = PlannerConfig {
                            kind,
                            returns: if kind == Kind::Random { Returned::Best } else { returns },
                            keep,
                            momentum,
                            max_evaluations: budget,
                            // What is forbidden may have a far lower energy.
                            temperature: if wall { 1e-3 } else { 0.1 },
                            ..few.clone()
                        };
                        let [host, device] = both(&config, bounds, wall).map(Result::unwrap);
                        let case = format!("{kind:?} {returns:?}, keep {keep}, wall {wall}");
                        assert_eq!((host.evaluations, host.trace.len()), (device.evaluations, device.trace.len()));
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
                        }
                        for (host, device) in host.others.iter().zip(&device.others) {
                            close(&host.concat(), &device.concat());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_round_without_a_finite_energy_is_the_same_error() {
        let left = Bounds::new(vec![-2.0; 2], vec![-1.0; 2], None).unwrap();
        let [host, device] = both(&PlannerConfig::default(), &left, false).map(Result::unwrap_err);
        assert!(matches!(host, PlanError::NotFinite { task: 0, iteration: 0, samples: 64 }), "{host}");
        assert_eq!(host.to_string(), device.to_string());
    }
}

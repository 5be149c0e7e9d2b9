//! The rounds of a search where a GPU imagines: candidates are made, imagined, ranked and refitted on the device, and nothing is read
//! before the last round. The same search as the host's, from the same random numbers, but for the last bits of its sums; and where fewer
//! candidates have a finite energy than are kept, the others are kept as well, for the host would have to count them.

mod candidates;

use std::time::Instant;

use burn::prelude::*;
use burn::tensor::Transaction;

use self::candidates::{Candidates, Look, PAIRS, score};
use crate::candidate::Candidate;
use crate::evaluate::Evaluator;
use crate::search::{Refit, Style, TaskSearch};
use crate::{Bounds, Iteration, PlanError, PlannerConfig, Returned, noise};

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
    let refit = style.refit.unwrap_or(Refit::Equal);
    let (mut elites, mut best, mut looks) = (None::<Candidates>, None::<Candidates>, Vec::new());
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
        if style.refit.is_some() {
            gaussian = gaussian.refit(config, refit, &chosen.actions, chosen.weights(refit));
        }
        looks.push(candidates.look(&chosen, &gaussian.std));
        let first = chosen.narrow(1, 0, 1);
        best = Some(match best {
            Some(best) => first.or(best),
            None => first,
        });
        elites = Some(chosen);
    }
    let (Some(elites), Some(best)) = (elites, best) else { return Ok(()) };
    let mean_counts = config.returns == Returned::Mean && config.polish == 0;
    let mean = within(bounds, gaussian.mean.clone());
    let mean = if mean_counts { Candidates::judged(evaluator, mean)? } else { best.clone() };

    // Here everything is waited for.
    let reads = Transaction::default()
        .register(Tensor::cat(looks, 1))
        .register(gaussian.mean)
        .register(elites.weights(refit))
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
    for iteration in 0..of(0, 0).len() / Look::NUMBERS {
        if let Some(task) = (0..tasks).find(|&task| looked(task, iteration).finite == 0.0) {
            return Err(PlanError::NotFinite { task, iteration, samples: style.samples(config, iteration) });
        }
        trace.push(Iteration::of((0..tasks).map(|task| looked(task, iteration).round)));
    }
    for (task, search) in searches.iter_mut().enumerate() {
        search.mean = of(1, task).to_vec();
        search.mean_score = mean_counts.then(|| score(of(3, task)));
        let candidate = |actions: &[f32], scores: &[f32], weight: f32| Candidate {
            actions: actions.to_vec(),
            score: score(scores),
            weight: f64::from(weight),
        };
        search.best = Some(candidate(of(4, task), of(5, task), 1.0));
        let elites = of(6, task).chunks_exact(length).zip(of(7, task).chunks_exact(2)).zip(of(2, task));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{begin, end, host_rounds};
    use crate::{Guardrail, Kind, LatentDistance, Objective, Plans, Problem, Trajectory, World};
    use crate::{cem, icem, mppi, shooting};

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

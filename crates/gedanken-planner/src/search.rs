//! The sampling loop that CEM and MPPI share: sample around a Gaussian, imagine, rank, refit.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::error::expect_shape;
use crate::evaluate::Evaluator;
use crate::{Bounds, Iteration, PlanError, PlannerConfig, Plans, Problem, Returned, noise};

/// What tells one sampling planner from another: how the elites make the next distribution.
pub(crate) struct Fit<W> {
    /// The elites' energies, best first, give their weights, which sum to one.
    pub weights: W,
    /// Whether the variance is divided by `1 - sum w^2` (for equal weights: n - 1 in place of n).
    pub unbiased: bool,
}

/// Settings and bounds that go together.
///
/// # Errors
/// What [`PlannerConfig::validate`] and [`Bounds::max_norm`] say.
pub(crate) fn checked(config: &PlannerConfig, bounds: Bounds) -> Result<(PlannerConfig, Bounds), PlanError> {
    config.validate()?;
    let bounds = if config.max_norm.is_some() { bounds.max_norm(config.max_norm)? } else { bounds };
    Ok((config.clone(), bounds))
}

/// Plans for a batch: the tasks are searched side by side and share nothing but the rollouts.
pub(crate) fn search<W: Fn(&[f32]) -> Vec<f64>>(
    config: &PlannerConfig,
    bounds: &Bounds,
    problem: &Problem,
    fit: &Fit<W>,
) -> Result<Plans, PlanError> {
    let mut evaluator = Evaluator::new(problem, config.over, config.max_rows)?;
    let (tasks, samples, action) = (evaluator.tasks(), config.samples, bounds.action());
    let horizon = config.horizon.min(problem.steps_left);
    let length = horizon * action;
    if let Some(warm) = &problem.warm {
        expect_shape("the warm start", &[warm.plans.tasks, warm.plans.action], &[tasks, action])?;
    }
    let mut searches: Vec<TaskSearch> = (0..tasks)
        .map(|task| {
            let warm = problem.warm.map(|warm| warm.plans.remainder(task, warm.executed, horizon));
            TaskSearch::new(config, noise::rng(problem.seeds[task], problem.step), length, warm)
        })
        .collect();

    let mut candidates = vec![0.0; tasks * samples * length];
    let mut trace = Vec::with_capacity(config.iterations);
    for iteration in 0..config.iterations {
        for (search, own) in searches.iter_mut().zip(candidates.chunks_exact_mut(samples * length)) {
            search.sample(config, bounds, own);
        }
        let energies = evaluator.energies(&candidates, samples, horizon)?;
        let mut round = Iteration::default();
        for (task, search) in searches.iter_mut().enumerate() {
            let own = &candidates[task * samples * length..][..samples * length];
            let energies = &energies[task * samples..][..samples];
            let ranked = rank(energies);
            if ranked.is_empty() {
                return Err(PlanError::NotFinite { task, iteration, samples });
            }
            search.learn(config, fit, own, energies, &ranked);
            round.best.push(energies[ranked[0]]);
            round.mean.push((ranked.iter().map(|&i| f64::from(energies[i])).sum::<f64>() / ranked.len() as f64) as f32);
        }
        trace.push(round);
    }

    let mut chosen: Vec<(Vec<f32>, f32)> = searches.iter_mut().map(|search| search.choose(config, bounds)).collect();
    if config.returns == Returned::Mean {
        let means: Vec<f32> = chosen.iter().flat_map(|(actions, _)| actions).copied().collect();
        for ((chosen, search), energy) in chosen.iter_mut().zip(searches).zip(evaluator.energies(&means, 1, horizon)?) {
            if energy.is_finite() {
                chosen.1 = energy;
            } else {
                *chosen = search.best;
            }
        }
    }
    let (actions, energy): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
    let (actions, evaluations) = (actions.concat(), evaluator.evaluations);
    Ok(Plans { tasks, horizon, action, actions, energy, evaluations, trace })
}

/// Indices of the finite energies, lowest first.
fn rank(energies: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..energies.len()).filter(|&i| energies[i].is_finite()).collect();
    order.sort_by(|&a, &b| energies[a].total_cmp(&energies[b]));
    order
}

/// One task's search; sequences are flat `[horizon * action]`.
struct TaskSearch {
    rng: ChaCha8Rng,
    mean: Vec<f32>,
    std: Vec<f32>,
    /// The last round's elites, best first; before the first round, the warm start.
    elites: Vec<Elite>,
    /// The best sequence so far, and its energy.
    best: (Vec<f32>, f32),
}

struct Elite {
    actions: Vec<f32>,
    energy: f32,
    weight: f64,
}

impl TaskSearch {
    fn new(config: &PlannerConfig, rng: ChaCha8Rng, length: usize, warm: Option<Vec<f32>>) -> Self {
        let std = vec![config.init_std; length];
        let elites = warm.iter().map(|actions| Elite { actions: actions.clone(), energy: f32::INFINITY, weight: 1.0 });
        let elites = elites.collect();
        let mean = warm.unwrap_or_else(|| vec![0.0; length]);
        TaskSearch { rng, best: (mean.clone(), f32::INFINITY), mean, std, elites }
    }

    /// Fills `candidates` `[samples, length]`: what is kept of the last round, then new ones.
    fn sample(&mut self, config: &PlannerConfig, bounds: &Bounds, candidates: &mut [f32]) {
        let mut kept = self.elites.iter().take(config.keep);
        for candidate in candidates.chunks_exact_mut(self.mean.len()) {
            if let Some(elite) = kept.next() {
                candidate.copy_from_slice(&elite.actions);
            } else {
                noise::fill(candidate, bounds.dims(), config.smoothness, &mut self.rng);
                for ((x, mean), std) in candidate.iter_mut().zip(&self.mean).zip(&self.std) {
                    *x = mean + std * *x;
                }
            }
        }
        bounds.apply(candidates);
    }

    /// Refits the Gaussian to the best of the candidates, whose finite energies are `ranked`.
    fn learn<W: Fn(&[f32]) -> Vec<f64>>(
        &mut self,
        config: &PlannerConfig,
        fit: &Fit<W>,
        candidates: &[f32],
        energies: &[f32],
        ranked: &[usize],
    ) {
        let length = self.mean.len();
        let best = &ranked[..config.elites().min(ranked.len())];
        let weights = (fit.weights)(&best.iter().map(|&i| energies[i]).collect::<Vec<_>>());
        let elite = |(&i, weight): (&usize, f64)| {
            let actions = candidates[i * length..][..length].to_vec();
            Elite { actions, energy: energies[i], weight }
        };
        self.elites = best.iter().zip(weights).map(elite).collect();
        if self.elites[0].energy < self.best.1 {
            self.best = (self.elites[0].actions.clone(), self.elites[0].energy);
        }

        let (mean, std) = moments(&self.elites, length, fit.unbiased);
        let mix = |old: &mut f32, new: f64| *old = (1.0 - config.momentum) * new as f32 + config.momentum * *old;
        self.mean.iter_mut().zip(mean).for_each(|(old, new)| mix(old, new));
        self.std.iter_mut().zip(std).for_each(|(old, new)| {
            mix(old, new);
            *old = old.max(config.min_std);
        });
    }

    /// The plan and its energy; the mean's is not known yet.
    fn choose(&mut self, config: &PlannerConfig, bounds: &Bounds) -> (Vec<f32>, f32) {
        match config.returns {
            Returned::Mean => {
                let mut mean = self.mean.clone();
                bounds.apply(&mut mean);
                (mean, f32::INFINITY)
            }
            Returned::Best => self.best.clone(),
            Returned::Elite => {
                let mut left: f64 = self.rng.random();
                let drawn = self.elites.iter().find(|elite| {
                    left -= elite.weight;
                    left < 0.0
                });
                // Rounding may leave a sliver after the last weight.
                let elite = drawn.unwrap_or(&self.elites[0]);
                (elite.actions.clone(), elite.energy)
            }
        }
    }
}

/// Weighted mean and standard deviation of the elites, element by element.
fn moments(elites: &[Elite], length: usize, unbiased: bool) -> (Vec<f64>, Vec<f64>) {
    let mut mean = vec![0.0; length];
    let mut variance = vec![0.0; length];
    for elite in elites {
        mean.iter_mut().zip(&elite.actions).for_each(|(sum, &x)| *sum += elite.weight * f64::from(x));
    }
    for elite in elites {
        let parts = variance.iter_mut().zip(&mean).zip(&elite.actions);
        parts.for_each(|((sum, mean), &x)| *sum += elite.weight * (f64::from(x) - mean).powi(2));
    }
    // A single elite has no spread, with or without the correction.
    let spread = 1.0 - elites.iter().map(|elite| elite.weight.powi(2)).sum::<f64>();
    let scale = if unbiased && spread > 1e-9 { 1.0 / spread } else { 1.0 };
    (mean, variance.into_iter().map(|variance| (scale * variance).sqrt()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cem, mppi};

    /// One update from four sequences of one number; the two elites are -1 (energy 2) and 3 (energy 1).
    fn update<W: Fn(&[f32]) -> Vec<f64>>(config: &PlannerConfig, fit: &Fit<W>) -> TaskSearch {
        let energies = [5.0, 2.0, 1.0, f32::INFINITY];
        let mut search = TaskSearch::new(config, noise::rng(0, 0), 1, None);
        search.learn(config, fit, &[9.0, -1.0, 3.0, 7.0], &energies, &rank(&energies));
        search
    }

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn one_cem_update_is_the_elites_mean_and_unbiased_deviation() {
        let config = PlannerConfig { samples: 4, elites: Some(2), ..PlannerConfig::default() };
        let search = update(&config, &cem::fit());
        // ((-1 - 1)^2 + (3 - 1)^2) / (2 - 1) = 8
        assert!(close(search.mean[0], 1.0) && close(search.std[0], 8f32.sqrt()), "{:?} {:?}", search.mean, search.std);
        assert_eq!(search.best, (vec![3.0], 1.0));
    }

    #[test]
    fn momentum_keeps_a_share_of_the_old_and_min_std_is_a_floor() {
        let config = PlannerConfig { samples: 4, elites: Some(2), momentum: 0.25, ..PlannerConfig::default() };
        let search = update(&config, &cem::fit());
        assert!(close(search.mean[0], 0.75) && close(search.std[0], 0.75 * 8f32.sqrt() + 0.25));
        let search = update(&PlannerConfig { min_std: 3.5, ..config }, &cem::fit());
        assert_eq!(search.std[0], 3.5);
    }

    #[test]
    fn one_mppi_update_weighs_by_the_exponential_of_the_energy() {
        let config = PlannerConfig { samples: 4, elites: Some(2), ..PlannerConfig::default() };
        let search = update(&config, &mppi::fit(1.0 / 3f32.ln()));
        // exp(-ln 3 * (2 - 1)) = 1/3: weights 3/4 and 1/4, mean 2, variance 3/4 * 1 + 1/4 * 9 = 3
        assert!(close(search.mean[0], 2.0) && close(search.std[0], 3f32.sqrt()), "{:?} {:?}", search.mean, search.std);
    }

    #[test]
    fn elites_without_a_finite_energy_are_left_out() {
        let config = PlannerConfig { samples: 4, elites: Some(4), ..PlannerConfig::default() };
        let search = update(&config, &cem::fit());
        assert_eq!(search.elites.len(), 3);
        assert!(close(search.mean[0], 11.0 / 3.0));
    }
}

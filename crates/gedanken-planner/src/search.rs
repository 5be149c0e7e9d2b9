//! The sampling loop that random shooting, CEM, iCEM and MPPI share: sample around a Gaussian, imagine, rank, refit.

use std::time::Instant;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::candidate::{Candidate, Chosen, Round, Score};
use crate::error::expect_shape;
use crate::evaluate::Evaluator;
use crate::gradient::{Descent, Start, descend};
use crate::stop::Stop;
use crate::{Bounds, Iteration, PlanError, Planner, PlannerConfig, Plans, Problem, Returned, noise, on_device};

/// What tells one sampling planner from another.
pub(crate) struct Style {
    /// How the elites make the next distribution; none where every round samples the first one anew.
    pub refit: Option<Refit>,
    /// The noise along a sequence.
    pub noise: noise::Kind,
    /// Every round has this many times fewer samples than the one before, but no fewer than two for each elite.
    pub decay: f32,
    /// Whether the mean takes part in the last round.
    pub mean_last: bool,
    /// Whether the elites of the plan before, not its mean alone, take part in the first round.
    pub shift_elites: bool,
}

/// How the elites weigh in the next distribution.
#[derive(Clone, Copy)]
pub(crate) enum Refit {
    /// All alike; the standard deviation is the unbiased one.
    Equal,
    /// By `exp(-(c - c_min) / temperature)`; the (biased) standard deviation follows too, if it should.
    Softmax {
        /// The energy difference over which a weight falls by e.
        temperature: f32,
        /// Whether the standard deviation follows.
        std: bool,
    },
}

impl Refit {
    /// The weights, summing to one, of elites with these scores, best first. Those that break the guardrails more than the best
    /// one weigh nothing by their energy.
    fn weights(self, scores: &[Score]) -> Vec<f64> {
        let Refit::Softmax { temperature, .. } = self else { return vec![1.0 / scores.len() as f64; scores.len()] };
        let weight = |score: &Score| match score.violation <= scores[0].violation {
            true => (-f64::from(score.energy - scores[0].energy) / f64::from(temperature)).exp(),
            false => 0.0,
        };
        let weights: Vec<f64> = scores.iter().map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }
}

/// A planner that samples, in its own style.
pub(crate) struct Sampling {
    config: PlannerConfig,
    bounds: Bounds,
    style: Style,
}

impl Sampling {
    /// For actions within `bounds`.
    ///
    /// # Errors
    /// What [`PlannerConfig::checked`] says.
    pub fn new(config: &PlannerConfig, bounds: Bounds, style: Style) -> Result<Self, PlanError> {
        let (mut config, bounds) = config.checked(bounds)?;
        if style.refit.is_none() {
            config.returns = Returned::Best;
        }
        Ok(Sampling { config, bounds, style })
    }
}

impl Planner for Sampling {
    fn plan(&self, problem: &Problem) -> Result<Plans, PlanError> {
        search(&self.config, &self.bounds, problem, &self.style)
    }
}

/// Plans for a batch: the tasks are searched side by side and share nothing but the rollouts.
fn search(config: &PlannerConfig, bounds: &Bounds, problem: &Problem, style: &Style) -> Result<Plans, PlanError> {
    let (began, mut trace) = (Instant::now(), Vec::new());
    let mut evaluator = Evaluator::new(problem, config, bounds)?;
    let mut searches = begin(config, bounds, problem, style, evaluator.length())?;
    if on_device::pays(config, &evaluator.device()) {
        on_device::rounds(config, bounds, style, &mut evaluator, &mut searches, &mut trace)?;
    } else {
        host_rounds(config, bounds, style, &mut evaluator, &mut searches, began, &mut trace)?;
    }
    end(config, bounds, evaluator, searches, began, trace)
}

/// All rounds, ranked and refitted on the host.
pub(crate) fn host_rounds(
    config: &PlannerConfig,
    bounds: &Bounds,
    style: &Style,
    evaluator: &mut Evaluator,
    searches: &mut [TaskSearch],
    began: Instant,
    trace: &mut Vec<Iteration>,
) -> Result<(), PlanError> {
    let (horizon, length) = (evaluator.horizon, evaluator.length());
    for iteration in 0..config.iterations {
        let samples = style.samples(config, iteration);
        let active: Vec<usize> =
            (0..searches.len()).filter(|&task| searches[task].stop.goes_on(samples * horizon, began)).collect();
        if active.is_empty() {
            break;
        }
        let last = style.mean_last && iteration + 1 == config.iterations;
        let mut candidates = vec![0.0; active.len() * samples * length];
        for (&task, own) in active.iter().zip(candidates.chunks_exact_mut(samples * length)) {
            searches[task].sample(config, bounds, style, last, own);
        }
        let scores = evaluator.scores(&active, &candidates, samples)?;
        let all = active.iter().zip(candidates.chunks_exact(samples * length)).zip(scores.chunks_exact(samples));
        for ((&task, own), scores) in all {
            let ranked = Score::rank(scores);
            if ranked.is_empty() {
                return Err(PlanError::NotFinite { task, iteration, samples });
            }
            let search = &mut searches[task];
            search.learn(config, style, own, scores, &ranked);
            search.stop.note(&search.round, samples * horizon);
        }
        trace.push(Iteration::of(searches.iter().map(|search| search.round)));
    }
    Ok(())
}

/// What follows the rounds: polishing, where it is asked for, and the choice of the plans.
pub(crate) fn end(
    config: &PlannerConfig,
    bounds: &Bounds,
    mut evaluator: Evaluator,
    mut searches: Vec<TaskSearch>,
    began: Instant,
    mut trace: Vec<Iteration>,
) -> Result<Plans, PlanError> {
    if config.polish > 0 {
        let start = |search: &TaskSearch| Start {
            rng: search.rng.clone(),
            // As many of every task, however few have a finite energy.
            sequences: search.elites.iter().cycle().take(config.elites()).map(|elite| elite.actions.clone()).collect(),
            spent: search.stop.spent(),
        };
        let descent = Descent { config, bounds, steps: config.polish, noise: 0.0 };
        let starts = searches.iter().map(start).collect();
        let polished = descend(&descent, &mut evaluator, starts, began, &mut trace)?;
        for (search, found) in searches.iter_mut().zip(polished) {
            search.best = search.best.take().into_iter().chain(found).min_by(|a, b| a.score.order(&b.score));
        }
    }
    let chosen = choose(config, bounds, &mut evaluator, searches)?;
    Ok(evaluator.plans(chosen, trace))
}

impl Style {
    /// Samples of a round.
    pub fn samples(&self, config: &PlannerConfig, iteration: usize) -> usize {
        let decayed = config.samples as f64 * f64::from(self.decay).powi(-(iteration as i32));
        (decayed as usize).max((2 * config.elites()).min(config.samples))
    }
}

/// Every task's search before its first round.
pub(crate) fn begin(
    config: &PlannerConfig,
    bounds: &Bounds,
    problem: &Problem,
    style: &Style,
    length: usize,
) -> Result<Vec<TaskSearch>, PlanError> {
    let (tasks, action) = (problem.seeds.len(), bounds.action());
    let horizon = length / action;
    if let Some(warm) = &problem.warm {
        expect_shape("the warm start", &[warm.plans.tasks, warm.plans.action], &[tasks, action])?;
    }
    let search = |task: usize| {
        let warm = problem.warm.map(|warm| warm.remainder(task, horizon));
        let mut search = TaskSearch::new(config, noise::rng(problem.seeds[task], problem.step), length, warm);
        if let Some(warm) = problem.warm.filter(|_| style.shift_elites) {
            search.elites.extend(warm.alternatives(task, horizon).into_iter().map(Candidate::untried));
        }
        search
    };
    Ok((0..tasks).map(search).collect())
}

/// Other sequences that plans tell of, at least.
const SHOWN: usize = 6;

/// Every task's plan.
fn choose(
    config: &PlannerConfig,
    bounds: &Bounds,
    evaluator: &mut Evaluator,
    searches: Vec<TaskSearch>,
) -> Result<Vec<Chosen>, PlanError> {
    let mut chosen = Vec::with_capacity(searches.len());
    for mut search in searches {
        let plan = search.choose(config, bounds);
        let others = search.elites.into_iter().map(|elite| elite.actions).collect();
        chosen.push(Chosen { plan, best: search.best, others });
    }
    // The mean of good sequences has not been imagined yet, and may be none.
    let known = chosen.iter().all(|chosen| chosen.plan.score != Score::UNTRIED);
    if config.returns == Returned::Mean && config.polish == 0 && !known {
        let means: Vec<f32> = chosen.iter().flat_map(|chosen| &chosen.plan.actions).copied().collect();
        let all: Vec<usize> = (0..chosen.len()).collect();
        for (chosen, score) in chosen.iter_mut().zip(evaluator.scores(&all, &means, 1)?) {
            chosen.plan.score = score;
        }
    }
    for chosen in &mut chosen {
        let best = chosen.best.as_ref().filter(|best| chosen.plan.score.worse_kind(&best.score));
        if let Some(best) = best {
            chosen.plan = best.clone();
        }
        chosen.others.retain(|other| *other != chosen.plan.actions);
        chosen.others.truncate(config.keep.max(SHOWN));
    }
    Ok(chosen)
}

/// One task's search; sequences are flat `[horizon * action]`.
pub(crate) struct TaskSearch {
    pub rng: ChaCha8Rng,
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
    /// The mean's own score, where it is known.
    pub mean_score: Option<Score>,
    /// The last round's elites, best first; before the first round, the warm start.
    pub elites: Vec<Candidate>,
    /// The best sequence so far.
    pub best: Option<Candidate>,
    /// What the last round looked like.
    pub round: Round,
    pub stop: Stop,
}

impl TaskSearch {
    fn new(config: &PlannerConfig, rng: ChaCha8Rng, length: usize, warm: Option<Vec<f32>>) -> Self {
        let std = vec![config.init_std; length];
        let elites = warm.iter().cloned().map(Candidate::untried).collect();
        let mean = warm.unwrap_or_else(|| vec![0.0; length]);
        let (round, stop) = (Round::default(), Stop::new(config));
        TaskSearch { rng, mean, std, mean_score: None, elites, best: None, round, stop }
    }

    /// Fills `candidates` `[samples, length]`: what is kept of the last round, the mean if asked, then new ones.
    pub fn sample(
        &mut self,
        config: &PlannerConfig,
        bounds: &Bounds,
        style: &Style,
        mean: bool,
        candidates: &mut [f32],
    ) {
        let mean = mean.then_some(&self.mean);
        let mut kept = self.elites.iter().take(config.keep).map(|elite| &elite.actions).chain(mean);
        for candidate in candidates.chunks_exact_mut(self.mean.len()) {
            if let Some(known) = kept.next() {
                candidate.copy_from_slice(known);
            } else {
                noise::fill(candidate, bounds.dims(), style.noise, &mut self.rng);
                for ((x, mean), std) in candidate.iter_mut().zip(&self.mean).zip(&self.std) {
                    *x = mean + std * *x;
                }
            }
        }
        bounds.apply(candidates);
    }

    /// Refits the Gaussian to the best of the candidates, which are `ranked`.
    fn learn(&mut self, config: &PlannerConfig, style: &Style, candidates: &[f32], scores: &[Score], ranked: &[usize]) {
        let length = self.mean.len();
        let best = &ranked[..config.elites().min(ranked.len())];
        let elite: Vec<Score> = best.iter().map(|&i| scores[i]).collect();
        let weights = style.refit.unwrap_or(Refit::Equal).weights(&elite);
        let candidate = |(&i, weight): (&usize, f64)| {
            let actions = candidates[i * length..][..length].to_vec();
            Candidate { actions, score: scores[i], weight }
        };
        self.elites = best.iter().zip(weights).map(candidate).collect();
        if self.best.as_ref().is_none_or(|best| self.elites[0].score.order(&best.score).is_lt()) {
            self.best = Some(self.elites[0].clone());
        }

        if let Some(refit) = style.refit {
            let (mean, std) = moments(&self.elites, length, matches!(refit, Refit::Equal));
            let mix = |old: &mut f32, new: f64| *old = (1.0 - config.momentum) * new as f32 + config.momentum * *old;
            self.mean.iter_mut().zip(mean).for_each(|(old, new)| mix(old, new));
            if !matches!(refit, Refit::Softmax { std: false, .. }) {
                self.std.iter_mut().zip(std).for_each(|(old, new)| {
                    mix(old, new);
                    *old = old.max(config.min_std);
                });
            }
        }
        self.round = Round::of(scores, ranked);
        self.round.deviation = self.std.iter().sum::<f32>() / length as f32;
    }

    /// The plan; the mean's score is not known yet.
    fn choose(&mut self, config: &PlannerConfig, bounds: &Bounds) -> Candidate {
        let best = self.best.clone().unwrap_or_else(|| Candidate::untried(self.mean.clone()));
        match config.returns {
            _ if config.polish > 0 => best,
            Returned::Mean => {
                let mut mean = self.mean.clone();
                bounds.apply(&mut mean);
                let score = self.mean_score.unwrap_or(Score::UNTRIED);
                Candidate { score, ..Candidate::untried(mean) }
            }
            Returned::Best => best,
            Returned::Elite => {
                let mut left: f64 = self.rng.random();
                let drawn = self.elites.iter().find(|elite| {
                    left -= elite.weight;
                    left < 0.0
                });
                // Rounding may leave a sliver after the last weight.
                drawn.or(self.elites.first()).cloned().unwrap_or(best)
            }
        }
    }
}

/// Weighted mean and standard deviation of the elites, element by element.
fn moments(elites: &[Candidate], length: usize, unbiased: bool) -> (Vec<f64>, Vec<f64>) {
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
    fn update(config: &PlannerConfig, style: &Style) -> TaskSearch {
        let scores = [5.0, 2.0, 1.0, f32::INFINITY].map(|energy| Score { energy, violation: 0.0 });
        let mut search = TaskSearch::new(config, noise::rng(0, 0), 1, None);
        search.learn(config, style, &[9.0, -1.0, 3.0, 7.0], &scores, &Score::rank(&scores));
        search
    }

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-6
    }

    fn two() -> PlannerConfig {
        PlannerConfig { samples: 4, elites: Some(2), ..PlannerConfig::default() }
    }

    #[test]
    fn one_cem_update_is_the_elites_mean_and_unbiased_deviation() {
        let search = update(&two(), &cem::style(&two()));
        // ((-1 - 1)^2 + (3 - 1)^2) / (2 - 1) = 8
        assert!(close(search.mean[0], 1.0) && close(search.std[0], 8f32.sqrt()), "{:?} {:?}", search.mean, search.std);
        let best = search.best.unwrap();
        assert_eq!((best.actions, best.score.energy), (vec![3.0], 1.0));
    }

    #[test]
    fn momentum_keeps_a_share_of_the_old_and_min_std_is_a_floor() {
        let config = PlannerConfig { momentum: 0.25, ..two() };
        let search = update(&config, &cem::style(&config));
        assert!(close(search.mean[0], 0.75) && close(search.std[0], 0.75 * 8f32.sqrt() + 0.25));
        let search = update(&PlannerConfig { min_std: 3.5, ..config }, &cem::style(&two()));
        assert_eq!(search.std[0], 3.5);
    }

    #[test]
    fn one_mppi_update_weighs_by_the_exponential_of_the_energy() {
        let config = PlannerConfig { temperature: 1.0 / 3f32.ln(), ..two() };
        let search = update(&config, &mppi::style(&config));
        // exp(-ln 3 * (2 - 1)) = 1/3: weights 3/4 and 1/4, mean 2, variance 3/4 * 1 + 1/4 * 9 = 3
        assert!(close(search.mean[0], 2.0) && close(search.std[0], 3f32.sqrt()), "{:?} {:?}", search.mean, search.std);
        let search = update(&config, &mppi::style(&PlannerConfig { update_std: false, ..config.clone() }));
        assert!(close(search.mean[0], 2.0) && close(search.std[0], config.init_std), "{:?}", search.std);
    }

    #[test]
    fn elites_without_a_finite_energy_are_left_out() {
        let config = PlannerConfig { elites: Some(4), ..two() };
        let search = update(&config, &cem::style(&config));
        assert_eq!(search.elites.len(), 3);
        assert!(close(search.mean[0], 11.0 / 3.0));
    }
}

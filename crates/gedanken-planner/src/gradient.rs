//! Planning by gradient: candidates slide down the energy, through the model, whose weights stay as they are; those that break a
//! guardrail slide out of what it forbids first.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;

use crate::candidate::{Candidate, Chosen, Round, Score};
use crate::evaluate::Evaluator;
use crate::stop::Stop;
use crate::{Bounds, Iteration, Kind, PlanError, Planner, PlannerConfig, Plans, Problem, noise};

/// Gradient descent or Adam (Kingma and Ba, 2015) from `samples` starts: the warm start, and random sequences around it. The
/// plan is the best sequence seen.
pub(crate) struct Gradient {
    config: PlannerConfig,
    bounds: Bounds,
}

impl Gradient {
    /// For actions within `bounds`: plain descent where `config.kind` is [`Kind::Gradient`], else Adam.
    ///
    /// # Errors
    /// What [`PlannerConfig::validate`] says, or bounds that do not go with `config.max_norm`.
    pub fn new(config: &PlannerConfig, bounds: Bounds) -> Result<Self, PlanError> {
        let (config, bounds) = config.checked(bounds)?;
        Ok(Gradient { config, bounds })
    }
}

impl Planner for Gradient {
    fn plan(&self, problem: &Problem) -> Result<Plans, PlanError> {
        let (config, bounds, began) = (&self.config, &self.bounds, Instant::now());
        let mut evaluator = Evaluator::new(problem, config, bounds)?;
        let (horizon, length) = (evaluator.horizon, evaluator.length());
        let starts = |task: usize| {
            let warm = problem.warm.map(|warm| warm.remainder(task, horizon));
            let mean = warm.unwrap_or_else(|| vec![0.0; length]);
            let mut rng = noise::rng(problem.seeds[task], problem.step);
            let mut around = |number: usize| {
                let mut start = vec![0.0; length];
                noise::fill(&mut start, bounds.dims(), noise::Kind::Smooth(config.smoothness), &mut rng);
                let scale = if number == 0 { 0.0 } else { config.init_std };
                start.iter_mut().zip(&mean).for_each(|(x, mean)| *x = mean + scale * *x);
                bounds.apply(&mut start);
                start
            };
            let sequences = (0..config.samples).map(&mut around).collect();
            Start { rng, sequences, spent: 0 }
        };
        let starts = (0..problem.seeds.len()).map(starts).collect();
        let descent = Descent { config, bounds, steps: config.iterations, noise: config.min_std };
        let mut trace = Vec::new();
        let found = descend(&descent, &mut evaluator, starts, began, &mut trace)?;
        let chosen = found.into_iter().map(|best| match best {
            Some(best) => Chosen { plan: best.clone(), best: Some(best), others: Vec::new() },
            None => Chosen { plan: Candidate::untried(vec![0.0; length]), best: None, others: Vec::new() },
        });
        Ok(evaluator.plans(chosen.collect(), trace))
    }
}

/// How to slide.
pub(crate) struct Descent<'a> {
    pub config: &'a PlannerConfig,
    pub bounds: &'a Bounds,
    /// Steps down.
    pub steps: usize,
    /// Standard deviation of the noise that every step adds.
    pub noise: f32,
}

/// Where one task's descent starts.
pub(crate) struct Start {
    /// For the noise.
    pub rng: ChaCha8Rng,
    /// Flat `[horizon * action]`.
    pub sequences: Vec<Vec<f32>>,
    /// Model evaluations spent on this plan before.
    pub spent: u64,
}

/// Slides every task's sequences down and gives the best one seen of each task; all tasks have as many.
pub(crate) fn descend(
    descent: &Descent,
    evaluator: &mut Evaluator,
    starts: Vec<Start>,
    began: Instant,
    trace: &mut Vec<Iteration>,
) -> Result<Vec<Option<Candidate>>, PlanError> {
    let Descent { config, bounds, steps, noise } = *descent;
    let (length, horizon) = (evaluator.length(), evaluator.horizon);
    let samples = starts.iter().map(|start| start.sequences.len()).min().unwrap_or(0);
    let mut slides: Vec<Slide> = starts.into_iter().map(|starts| Slide::new(config, starts, samples)).collect();
    // One look more than there are steps: the last step's energies are seen too.
    for step in 0..=steps {
        let cost = 2 * samples * horizon;
        let active: Vec<usize> = (0..slides.len()).filter(|&task| slides[task].stop.goes_on(cost, began)).collect();
        if active.is_empty() {
            break;
        }
        let candidates: Vec<f32> = active.iter().flat_map(|&task| slides[task].at.iter().flatten()).copied().collect();
        let (scores, gradients) = evaluator.gradients(&active, &candidates, samples)?;
        let own = scores.chunks_exact(samples).zip(gradients.chunks_exact(samples * length));
        for (&task, (scores, gradients)) in active.iter().zip(own) {
            let slide = &mut slides[task];
            slide.note(scores, gradients);
            if slide.best.is_none() {
                return Err(PlanError::NotFinite { task, iteration: step, samples });
            }
            slide.stop.note(&slide.round, cost);
            // The step shrinks to nothing: the last ones settle.
            let rate = config.learning_rate * (1.0 - step as f32 / (steps + 1) as f32);
            slide.step(config.kind, rate, noise, bounds, gradients);
        }
        trace.push(Iteration::of(slides.iter().map(|slide| slide.round)));
    }
    Ok(slides.into_iter().map(|slide| slide.best).collect())
}

/// One task's sequences on their way down.
struct Slide {
    rng: ChaCha8Rng,
    at: Vec<Vec<f32>>,
    /// Adam's first and second moments, and its steps.
    moments: Vec<([Vec<f32>; 2], i32)>,
    best: Option<Candidate>,
    round: Round,
    stop: Stop,
}

impl Slide {
    fn new(config: &PlannerConfig, start: Start, samples: usize) -> Self {
        let Start { rng, sequences: mut at, spent } = start;
        at.truncate(samples);
        let moments = at.iter().map(|start| ([vec![0.0; start.len()], vec![0.0; start.len()]], 0)).collect();
        Slide { rng, at, moments, best: None, round: Round::default(), stop: Stop::after(config, spent) }
    }

    fn note(&mut self, scores: &[Score], gradients: &[f32]) {
        let ranked = Score::rank(scores);
        // Where all have slid into what is not finite, the round is the one before.
        let Some(&first) = ranked.first() else { return };
        if self.best.as_ref().is_none_or(|best| scores[first].order(&best.score).is_lt()) {
            self.best = Some(Candidate { actions: self.at[first].clone(), score: scores[first], weight: 1.0 });
        }
        self.round = Round::of(scores, &ranked);
        let squares: f64 = gradients.iter().filter(|g| g.is_finite()).map(|&g| f64::from(g) * f64::from(g)).sum();
        self.round.gradient = (squares / scores.len() as f64).sqrt() as f32;
    }

    /// One step: Adam's, or along the gradient at a length of `rate` per number.
    fn step(&mut self, kind: Kind, rate: f32, noise: f32, bounds: &Bounds, gradients: &[f32]) {
        let length = self.at.first().map_or(1, Vec::len);
        let all = self.at.iter_mut().zip(&mut self.moments).zip(gradients.chunks_exact(length));
        for ((at, ([first, second], steps)), gradient) in all {
            // A sequence from which there is no way down starts again from the best one.
            if gradient.iter().any(|g| !g.is_finite()) {
                if let Some(best) = &self.best {
                    at.clone_from(&best.actions);
                    first.fill(0.0);
                    second.fill(0.0);
                    *steps = 0;
                }
                continue;
            }
            if kind == Kind::Gradient {
                let size = (gradient.iter().map(|g| g * g).sum::<f32>() / length as f32).sqrt();
                at.iter_mut().zip(gradient).for_each(|(x, g)| *x -= rate * g / (size + 1e-12));
            } else {
                *steps += 1;
                let corrected = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(*steps));
                let parts = at.iter_mut().zip(first.iter_mut()).zip(second.iter_mut()).zip(gradient);
                for (((x, first), second), g) in parts {
                    *first = 0.9 * *first + 0.1 * g;
                    *second = 0.999 * *second + 0.001 * g * g;
                    *x -= rate * (*first / corrected[0]) / ((*second / corrected[1]).sqrt() + 1e-12);
                }
            }
            if noise > 0.0 {
                let mut random = vec![0.0; length];
                noise::fill(&mut random, bounds.dims(), noise::Kind::Smooth(0.0), &mut self.rng);
                at.iter_mut().zip(random).for_each(|(x, r)| *x += noise * r);
            }
            bounds.apply(at);
        }
    }
}

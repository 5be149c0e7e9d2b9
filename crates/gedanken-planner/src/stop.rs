//! Thinking as long as it pays: the end of one task's search.

use std::time::Instant;

use crate::PlanConfig;
use crate::score::Stats;

/// Ends one task's search when its energy has converged or its budget is spent.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    tolerance: f32,
    patience: usize,
    max_evaluations: u64,
    max_milliseconds: f64,
    /// The least energy after every round, of those since the best candidate broke the guardrails as little as it does now.
    best: Vec<f32>,
    violation: f32,
    /// Mean minus best energy of the first round, among candidates with the smallest violation.
    scale: f32,
    spent: u64,
}

impl Stop {
    pub fn new(config: &PlanConfig) -> Self {
        Stop {
            tolerance: config.tolerance,
            patience: config.patience,
            max_evaluations: config.max_evaluations.unwrap_or(u64::MAX),
            max_milliseconds: config.max_milliseconds.unwrap_or(f64::INFINITY),
            best: Vec::new(),
            violation: f32::INFINITY,
            scale: 0.0,
            spent: 0,
        }
    }

    /// One that has spent so much already.
    pub fn after(config: &PlanConfig, spent: u64) -> Self {
        Stop { spent, ..Stop::new(config) }
    }

    /// Model evaluations so far.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Takes in a round that cost so many model evaluations.
    pub fn note(&mut self, round: &Stats, evaluations: usize) {
        if round.violation < self.violation {
            self.violation = round.violation;
            self.best.clear();
        }
        // A candidate that is alone in keeping the guardrails differs from none yet.
        if self.best.is_empty() || self.scale == 0.0 && round.violation <= self.violation {
            self.scale = round.gap;
        }
        // A round that breaks the guardrails more than one before found nothing.
        let found = if round.violation > self.violation { f32::INFINITY } else { round.best };
        let least = self.best.last().copied().unwrap_or(f32::INFINITY).min(found);
        self.best.push(least);
        self.spend(evaluations);
    }

    /// Counts model evaluations of a round that nobody has looked at.
    pub fn spend(&mut self, evaluations: usize) {
        self.spent += evaluations as u64;
    }

    /// True if another round of so many model evaluations is worth it. There always is a first one.
    pub fn goes_on(&self, evaluations: usize, began: Instant) -> bool {
        if self.spent == 0 {
            return true;
        }
        let now = self.best.last().copied().unwrap_or(f32::INFINITY);
        let affordable = self.spent + evaluations as u64 <= self.max_evaluations
            && began.elapsed().as_secs_f64() * 1e3 < self.max_milliseconds;
        let before = self.best.len().checked_sub(self.patience + 1).map(|round| self.best[round]);
        let converged =
            self.tolerance > 0.0 && before.is_some_and(|before| before - now <= self.tolerance * self.scale);
        affordable && !converged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Score;

    fn after(config: &PlanConfig, energies: &[f32]) -> Stop {
        let mut stop = Stop::new(config);
        for &best in energies {
            stop.note(&Stats { gap: 10.0 - best, best, ..Stats::default() }, 100);
        }
        stop
    }

    #[test]
    fn a_search_ends_when_its_energy_fell_little_in_the_last_rounds() {
        let config = PlanConfig { tolerance: 0.1, patience: 2, ..PlanConfig::default() };
        let goes_on = |energies: &[f32]| after(&config, energies).goes_on(1, Instant::now());
        // Candidates differed by 10 - 5 at first: a fall of 0.5 in two rounds is too little.
        assert!(goes_on(&[]) && goes_on(&[5.0]) && goes_on(&[5.0, 5.0]) && goes_on(&[5.0, 4.7, 4.4]));
        assert!(!goes_on(&[5.0, 4.8, 4.6]) && !goes_on(&[5.0, 3.0, 3.0, 2.9]));
        let never = PlanConfig { tolerance: 0.0, ..config.clone() };
        assert!(after(&never, &[5.0; 9]).goes_on(1, Instant::now()));
    }

    #[test]
    fn a_search_goes_on_while_it_breaks_the_guardrails_less_and_less() {
        let mut stop = Stop::new(&PlanConfig { tolerance: 0.1, patience: 1, ..PlanConfig::default() });
        for (violation, best) in [(3.0, 1.0), (2.0, 2.0), (0.0, 5.0), (0.0, 4.0)] {
            stop.note(&Stats { gap: 10.0 - best, best, violation, ..Stats::default() }, 100);
            assert!(stop.goes_on(1, Instant::now()), "{violation} {best}");
        }
        // A low energy of what is forbidden is nothing to compare with.
        stop.note(&Stats { best: 0.5, violation: 1.0, ..Stats::default() }, 100);
        stop.note(&Stats { best: 3.0, ..Stats::default() }, 100);
        assert!(stop.goes_on(1, Instant::now()));
        stop.note(&Stats { best: 2.9, ..Stats::default() }, 100);
        assert!(!stop.goes_on(1, Instant::now()));
    }

    #[test]
    fn what_is_forbidden_does_not_count_in_what_candidates_differ_by() {
        // The straight way is cheap and forbidden: the mean of all lies below the best that is allowed.
        let scores = [(1.0, 2.0), (1.0, 3.0), (7.0, 0.0), (5.0, 0.0)];
        let scores = scores.map(|(energy, violation)| Score { energy, violation });
        let round = Stats::of(&scores).unwrap();
        assert_eq!((round.mean, round.best, round.gap), (3.5, 5.0, 1.0));
    }

    #[test]
    fn a_search_ends_before_it_overdraws_its_budget() {
        let config = PlanConfig { max_evaluations: Some(250), ..PlanConfig::default() };
        assert!(after(&config, &[5.0]).goes_on(100, Instant::now()));
        assert!(!after(&config, &[5.0, 4.0]).goes_on(100, Instant::now()));
        let config = PlanConfig { max_milliseconds: Some(1e-9), ..PlanConfig::default() };
        let began = Instant::now();
        assert!(after(&config, &[]).goes_on(100, began), "there always is a first round");
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(!after(&config, &[5.0]).goes_on(100, began));
        let spent = PlanConfig { max_evaluations: Some(250), ..PlanConfig::default() };
        assert!(!Stop::after(&spent, 200).goes_on(100, began), "what follows a search has its budget");
    }
}

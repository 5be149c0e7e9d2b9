//! The number by which a training knows its best checkpoint, and that it no longer improves.

use crate::config::TrainConfig;

/// A number of evaluations, and how long it has not improved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Improvement {
    /// Its name in the metrics.
    pub name: String,
    /// True where less is better.
    smallest: bool,
    /// Evaluations in a row that may be no better; 0: any.
    patience: u64,
    best: Option<(u64, f64)>,
    /// Evaluations since the best.
    since: u64,
}

impl Improvement {
    /// That of a training, if it asks for one.
    pub fn of(config: &TrainConfig) -> Option<Self> {
        let asked = config.keep_best.as_ref()?;
        let (smallest, name) = asked.strip_prefix('-').map_or((false, asked.as_str()), |name| (true, name));
        // The model's own row is meant where none is named.
        let name = match name.split('/').collect::<Vec<_>>()[..] {
            ["eval", number] => format!("eval/model/{number}"),
            _ => name.to_owned(),
        };
        Some(Self { name, smallest, patience: config.patience, best: None, since: 0 })
    }

    /// True where a value is better than another.
    pub fn is_better(&self, value: f64, than: f64) -> bool {
        if self.smallest { value < than } else { value > than }
    }

    /// Takes in the value of an evaluation.
    pub fn take(&mut self, step: u64, value: f64) {
        if self.best.is_none_or(|(_, best)| self.is_better(value, best)) {
            (self.best, self.since) = (Some((step, value)), 0);
        } else {
            self.since += 1;
        }
    }

    /// A sentence, where the training has lost its patience.
    pub fn exhausted(&self) -> Option<String> {
        let (step, value) = self.best.filter(|_| self.patience > 0 && self.since >= self.patience)?;
        let Self { name, since, .. } = self;
        Some(format!("{name} was best at update {step}, {value:.4}, and is no better after {since} evaluations"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watching(keep_best: &str, patience: u64) -> Improvement {
        let config = TrainConfig { keep_best: Some(keep_best.to_owned()), patience, ..TrainConfig::default() };
        Improvement::of(&config).expect("it asks for one")
    }

    #[test]
    fn patience_ends_after_so_many_evaluations_in_a_row_that_are_no_better() {
        let mut success = watching("eval/success", 2);
        assert_eq!(success.name, "eval/model/success");
        let values = [0.2, 0.1, 0.4, 0.4, 0.3];
        let exhausted: Vec<bool> = (1..)
            .zip(values)
            .map(|(step, value)| {
                success.take(step, value);
                success.exhausted().is_some()
            })
            .collect();
        assert_eq!(exhausted, [false, false, false, false, true]);
        assert!(success.exhausted().is_some_and(|told| told.contains("best at update 3, 0.4000")));
    }

    #[test]
    fn a_minus_asks_for_the_smallest_and_no_patience_never_ends() {
        let mut error = watching("-probe/agent", 0);
        assert!(error.name == "probe/agent" && error.is_better(1.0, 2.0) && !error.is_better(2.0, 2.0));
        (0..50).for_each(|step| error.take(step, 1.0));
        assert_eq!(error.exhausted(), None);
        assert_eq!(Improvement::of(&TrainConfig::default()), None);
    }
}

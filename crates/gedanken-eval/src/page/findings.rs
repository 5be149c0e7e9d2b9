//! The checks of a report in words: what was found, and what it means for plans.

use crate::checks::behind;
use crate::{Checks, Report, Worthiness};

/// A finding.
pub struct Finding {
    /// Good or bad, where there is something to compare with.
    pub verdict: Verdict,
    /// The number, in a sentence.
    pub found: String,
    /// Its meaning.
    pub meaning: &'static str,
}

/// Good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Between good and useless.
    Fair,
    /// Hardly better than nothing.
    Poor,
    /// A number to compare with other models'.
    Number,
}

impl Verdict {
    /// Good below the first bound, poor from the second on.
    fn below(value: f64, [good, fair]: [f64; 2]) -> Self {
        match value {
            value if value < good => Self::Good,
            value if value < fair => Self::Fair,
            _ => Self::Poor,
        }
    }

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
            Self::Number => "number",
        }
    }
}

/// All findings of a report.
pub fn findings(report: &Report) -> Vec<Finding> {
    let of_plans = report.worthiness.as_ref().map(of_plans).unwrap_or_default();
    let of_sight = report.checks.as_ref().map(of_sight).unwrap_or_default();
    of_plans.into_iter().chain(of_sight).collect()
}

fn of_plans(found: &Worthiness) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let (Some(error), Some(still)) = (found.error.last(), found.persistence.last()) {
        findings.push(Finding {
            verdict: Verdict::below(error / still.max(f64::MIN_POSITIVE), [0.25, 0.75]),
            found: format!(
                "After {} blocks of actions, imagination is off by {error:.3} of the latents' variance; imagining no change by {still:.3}.",
                found.error.len()
            ),
            meaning: "0 is a perfect imagination. One that is no better than “nothing changes” cannot tell plans apart.",
        });
    }
    if found.stands_still() {
        findings.push(Finding {
            verdict: Verdict::Poor,
            found: "Within an episode latents hardly change.".to_owned(),
            meaning: "They hold what stays (the layout, the background), not what moves. Several episodes of each layout in a batch show them the agent; else inverse dynamics, a weaker weight against collapse, or longer steps between frames.",
        });
    }
    let (retrieval, percent) = (&found.retrieval, |share: f64| 100.0 * share);
    findings.push(Finding {
        verdict: Verdict::below(1.0 - retrieval.found, [0.1, 0.5]),
        found: format!(
            "The imagined end finds the true one among {} in {:.1} % of {} episodes; imagining no change, in {:.1} %.",
            retrieval.among,
            percent(retrieval.found),
            retrieval.count,
            percent(retrieval.still)
        ),
        meaning: "100 % is perfect. Where no change finds as many, episodes look different and actions need not be understood.",
    });
    findings.push(Finding {
        verdict: Verdict::below(found.rank, [0.05, 0.25]),
        found: format!("Of other actions, {:.1} % seem better than those that did lead to a goal.", 100.0 * found.rank),
        meaning: "0 % is perfect, 50 % is chance: then the energy does not know which plan arrives.",
    });
    findings.push(Finding {
        verdict: Verdict::Number,
        found: format!("The energies of different actions spread by {:.2} of their mean.", found.spread),
        meaning: "Near 0, latents hardly answer to actions, and a planner has nothing to choose by.",
    });
    findings
}

fn of_sight(checks: &Checks) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (distance, rank) in [("learned", checks.learned_rank_correlation), ("latent", checks.latent_rank_correlation)] {
        let Some(rank) = rank else { continue };
        findings.push(Finding {
            verdict: Verdict::below(1.0 - rank, [0.1, 0.4]),
            found: format!(
                "The {distance} distance ranks states as the true way to the goal does: correlation {rank:.3}."
            ),
            meaning: "1 is perfect, 0 is chance. A distance that ranks badly leads plans into dead ends.",
        });
    }
    if !checks.probes.is_empty() {
        findings.extend(checks.probes.iter().map(|probe| Finding {
            // What does not vary is known without looking.
            verdict: match probe.chance < 1e-6 {
                true => Verdict::Number,
                false => Verdict::below(probe.rmse / probe.chance, [0.25, 0.75]),
            },
            found: format!(
                "A probe reads {} from the latents to {:.2}{}; without looking, to {:.2}.",
                probe.label,
                probe.rmse,
                behind(&probe.unit),
                probe.chance
            ),
            meaning: "Root mean square errors. A plan cannot aim at a place that cannot be read.",
        }));
    }
    for label in checks.events.iter().flat_map(|events| &events.labels) {
        let [imagined, seen, still] = [label.imagined, label.seen, label.still].map(|error| error[0]);
        findings.push(Finding {
            verdict: Verdict::below((imagined - seen) / (still - seen).max(f64::MIN_POSITIVE), [0.25, 0.75]),
            found: format!(
                "One block after an event, {} is imagined {imagined:.2}{} off; read from the true frame {seen:.2}, if nothing moved {still:.2}.",
                label.label,
                behind(&label.unit)
            ),
            meaning: "An event is a contact or a door: the rare moments that decide a task. An error near “nothing moved” says that the predictor does not know what the event does.",
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LabelError, Retrieval};

    #[test]
    fn an_imagination_that_only_copies_is_poor_and_one_that_knows_is_good() {
        let found = |error: f64| {
            let worthiness = Worthiness {
                error: vec![0.1, error],
                persistence: vec![0.2, 1.0],
                rank: 0.5,
                spread: 0.1,
                retrieval: Retrieval { found: 1.0, interval: [0.9, 1.0], still: 0.1, count: 32, among: 32 },
                doubt: None,
                pictures: None,
            };
            of_plans(&worthiness).iter().map(|finding| finding.verdict).collect::<Vec<_>>()
        };
        assert_eq!(found(0.1), [Verdict::Good, Verdict::Good, Verdict::Poor, Verdict::Number]);
        assert_eq!(found(0.9)[0], Verdict::Poor);
    }

    #[test]
    fn probes_are_told_with_their_units() {
        let probe = |rmse| LabelError { label: "agent".into(), rmse, chance: 20.0, unit: "px".into() };
        let told = of_sight(&Checks { probes: vec![probe(0.4), probe(19.0)], ..Checks::default() });
        assert_eq!(told[0].found, "A probe reads agent from the latents to 0.40 px; without looking, to 20.00.");
        assert_eq!([told[0].verdict, told[1].verdict], [Verdict::Good, Verdict::Poor]);
    }
}

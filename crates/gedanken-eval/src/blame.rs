//! The ladder of blame: which part of a model holds it back.
//!
//! The rows of a report that plan are rungs. The highest has the truth in the place of everything learned, the lowest is the model, and
//! parts of it are learned from one rung to the next. Those between the rungs with the largest drop in success are to blame, if the drop
//! is more than chance: all rungs do the same tasks, so a sign test of those that one does and the other does not says (McNemar, 1947).

use std::fmt;

use serde::Serialize;

use crate::statistics::sign_test;
use crate::{Row, Rule};

/// The parts that hold a model back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blame {
    /// One of these; none where no part stands out.
    pub parts: Vec<Part>,
    /// The same in a sentence.
    pub sentence: String,
}

/// Parts that may hold a model back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The search, or the control steps that it has.
    Planner,
    /// The model's sight.
    Encoder,
    /// The energy that its plans minimise.
    Objective,
    /// Its imagination.
    Predictor,
    /// The probe's reading of its latents.
    Probe,
}

/// Names of rows that are rungs.
pub(crate) mod rung {
    pub const MODEL: &str = "model";
    pub const SIMULATOR_PLAIN: &str = "simulator-plain";
    pub const SIMULATOR_TRUE: &str = "simulator-true";
    pub const TRUE_DYNAMICS: &str = "true-dynamics";
    pub const PRIVILEGED: &str = "privileged";
    pub const MODEL_PLAIN_COST: &str = "model-plain-cost";
    pub const MODEL_TRUE_COST: &str = "model-true-cost";
}

/// A drop is more than chance where chance makes one so large in fewer than this share of cases.
const CHANCE: f64 = 0.05;

/// A rung: a row, and the parts in it that are not the truth.
struct Rung<'a> {
    row: &'a Row,
    /// Which tasks it does.
    done: Vec<bool>,
    learned: &'static [Part],
}

impl Blame {
    /// From the rows of a report under a rule of success; none where no row knows more than the model.
    pub fn of(rows: &[Row], rule: Rule, radius: f64) -> Option<Self> {
        let rung = |names: &[&str], learned| {
            let mut found = names.iter().filter_map(|name| rows.iter().find(|row| row.name == *name));
            found.next().map(|row| Rung { row, done: row.done(rule, radius), learned })
        };
        let model = rung(&[rung::MODEL], &[Part::Planner, Part::Encoder, Part::Objective, Part::Predictor])?;
        let simulator = rung(&[rung::SIMULATOR_TRUE, rung::SIMULATOR_PLAIN], &[Part::Planner]);
        let seen = rung(&[rung::TRUE_DYNAMICS], &[Part::Planner, Part::Encoder, Part::Objective]);
        let cost = rung(
            &[rung::MODEL_TRUE_COST, rung::MODEL_PLAIN_COST],
            &[Part::Planner, Part::Encoder, Part::Predictor, Part::Probe],
        );
        let informed = simulator.iter().chain(seen.as_ref().or(cost.as_ref()));
        let rungs: Vec<&Rung<'_>> = informed.chain([&model]).collect();
        if rungs.len() < 2 {
            return None;
        }
        // A rung below one that knows less is no ceiling of it: the plain distance may be a bad cost.
        let fair = |rung: &usize| {
            let falls = |below: &&Rung<'_>| Drop { above: Some(below), below: rungs[*rung] }.is_more_than_chance();
            !rungs[rung + 1..].iter().any(falls)
        };
        let ladder: Vec<&Rung<'_>> = (0..rungs.len()).filter(fair).map(|rung| rungs[rung]).collect();
        // Above all rows stands one that does every task.
        let above = std::iter::once(None).chain(ladder.iter().copied().map(Some));
        let drops = above.zip(&ladder).map(|(above, below)| Drop { above, below });
        let worst = drops.filter(Drop::is_more_than_chance).max_by_key(Drop::tasks);
        let Some(mut worst) = worst else { return Some(Self { parts: Vec::new(), sentence: nobody(&ladder) }) };
        // Where the true cost alone makes up for half of it, the encoder has seen enough.
        if let (Some(cost), [Part::Encoder, Part::Objective]) = (&cost, &worst.parts()[..]) {
            let costs = Drop { above: Some(cost), below: &model };
            if costs.is_more_than_chance() && 2 * costs.tasks() >= worst.tasks() {
                worst = costs;
            }
        }
        let parts = worst.parts();
        let privileged = rows.iter().find(|row| row.name == rung::PRIVILEGED && parts.contains(&Part::Predictor));
        let labels = privileged.map_or(String::new(), |row| {
            format!("; a predictor of true labels in its place (privileged) reaches {}", percent(row))
        });
        let open = if seen.is_none() && parts.len() > 1 { "; eval.ladder = true says which" } else { "" };
        Some(Self { sentence: format!("{}{labels}{open}.", worst.sentence()), parts })
    }
}

/// The way from one rung to the next; from one that does every task where there is none above.
struct Drop<'a> {
    above: Option<&'a Rung<'a>>,
    below: &'a Rung<'a>,
}

impl Drop<'_> {
    /// Parts that are learned below and true above.
    fn parts(&self) -> Vec<Part> {
        let above = self.above.map_or(&[][..], |rung| rung.learned);
        self.below.learned.iter().filter(|part| !above.contains(part)).copied().collect()
    }

    /// Tasks done above alone, and below alone.
    fn apart(&self) -> [usize; 2] {
        let count = |alone: [bool; 2]| {
            let pair = |(task, below): (usize, &bool)| {
                [self.above.is_none_or(|above| above.done.get(task) == Some(&true)), *below]
            };
            self.below.done.iter().enumerate().map(pair).filter(|pair| *pair == alone).count()
        };
        [count([true, false]), count([false, true])]
    }

    /// Tasks that are done above and not below, less those done below and not above.
    fn tasks(&self) -> usize {
        let [above, below] = self.apart();
        above.saturating_sub(below)
    }

    fn is_more_than_chance(&self) -> bool {
        let [above, below] = self.apart();
        above > below && sign_test(above, below) < CHANCE
    }

    fn sentence(&self) -> String {
        let parts = self.parts();
        let who = capital(&listed(&parts.iter().map(|part| part.name()).collect::<Vec<_>>(), "or"));
        let below = self.below.row;
        let Some(Rung { row: above, .. }) = self.above else {
            let fair = if below.name == rung::SIMULATOR_PLAIN { ", if the plain distance is a fair cost" } else { "" };
            return format!("{who} holds this model back{fair}: {} reaches {}", below.name, percent(below));
        };
        let plain = [rung::SIMULATOR_PLAIN, rung::MODEL_PLAIN_COST].contains(&above.name.as_str());
        let truths: Vec<&str> = parts.iter().map(|part| part.truth(plain)).collect();
        let (its, own) = if parts.len() > 1 { ("their", "their own") } else { ("its", "its own") };
        format!(
            "{who} holds this model back: with {} in {its} place {}, with {own} {}",
            listed(&truths, "and"),
            percent(above),
            percent(below)
        )
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Planner => "the planner",
            Self::Encoder => "the encoder",
            Self::Objective => "the objective",
            Self::Predictor => "the predictor",
            Self::Probe => "the probe",
        }
    }

    /// Its substitute on a higher rung.
    fn truth(self, plain: bool) -> &'static str {
        match self {
            Self::Planner => "a better search",
            Self::Encoder => "true states",
            Self::Objective if plain => "the plain distance",
            Self::Objective => "the true cost",
            Self::Predictor => "true dynamics",
            Self::Probe => "true labels",
        }
    }
}

/// The sentence where nobody is to blame.
fn nobody(ladder: &[&Rung<'_>]) -> String {
    let rows: Vec<&Row> = ladder.iter().map(|rung| rung.row).collect();
    let tasks = rows.last().map_or(0, |model| model.episodes.len());
    if rows.last().is_some_and(|model| model.success >= 1.0) {
        return format!("Nothing holds this model back: it does all {tasks} tasks.");
    }
    let rates: Vec<String> = rows.iter().map(|row| format!("{} {}", row.name, percent(row))).collect();
    format!("No part stands out: {} differ by no more than chance (n = {tasks}).", rates.join(", "))
}

fn percent(row: &Row) -> String {
    format!("{:.0} %", 100.0 * row.success)
}

/// "a", "a or b", "a, b or c".
fn listed(words: &[&str], word: &str) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} {word} {last}", first.join(", ")),
        _ => words.concat(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence)
    }
}

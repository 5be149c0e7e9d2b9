//! A comparison as a picture.

use gedanken_run::{Whisker, Whiskers};
use serde_json::Value;

use super::{Comparison, Group};

impl Comparison {
    /// The rates with their intervals, as SVG: over a number where the groups are those of one key that is a number.
    pub fn plot(&self) -> String {
        let several = self.groups.iter().any(|group| group.of_seeds.is_some());
        let point = |group: &Group| {
            let number = match &group.values[..] {
                [Some(value)] => value.as_f64(),
                _ => None,
            };
            let label = match &group.values[..] {
                [Some(Value::String(text))] => text.clone(),
                [Some(value)] => value.to_string(),
                _ => group.label.clone(),
            };
            let singles =
                if group.runs.len() > 1 { group.runs.iter().map(|run| run.rate).collect() } else { Vec::new() };
            let (thin, broad) = (group.of_seeds, Some(group.of_tasks));
            Whisker { label, number, rate: group.rate, thin, broad, singles }
        };
        let caption = match several {
            true => "Bars: 95 % over tasks (Wilson). Whiskers: 95 % over seeds (Student). Small dots: single runs.",
            false => "Bars: 95 % over tasks (Wilson).",
        };
        let [rate, ..] = self.measure.names();
        let points = self.groups.iter().map(point).collect();
        Whiskers { title: &self.protocol, x: &self.by.join(", "), y: rate, caption, points }.svg()
    }
}

//! Values that are drawn at random.

use gedanken_env::rng;
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

/// The values that a key is drawn from.
#[derive(Clone, Debug)]
pub(super) enum Choice<'a> {
    /// One of a list.
    List(&'a [Value]),
    /// A number of a range.
    Range(Range),
}

/// A range of numbers, both ends included.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    min: Number,
    max: Number,
    /// Uniform in the logarithm.
    #[serde(default)]
    log: bool,
}

// A purpose of derived seeds.
const DRAW: u64 = 31;

impl Range {
    /// The range of a table that has a range's keys; none for any other table, which has keys of the experiment.
    pub(super) fn of(table: &Map<String, Value>) -> Option<Result<Self, String>> {
        if !table.contains_key("min") && !table.contains_key("max") {
            return None;
        }
        let expected = "expected { min = 1e-4, max = 1e-2, log = true }";
        let range: Result<Self, _> = serde_json::from_value(Value::Object(table.clone()));
        Some(match range {
            Ok(range) => {
                let [min, max] = range.ends();
                match () {
                    () if min > max => Err(format!("from {min} to {max}; expected min of at most max")),
                    () if range.log && min <= 0.0 => Err(format!("log from {min}; expected min above 0")),
                    () => Ok(range),
                }
            }
            Err(error) => Err(format!("{error}; {expected}")),
        })
    }

    fn ends(&self) -> [f64; 2] {
        [&self.min, &self.max].map(|end| end.as_f64().unwrap_or(f64::NAN))
    }

    /// The number at `share` of the way, from 0 to 1: whole where both ends are, else of four digits, so that an arm's name is its value.
    fn at(&self, share: f64) -> Value {
        let [min, max] = self.ends();
        let whole = self.min.as_i64().zip(self.max.as_i64());
        // Every whole number has an interval of length 1.
        let top = if whole.is_some() { max + 1.0 } else { max };
        let x = match self.log {
            true => (min.ln() + share * (top.ln() - min.ln())).exp(),
            false => min + share * (top - min),
        };
        match whole {
            Some((min, max)) => (x.floor() as i64).clamp(min, max).into(),
            None => format!("{x:.3e}").parse().unwrap_or(x).clamp(min, max).into(),
        }
    }
}

impl Choice<'_> {
    /// The value of the key in draw number `draw`.
    pub(super) fn draw(&self, seed: u64, draw: usize, key: &str) -> Value {
        let mut random = rng(seed, &[DRAW, draw as u64, u64::from(crc32fast::hash(key.as_bytes()))]);
        match self {
            Self::List(values) => values[random.random_range(0..values.len())].clone(),
            Self::Range(range) => range.at(random.random::<f64>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(value: Value) -> Result<Range, String> {
        Range::of(value.as_object().expect("a table")).expect("a range")
    }

    #[test]
    fn a_range_is_drawn_from_end_to_end() {
        let log = range(json!({ "min": 1e-4, "max": 1e-2, "log": true })).unwrap();
        assert_eq!([0.0, 0.5, 1.0].map(|share| log.at(share)), [json!(1e-4), json!(1e-3), json!(1e-2)]);
        let whole = range(json!({ "min": 2, "max": 4 })).unwrap();
        assert_eq!([0.0, 0.33, 0.34, 0.67, 1.0].map(|share| whole.at(share)), [2, 2, 3, 4, 4].map(Value::from));
        let linear = range(json!({ "min": 0, "max": 0.5 })).unwrap();
        assert_eq!(linear.at(0.246_913_6), json!(0.1235), "four digits");
    }

    #[test]
    fn draws_follow_from_their_seed_their_number_and_their_key() {
        let wide = Choice::Range(range(json!({ "min": 0.0, "max": 1.0 })).unwrap());
        let draws = |seed, key: &str| (0..50).map(|draw| wide.draw(seed, draw, key).as_f64().unwrap()).collect();
        let (one, again, other, seeded): (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>) =
            (draws(0, "a"), draws(0, "a"), draws(0, "b"), draws(1, "a"));
        assert!(one == again && one != other && one != seeded);
        assert!(one.iter().any(|&x| x < 0.2) && one.iter().any(|&x| x > 0.8));
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (table, told) in [
            (json!({ "min": 2, "max": 1 }), "min of at most max"),
            (json!({ "min": 0, "max": 1, "log": true }), "min above 0"),
            (json!({ "min": 1 }), "missing field `max`"),
            (json!({ "min": 1, "max": 2, "step": 1 }), "unknown field `step`"),
        ] {
            assert!(range(table).unwrap_err().contains(told), "{told}");
        }
        assert!(Range::of(&Map::new()).is_none());
    }
}

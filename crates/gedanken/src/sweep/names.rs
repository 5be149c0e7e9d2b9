//! Names of arms that a person can read: `width=16,seed=2`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Words that say too little alone.
const VAGUE: [&str; 2] = ["kind", "weight"];

/// The shortest ends of dotted keys that tell them apart: `width` for `encoder.width`, unless `predictor.width` is there too.
pub fn short_names<'a>(keys: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let keys: Vec<Vec<&str>> = keys.into_iter().map(|key| key.split('.').collect()).collect();
    let short = |key: &Vec<&str>| {
        let least = if key.last().is_some_and(|last| VAGUE.contains(last)) { 2 } else { 1 };
        let ends = (least.min(key.len())..=key.len()).map(|count| &key[key.len() - count..]);
        let mut own = ends.filter(|end| keys.iter().all(|other| other == key || !other.ends_with(end)));
        own.next().unwrap_or(key).join(".")
    };
    keys.iter().map(|key| (key.join("."), short(key))).collect()
}

/// A value as a part of a folder's name: letters, digits and `- _ .`.
pub fn value_name(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or(String::new(), |x| format!("{x:?}")),
        other => other.to_string(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words: Vec<&str> = text.split(|c| !plain(c)).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_as_short_as_they_can_be_told_apart() {
        let names = short_names(["encoder.width", "train.lr", "loss.sigreg.weight", "seed"]);
        assert_eq!(names.values().collect::<Vec<_>>(), ["width", "sigreg.weight", "seed", "lr"]);
        let names = short_names(["encoder.width", "predictor.width", "encoder.kind"]);
        assert_eq!(names.values().collect::<Vec<_>>(), ["encoder.kind", "encoder.width", "predictor.width"]);
    }

    #[test]
    fn a_value_is_a_plain_name() {
        let names = [json!(16), json!(1e-4), json!("../x y"), json!([4, 8]), json!({ "from": 1.0 }), json!(1e30)];
        assert_eq!(names.map(|value| value_name(&value)), ["16", "0.0001", "..-x-y", "4-8", "from-1.0", "1e30"]);
    }
}

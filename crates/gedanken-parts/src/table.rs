//! A tagged table, as it stands in TOML.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A table that names a part and holds the keys of that part alone: `kind = "patch"`, `width = 32`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// The part's name.
    pub kind: String,
    /// Its keys.
    #[serde(flatten)]
    pub keys: Map<String, Value>,
}

impl Table {
    /// The table of a part with this config.
    pub fn of(kind: &str, config: &impl Serialize) -> Self {
        let keys = to_value(config).map(without_nulls).unwrap_or_default();
        Self { kind: kind.to_owned(), keys: object(keys) }
    }
}

/// A config as a value in which an `f32` of 0.1 is 0.1, not the `f64` nearest to it.
pub(crate) fn to_value(config: &impl Serialize) -> Result<Value, serde_json::Error> {
    Ok(short(serde_json::to_value(config)?))
}

fn short(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let single = number.as_f64().filter(|&x| number.is_f64() && f64::from(x as f32) == x);
            let shortest =
                single.and_then(|x| (x as f32).to_string().parse().ok()).and_then(serde_json::Number::from_f64);
            Value::Number(shortest.unwrap_or(number))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(short).collect()),
        Value::Object(table) => Value::Object(table.into_iter().map(|(key, value)| (key, short(value))).collect()),
        other => other,
    }
}

/// The entries of an object; none of anything else.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(table) => table,
        _ => Map::new(),
    }
}

/// A value without its nulls: TOML has none.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => Value::Object(
            table
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}

/// A sentence about the first number or list of a table that is out of its schema's bounds. Bounds behind references are left
/// to whoever reads them.
pub(crate) fn out_of_bounds(schema: &Value, table: &Value) -> Option<String> {
    let properties = schema.get("properties")?.as_object()?;
    table.as_object()?.iter().find_map(|(key, value)| check(key, properties.get(key)?, value))
}

fn check(key: &str, schema: &Value, value: &Value) -> Option<String> {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let outside = |size: f64, least: Option<f64>, most: Option<f64>| {
        (least.is_some_and(|least| size < least) || most.is_some_and(|most| size > most)).then(|| {
            let words = [least.map(|x| format!("at least {x}")), most.map(|x| format!("at most {x}"))];
            words.into_iter().flatten().collect::<Vec<_>>().join(" and ")
        })
    };
    match value {
        Value::Number(number) => outside(number.as_f64()?, bound("minimum"), bound("maximum"))
            .map(|expected| format!("{key} = {number}; expected {expected}")),
        Value::Array(items) => outside(items.len() as f64, bound("minItems"), bound("maxItems"))
            .map(|expected| format!("{key} has {} items; expected {expected}", items.len()))
            .or_else(|| items.iter().find_map(|item| check(key, schema.get("items")?, item))),
        _ => None,
    }
}

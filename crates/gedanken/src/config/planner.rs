//! The `[planner]` table: the keys of every planner, and those of the strategy that `kind` names.

use std::collections::BTreeSet;

use gedanken_planner::{Catalog, PlannerConfig, Strategy};
use serde_json::{Map, Value, json};

use super::env::{insert, rename_refs, replace};
use super::tree::Node;

/// The table: a [`PlannerConfig`].
pub const PLANNER: &str = "planner";

/// Puts the keys of the strategies into a config's schema: [`PLANNER`] becomes one alternative for each, told apart by `kind`.
pub fn splice_planner(mut schema: Value, strategies: &Catalog<dyn Strategy>) -> Value {
    let shared = object(&schema["$defs"]["PlannerConfig"]["properties"]);
    let mut defs = Map::new();
    let alternatives: Vec<Value> = strategies
        .entries()
        .iter()
        .map(|entry| {
            let mut own = entry.schema();
            rename_refs(&mut own, entry.name());
            let kind = json!({ "type": "string", "const": entry.name(), "description": own["description"] });
            defs.extend(
                object(&own["$defs"]).into_iter().map(|(name, inner)| (format!("{}.{name}", entry.name()), inner)),
            );
            let mut table = json!({ "type": "object", "required": ["kind"], "additionalProperties": false });
            if let Value::Object(table) = &mut table {
                insert(table, "kind", kind);
                let keys = shared.clone().into_iter().filter(|(key, _)| key != "kind");
                keys.chain(object(&own["properties"])).for_each(|(key, schema)| insert(table, &key, schema));
            }
            table
        })
        .collect();
    replace(&mut schema, PLANNER, &json!({ "oneOf": alternatives, "default": PlannerConfig::default() }));
    if let Some(all) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        all.extend(defs);
    }
    schema
}

/// The keys of every planner and of this strategy; none where nobody has it.
pub(super) fn keys(strategies: &Catalog<dyn Strategy>, kind: &str) -> Option<BTreeSet<String>> {
    let own = strategies.entry(kind).ok()?.schema();
    let shared = super::schema::<PlannerConfig>();
    Some([shared, own].iter().flat_map(|schema| object(&schema["properties"])).map(|(key, _)| key).collect())
}

/// The `kind` of the planner in a tree.
pub(super) fn kind(root: &Node) -> Option<&str> {
    root.get(PLANNER)?.get("kind")?.as_str()
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

//! Tables of parts, whose keys depend on the part that they name.

use gedanken_parts::Catalog;
use gedanken_planner::{PlannerConfig, Strategy};
use gedanken_regularizer::TermConfig;
use serde_json::{Map, Value, json};

use super::env::{insert, replace, take_definitions};
use super::tree::PLANNER;
use crate::Parts;

/// Puts the keys of all parts into an experiment's schema: `[encoder]` and its like become one alternative for each part, told
/// apart by `kind`, and so does `[planner]`; `[loss]` gets one table for each term.
pub fn splice_parts(mut schema: Value, parts: &Parts) -> Value {
    let mut defs = Map::new();
    let model = &parts.model;
    let tagged = [
        ("encoder", choices(&model.encoders, &mut defs)),
        ("predictor", choices(&model.predictors, &mut defs)),
        ("latent_variable", choices(&model.variables, &mut defs)),
        ("target", choices(&model.targets, &mut defs)),
        ("loss", terms(&model.terms, &mut defs)),
        (PLANNER, planners(&parts.strategies, &schema, &mut defs)),
    ];
    for (path, table) in tagged {
        replace(&mut schema, path, &table);
    }
    // A phase changes some of the loss's keys and of the planner's.
    let whole = &schema["properties"];
    let patches = [("loss", whole["loss"].clone()), (PLANNER, any_of_their_keys(&whole[PLANNER]))];
    for (table, keys) in patches {
        if let Some(place) = schema.pointer_mut(&format!("/$defs/PhaseConfig/properties/{table}")) {
            *place = keys;
        }
    }
    if let Value::Object(root) = &mut schema
        && let Some(all) = root.entry("$defs").or_insert(json!({})).as_object_mut()
    {
        all.extend(defs);
    }
    schema
}

/// One alternative for each part of a catalogue.
fn choices<P: ?Sized + 'static>(catalog: &Catalog<P>, defs: &mut Map<String, Value>) -> Value {
    let alternatives = catalog.entries().iter().map(|entry| {
        let mut table = table(entry.name(), entry.schema(), defs);
        insert(&mut table, "kind", json!({ "type": "string", "const": entry.name() }));
        table.insert("required".into(), json!(["kind"]));
        Value::Object(table)
    });
    json!({ "oneOf": alternatives.collect::<Vec<_>>() })
}

/// One alternative for each strategy, with the keys of every planner.
fn planners(strategies: &Catalog<dyn Strategy>, schema: &Value, defs: &mut Map<String, Value>) -> Value {
    let mut choices = choices(strategies, defs);
    let shared = schema["$defs"]["PlannerConfig"]["properties"].as_object().cloned().unwrap_or_default();
    for table in choices["oneOf"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let shared = shared.iter().filter(|(key, _)| *key != "kind");
        shared.for_each(|(key, schema)| insert(table, key, schema.clone()));
    }
    choices["default"] = json!(PlannerConfig::default());
    choices
}

/// One table with the keys of all alternatives, none of which has to be there.
fn any_of_their_keys(choices: &Value) -> Value {
    let mut properties = Map::new();
    for (key, schema) in
        choices["oneOf"].as_array().into_iter().flatten().filter_map(|c| c["properties"].as_object()).flatten()
    {
        if key == "kind" {
            properties.insert(key.clone(), json!({ "type": "string" }));
        } else {
            properties.entry(key).or_insert(schema.clone());
        }
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// One table for each term: its weight, and its own keys.
fn terms(catalog: &Catalog<dyn TermConfig>, defs: &mut Map<String, Value>) -> Value {
    let mut tables = Map::new();
    for entry in catalog.entries() {
        let mut table = table(entry.name(), entry.schema(), defs);
        let weight = entry.make(&json!({})).map_or(1.0, |term| term.weight());
        let description = format!("Weight in the loss; 0 leaves the term out. Default {weight}.");
        insert(&mut table, "weight", json!({ "$ref": "#/$defs/Schedule", "description": description }));
        tables.insert(entry.name().to_owned(), Value::Object(table));
    }
    json!({ "type": "object", "properties": tables, "additionalProperties": false })
}

/// The table of a part's keys; definitions that it refers to are renamed and added to `defs`.
fn table(name: &str, schema: Value, defs: &mut Map<String, Value>) -> Map<String, Value> {
    let mut schema = take_definitions(name, schema, defs);
    schema.retain(|keyword, _| ["description", "properties", "required"].contains(&keyword.as_str()));
    schema.insert("type".into(), json!("object"));
    schema.insert("additionalProperties".into(), json!(false));
    schema
}

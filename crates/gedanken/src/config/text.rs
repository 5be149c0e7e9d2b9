//! `--set KEY=VALUE` where text is wanted: what stands behind the `=` is the text, whatever else it looks like.

use serde_json::{Number, Value};

use super::Place;
use super::schema::{Schema, alternatives, resolve, types};
use super::tree::{Content, Node};

/// Makes text of every number and truth value that `--set` put where the schema takes text and nothing like it.
pub(super) fn take_texts(root: &mut Node, schema: &Value) {
    visit(root, schema, &branches(schema, schema));
}

/// A schema, or all of its alternatives, resolved.
fn branches(root: &Value, schema: &Value) -> Vec<Schema> {
    let schema = resolve(root, schema);
    match alternatives(root, &schema) {
        Some(branches) => {
            branches.into_iter().flat_map(|branch| self::branches(root, &Value::Object(branch))).collect()
        }
        None => vec![schema],
    }
}

fn visit(node: &mut Node, root: &Value, schemas: &[Schema]) {
    let below = |of: &dyn Fn(&Schema) -> Option<Value>| -> Vec<Schema> {
        schemas.iter().filter_map(of).flat_map(|inner| branches(root, &inner)).collect()
    };
    match &mut node.content {
        Content::Table(table) => {
            for (key, inner) in table {
                let own = |schema: &Schema| schema.get("properties")?.get(key).cloned();
                let any = |schema: &Schema| schema.get("additionalProperties").cloned();
                visit(inner, root, &below(&|schema| own(schema).or_else(|| any(schema))));
            }
        }
        Content::Array(items) => {
            let inner = below(&|schema| schema.get("items").cloned());
            items.iter_mut().for_each(|item| visit(item, root, &inner));
        }
        Content::Leaf(value) => {
            let takes = |names: &[&str]| schemas.iter().flat_map(types).any(|name| names.contains(&name));
            let fits = match value {
                Value::Number(number) => takes(of_number(number)),
                Value::Bool(_) => takes(&["boolean"]),
                _ => true,
            };
            let any = schemas.iter().any(|schema| types(schema).is_empty());
            if let (false, true, Some(text)) = (fits || any, takes(&["string"]), written(&node.place)) {
                *value = Value::String(text);
            }
        }
    }
}

/// The types that a number has.
fn of_number(number: &Number) -> &'static [&'static str] {
    if number.is_f64() { &["number"] } else { &["number", "integer"] }
}

/// The value of a `--set` as it was written; none of an array or a table, inside which text has quotes.
fn written(place: &Place) -> Option<String> {
    let Place::Set(set) = place else { return None };
    let text = set.split_once('=')?.1.trim();
    (!text.starts_with(['[', '{'])).then(|| text.to_owned())
}

//! Reads a JSON Schema as schemars writes it: what it refers to, what it allows, and that in words.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::tree::join;

/// One schema that is not just `true`.
pub(super) type Schema = Map<String, Value>;

/// A schema with its references followed, what stands beside them merged in, and null no alternative.
pub(super) fn resolve(root: &Value, schema: &Value) -> Schema {
    resolve_within(root, schema, 32)
}

fn resolve_within(root: &Value, schema: &Value, depth: usize) -> Schema {
    let Value::Object(schema) = schema else { return Schema::new() };
    let mut schema = schema.clone();
    if depth == 0 {
        return schema;
    }
    if let Some(Value::String(target)) = schema.remove("$ref") {
        let target = root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null);
        let target = resolve_within(root, target, depth - 1);
        absorb(&mut schema, target);
    }
    if let Some(Value::Array(parts)) = schema.remove("allOf") {
        parts.iter().for_each(|part| absorb(&mut schema, resolve_within(root, part, depth - 1)));
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = schema.get_mut(keyword) else { continue };
        branches.retain(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
        if let [only] = &branches[..] {
            let only = resolve_within(root, only, depth - 1);
            schema.remove(keyword);
            absorb(&mut schema, only);
        }
    }
    schema
}

/// Adds to a schema what another one asks; the schema's own words come first.
fn absorb(schema: &mut Schema, other: Schema) {
    for (keyword, value) in other {
        match (schema.get_mut(&keyword), value) {
            (None, value) => drop(schema.insert(keyword, value)),
            (Some(Value::Object(mine)), Value::Object(more)) if keyword == "properties" => {
                for (name, inner) in more {
                    mine.entry(name).or_insert(inner);
                }
            }
            (Some(Value::Array(mine)), Value::Array(more)) if keyword == "required" => mine.extend(more),
            _ => {}
        }
    }
}

/// The alternatives of a resolved schema, each resolved.
pub(super) fn alternatives(root: &Value, schema: &Schema) -> Option<Vec<Schema>> {
    let branches = schema.get("oneOf").or(schema.get("anyOf"))?.as_array()?;
    Some(branches.iter().map(|branch| resolve(root, branch)).collect())
}

/// The values of a resolved schema that lists them.
pub(super) fn constants(root: &Value, schema: &Schema) -> Option<Vec<Value>> {
    if let Some(value) = schema.get("const") {
        return Some(vec![value.clone()]);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(values.iter().filter(|value| !value.is_null()).cloned().collect());
    }
    let lists = alternatives(root, schema)?.iter().map(|branch| constants(root, branch)).collect::<Option<Vec<_>>>()?;
    Some(lists.into_iter().flatten().collect())
}

/// The key that every alternative gives a constant text: the `tag` of serde's enums.
pub(super) fn tag(branches: &[Schema]) -> Option<String> {
    let properties = branches.first()?.get("properties")?.as_object()?;
    properties.keys().find(|key| branches.iter().all(|branch| constant_text(branch, key).is_some())).cloned()
}

pub(super) fn constant_text<'a>(branch: &'a Schema, key: &str) -> Option<&'a str> {
    branch.get("properties")?.get(key)?.get("const")?.as_str()
}

/// The types a resolved schema allows, null apart; none means any.
pub(super) fn types(schema: &Schema) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    }
}

/// The least and greatest value that the integer type of a `format` can hold, where JSON Schema does not say so.
pub(super) fn format_bounds(schema: &Schema) -> (Option<f64>, Option<f64>) {
    match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("uint" | "uint64") => (Some(0.0), None),
        _ => (None, None),
    }
}

/// A schema in words.
pub(super) fn describe(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(values) = constants(root, &schema) {
        let values: Vec<_> = values.iter().map(|v| v.as_str().map_or(v.to_string(), str::to_owned)).collect();
        return if values.len() == 1 { format!("`{}`", values[0]) } else { format!("one of: {}", values.join(", ")) };
    }
    if let Some(branches) = alternatives(root, &schema) {
        if let Some(tag) = tag(&branches) {
            let values: Vec<_> = branches.iter().filter_map(|branch| constant_text(branch, &tag)).collect();
            return format!("a table with `{tag}` one of: {}", values.join(", "));
        }
        let words: Vec<_> = branches.into_iter().map(|branch| describe(root, &Value::Object(branch))).collect();
        return words.join(" or ");
    }
    let words = types(&schema).into_iter().map(|name| match name {
        "integer" => format!("an integer{}", describe_bounds(&schema)),
        "number" => format!("a number{}", describe_bounds(&schema)),
        "string" => match schema.get("minLength") {
            Some(least) => format!("text of at least {least} characters"),
            None => "text".into(),
        },
        "boolean" => "true or false".into(),
        "array" => describe_array(root, &schema),
        _ => "a table".into(),
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "a value".into() } else { words.join(" or ") }
}

fn describe_bounds(schema: &Schema) -> String {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let (format_least, format_greatest) = format_bounds(schema);
    let (least, greatest) = (bound("minimum").or(format_least), bound("maximum").or(format_greatest));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let low = above.map(|x| format!("greater than {x}")).or(least.map(|x| format!("at least {x}")));
    let high = below.map(|x| format!("less than {x}")).or(greatest.map(|x| format!("at most {x}")));
    match (least, greatest, low, high) {
        (Some(least), Some(greatest), ..) if above.is_none() && below.is_none() => {
            format!(" from {least} to {greatest}")
        }
        (.., Some(low), Some(high)) => format!(" {low} and {high}"),
        (.., None, None) => String::new(),
        (.., low, high) => {
            let word = low.or(high).unwrap_or_default();
            if word.starts_with("at ") { format!(" of {word}") } else { format!(" {word}") }
        }
    }
}

fn describe_array(root: &Value, schema: &Schema) -> String {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    let count = match (bound("minItems"), bound("maxItems")) {
        (Some(least), Some(most)) if least == most => format!(" of {least}"),
        (Some(least), Some(most)) => format!(" of {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    };
    let items = schema.get("items").map(|items| format!(", each {}", describe(root, items))).unwrap_or_default();
    format!("an array{count}{items}")
}

/// All tables of the schema that have a key of this name: the dotted paths of the key.
pub(super) fn find_key(root: &Value, schema: &Schema, name: &str, path: &str, found: &mut Vec<String>) {
    if path.matches('.').count() > 4 {
        return;
    }
    for branch in alternatives(root, schema).unwrap_or_default() {
        find_key(root, &branch, name, path, found);
    }
    for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let inner_path = join(path, key);
        find_key(root, &resolve(root, inner), name, &inner_path, found);
        if key == name && !found.contains(&inner_path) {
            found.push(inner_path);
        }
    }
}

/// The keywords of a schema that [`super::load`] does not check; a struct whose schema has one relies on serde alone
/// there.
pub fn unknown_keywords(schema: &Value) -> Vec<String> {
    const KNOWN: &[&str] = &[
        "$schema",
        "$ref",
        "$defs",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        // For `gedanken train`, which tells other worlds.
        "x-same-world",
        "type",
        "format",
        "enum",
        "const",
        "oneOf",
        "anyOf",
        "allOf",
        "properties",
        "additionalProperties",
        "required",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
    ];
    fn walk(schema: &Value, found: &mut BTreeSet<String>) {
        let Value::Object(schema) = schema else { return };
        for (keyword, value) in schema {
            match (keyword.as_str(), value) {
                ("properties" | "$defs", Value::Object(table)) => table.values().for_each(|inner| walk(inner, found)),
                ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                    list.iter().for_each(|inner| walk(inner, found));
                }
                ("items" | "additionalProperties", inner) => walk(inner, found),
                (other, _) if KNOWN.contains(&other) => {}
                (other, _) => drop(found.insert(other.to_owned())),
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(schema, &mut found);
    found.into_iter().collect()
}

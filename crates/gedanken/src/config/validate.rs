//! Checks a tree against a JSON Schema, as far as schemars writes one, and says in words what is wrong.
//!
//! Stricter than the standard in one thing: a table whose schema has `properties` takes no other key unless the schema
//! says what those others are.

use serde_json::{Map, Value};

use super::error::{nearest, suggestion};
use super::moved::moved;
use super::schema::{
    Schema, alternatives, constant_text, constants, describe, find_key, format_bounds, resolve, tag, types,
};
use super::tree::{Content, Node, join};
use super::{Place, Problem};

/// All problems of a tree.
pub(super) fn validate(root: &Node, schema: &Value) -> Vec<Problem> {
    let mut check = Check { root: schema, problems: Vec::new() };
    check.node(root, "", schema);
    check.problems
}

/// A node, for an error: a short value itself, else its type.
pub(super) fn found(node: &Node) -> String {
    match &node.content {
        Content::Table(_) => "a table".into(),
        Content::Array(_) => "an array".into(),
        Content::Leaf(Value::String(text)) if text.chars().count() > 60 => "a long text".into(),
        Content::Leaf(Value::String(text)) => format!("the text {text:?}"),
        Content::Leaf(value) => value.to_string(),
    }
}

struct Check<'a> {
    root: &'a Value,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn node(&mut self, node: &Node, key: &str, schema: &Value) {
        self.resolved(node, key, &resolve(self.root, schema));
    }

    fn resolved(&mut self, node: &Node, key: &str, schema: &Schema) {
        if matches!(node.content, Content::Leaf(Value::Null)) {
            return; // reported when it was read
        }
        if let Some(values) = constants(self.root, schema) {
            if !matches!(&node.content, Content::Leaf(value) if values.contains(value)) {
                let near = node.as_str().and_then(|text| nearest(text, values.iter().filter_map(Value::as_str)));
                self.unexpected(node, key, schema, &suggestion(near));
            }
        } else if let Some(branches) = alternatives(self.root, schema) {
            match tag(&branches) {
                Some(tag) => self.tagged(node, key, schema, &branches, &tag),
                None => self.untagged(node, key, schema, &branches),
            }
        } else if !accepts(schema, node) {
            self.unexpected(node, key, schema, "");
        } else {
            match &node.content {
                Content::Table(_) => self.table(node, key, schema),
                Content::Array(items) => self.array(node, items, key, schema),
                Content::Leaf(value) if !in_bounds(value, schema) => {
                    let huge = value.as_f64().is_some_and(|x| x.abs() > f64::from(f32::MAX));
                    self.unexpected(node, key, schema, if huge { " that fits its type" } else { "" });
                }
                Content::Leaf(_) => {}
            }
        }
    }

    fn table(&mut self, node: &Node, key: &str, schema: &Schema) {
        self.table_of(node, key, schema, &|_| None);
    }

    /// `of` says of a key that this table does not have which others do.
    fn table_of(&mut self, node: &Node, key: &str, schema: &Schema, of: &dyn Fn(&str) -> Option<String>) {
        let Content::Table(table) = &node.content else { return };
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let others = match schema.get("additionalProperties") {
            None if properties.is_empty() => Some(&Value::Bool(true)),
            None | Some(Value::Bool(false)) => None,
            Some(others) => Some(others),
        };
        for (name, value) in table {
            let inner = join(key, name);
            match properties.get(name).or(others) {
                Some(schema) => self.node(value, &inner, schema),
                None => self.unknown(&value.place, inner, name, properties, of(name)),
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(name) {
                let expected = properties.get(name).map_or("a value".into(), |inner| describe(self.root, inner));
                self.problem(&node.place, join(key, name), format!("missing; expected {expected}"));
            }
        }
    }

    fn unknown(&mut self, place: &Place, key: String, name: &str, properties: &Schema, of: Option<String>) {
        if let Some(of) = of.or_else(|| moved(&key).map(|now| format!("no such key any more: {now}"))) {
            return self.problem(place, key, of);
        }
        // A key that exists in one other table was probably meant to be there.
        let mut elsewhere = Vec::new();
        find_key(self.root, &resolve(self.root, self.root), name, "", &mut elsewhere);
        elsewhere.retain(|other| *other != key);
        let near = match &elsewhere[..] {
            [only] => Some(only.as_str()),
            _ => nearest(name, properties.keys().map(String::as_str)),
        };
        let keys = properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let keys = if keys.is_empty() { "there are no keys here".into() } else { format!("keys here: {keys}") };
        self.problem(place, key, format!("no such key{} ({keys})", suggestion(near)));
    }

    fn array(&mut self, node: &Node, items: &[Node], key: &str, schema: &Schema) {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64).map(|count| count as usize);
        let (least, most) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
        if items.len() < least || items.len() > most {
            let expected = describe(self.root, &Value::Object(schema.clone()));
            self.problem(&node.place, key.to_owned(), format!("found {} items; expected {expected}", items.len()));
        }
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(index).or(schema.get("items")) {
                self.node(item, &format!("{key}[{index}]"), schema);
            }
        }
    }

    /// Alternatives that a key (`kind`) tells apart: errors are about the one that is meant.
    fn tagged(&mut self, node: &Node, key: &str, schema: &Schema, branches: &[Schema], tag: &str) {
        let Content::Table(table) = &node.content else { return self.unexpected(node, key, schema, "") };
        let values: Vec<&str> = branches.iter().filter_map(|branch| constant_text(branch, tag)).collect();
        let names = values.join(", ");
        let Some(given) = table.get(tag) else {
            return self.problem(&node.place, join(key, tag), format!("missing; expected one of: {names}"));
        };
        let chosen = given.as_str();
        match branches.iter().find(|branch| chosen.is_some() && constant_text(branch, tag) == chosen) {
            Some(branch) => self.table_of(node, key, branch, &|name| {
                let has = |branch: &&Schema| branch.get("properties").is_some_and(|keys| keys.get(name).is_some());
                let others: Vec<&str> =
                    branches.iter().filter(has).filter_map(|other| constant_text(other, tag)).collect();
                let moved = moved(&join(key, name)).map(|now| format!("; {now}")).unwrap_or_default();
                (!others.is_empty()).then(|| {
                    let chosen = chosen.unwrap_or_default();
                    format!("no such key where {tag} is \"{chosen}\"{moved} (it belongs to: {})", others.join(", "))
                })
            }),
            None => {
                let near = suggestion(chosen.and_then(|text| nearest(text, values)));
                self.problem(
                    &given.place,
                    join(key, tag),
                    format!("found {}; expected one of: {names}{near}", found(given)),
                );
            }
        }
    }

    /// Other alternatives: the first that fits, else the problems of the one that fits best.
    fn untagged(&mut self, node: &Node, key: &str, schema: &Schema, branches: &[Schema]) {
        let tries = branches.iter().filter(|branch| accepts(branch, node)).map(|branch| {
            let mut check = Check { root: self.root, problems: Vec::new() };
            check.resolved(node, key, branch);
            check.problems
        });
        match tries.min_by_key(Vec::len) {
            Some(problems) => self.problems.extend(problems),
            None => self.unexpected(node, key, schema, ""),
        }
    }

    fn unexpected(&mut self, node: &Node, key: &str, schema: &Schema, more: &str) {
        let expected = describe(self.root, &Value::Object(schema.clone()));
        self.problem(&node.place, key.to_owned(), format!("found {}; expected {expected}{more}", found(node)));
    }

    fn problem(&mut self, place: &Place, key: String, message: String) {
        self.problems.push(Problem { place: place.clone(), key, message });
    }
}

fn accepts(schema: &Schema, node: &Node) -> bool {
    let types = types(schema);
    let fits = |name: &&str| match &node.content {
        Content::Table(_) => *name == "object",
        Content::Array(_) => *name == "array",
        Content::Leaf(Value::String(_)) => *name == "string",
        Content::Leaf(Value::Bool(_)) => *name == "boolean",
        Content::Leaf(Value::Number(number)) => *name == "number" || *name == "integer" && !number.is_f64(),
        Content::Leaf(_) => false,
    };
    types.is_empty() || types.iter().any(fits)
}

fn in_bounds(value: &Value, schema: &Schema) -> bool {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let format = schema.get("format").and_then(Value::as_str);
    match value {
        Value::Number(number) => {
            let Some(x) = number.as_f64() else { return false };
            // A 32-bit number is what it is rounded to, and so are its bounds: 0.1 is not above 0.1.
            let round = |x: f64| if format == Some("float") { f64::from(x as f32) } else { x };
            let bound = |keyword: &str| bound(keyword).map(round);
            let (least, greatest) = format_bounds(schema);
            let wide = number.as_i64().is_none() && matches!(format, Some("int" | "int64"));
            let x = round(x);
            x.is_finite()
                && !wide
                && least.is_none_or(|least| x >= least)
                && greatest.is_none_or(|greatest| x <= greatest)
                && bound("minimum").is_none_or(|least| x >= least)
                && bound("maximum").is_none_or(|greatest| x <= greatest)
                && bound("exclusiveMinimum").is_none_or(|least| x > least)
                && bound("exclusiveMaximum").is_none_or(|greatest| x < greatest)
        }
        Value::String(text) => {
            let length = text.chars().count() as f64;
            bound("minLength").is_none_or(|least| length >= least)
                && bound("maxLength").is_none_or(|most| length <= most)
        }
        _ => true,
    }
}

//! A TOML document as a tree whose every node knows where it was set.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::{Place, Problem};

/// The table of the planner, whose kinds have most keys in common.
pub(super) const PLANNER: &str = "planner";

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub content: Content,
}

/// The content of a [`Node`].
#[derive(Clone, Debug)]
pub(super) enum Content {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    /// Text, a number or a truth value; null stands for a value that could not be taken and is reported already.
    Leaf(Value),
}

impl Node {
    pub fn table(place: Place) -> Self {
        Self { place, content: Content::Table(BTreeMap::new()) }
    }

    /// The values that `T::default()` has; what is null there is not set.
    pub fn from_default(value: Value) -> Self {
        let content = match value {
            Value::Object(table) => Content::Table(
                table
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, Self::from_default(value)))
                    .collect(),
            ),
            Value::Array(items) => Content::Array(items.into_iter().map(Self::from_default).collect()),
            leaf => Content::Leaf(leaf),
        };
        Self { place: Place::Default, content }
    }

    /// A value that was set as a whole.
    pub fn at(value: Value, place: &Place) -> Self {
        let inside = |value| Self::at(value, place);
        let content = match value {
            Value::Object(table) => {
                Content::Table(table.into_iter().map(|(key, value)| (key, inside(value))).collect())
            }
            Value::Array(items) => Content::Array(items.into_iter().map(inside).collect()),
            leaf => Content::Leaf(leaf),
        };
        Self { place: place.clone(), content }
    }

    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Table(table) => {
                Value::Object(table.iter().map(|(key, node)| (key.clone(), node.to_json())).collect())
            }
            Content::Array(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Leaf(value) => value.clone(),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Table(table) => table.get(key),
            Content::Array(items) => items.get(key.parse::<usize>().ok()?),
            Content::Leaf(_) => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::Leaf(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// This node with `over` on top of it. `path` is the node's own key.
    pub fn merge(self, over: Self, path: &str) -> Self {
        match (self.content, over.content) {
            (Content::Table(mut base), Content::Table(over_table)) if !changes_kind(&base, &over_table, path) => {
                for (key, node) in over_table {
                    let merged = match base.remove(&key) {
                        Some(old) => old.merge(node, &join(path, &key)),
                        None => node,
                    };
                    base.insert(key, merged);
                }
                // A table still stands where a file has it, whatever single key of it `--set` changes.
                let stays = matches!(over.place, Place::Set(_)) && self.place != Place::Default;
                Self { place: if stays { self.place } else { over.place }, content: Content::Table(base) }
            }
            (_, content) => Self { place: over.place, content },
        }
    }
}

fn changes_kind(base: &BTreeMap<String, Node>, over: &BTreeMap<String, Node>, path: &str) -> bool {
    // Planners have most keys in common.
    if path == PLANNER {
        return false;
    }
    let tag = tag_of(path);
    match (base.get(tag).and_then(Node::as_str), over.get(tag).and_then(Node::as_str)) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    }
}

/// The key that says which other keys a table has.
pub(super) fn tag_of(path: &str) -> &'static str {
    match path {
        super::ENV => "name",
        _ => "kind",
    }
}

/// `path.key`, with quotes where TOML needs them.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Turns parsed TOML into a [`Node`]; what has no place in a config is a problem.
pub(super) struct Reader<'a> {
    place: Box<dyn Fn(usize) -> Place + 'a>,
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A reader of the text of a file.
    pub fn of_file(file: &'a Path, text: &'a str) -> Self {
        Self { place: Box::new(|at| place_in(file, text, at, false)), problems: Vec::new() }
    }

    /// A reader of one `--set`.
    pub fn of_set(set: &'a str) -> Self {
        Self { place: Box::new(|_| Place::Set(set.to_owned())), problems: Vec::new() }
    }

    pub fn root(&mut self, table: &DeTable<'_>) -> Node {
        Node { place: (self.place)(0), content: self.table(table, "") }
    }

    pub fn value(&mut self, value: &DeValue<'_>, place: Place, path: &str) -> Node {
        let content = match value {
            DeValue::String(text) => Content::Leaf(Value::String(text.to_string())),
            DeValue::Boolean(truth) => Content::Leaf(Value::Bool(*truth)),
            DeValue::Integer(integer) => Content::Leaf(
                match (
                    i64::from_str_radix(integer.as_str(), integer.radix()),
                    u64::from_str_radix(integer.as_str(), integer.radix()),
                ) {
                    (Ok(number), _) => number.into(),
                    (_, Ok(number)) => number.into(),
                    _ => self.refuse(&place, path, format!("found {integer}; expected an integer of at most 64 bits")),
                },
            ),
            DeValue::Float(float) => {
                Content::Leaf(match float.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
                    Some(number) => Value::Number(number),
                    None => self.refuse(&place, path, format!("found {}; expected a finite number", float.as_str())),
                })
            }
            DeValue::Datetime(date) => Content::Leaf(self.refuse(
                &place,
                path,
                format!("found the date {date}; no key takes a date, only text in quotes"),
            )),
            DeValue::Array(items) => self.array(items, path),
            DeValue::Table(table) => self.table(table, path),
        };
        Node { place, content }
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Content {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let place = (self.place)(key.span().start);
            (name.to_string(), self.value(value.get_ref(), place, &join(path, name)))
        };
        Content::Table(table.iter().map(entry).collect())
    }

    fn array(&mut self, items: &DeArray<'_>, path: &str) -> Content {
        let item = |(index, value): (usize, &Spanned<DeValue<'_>>)| {
            let place = (self.place)(value.span().start);
            self.value(value.get_ref(), place, &format!("{path}[{index}]"))
        };
        Content::Array(items.iter().enumerate().map(item).collect())
    }

    fn refuse(&mut self, place: &Place, path: &str, message: String) -> Value {
        self.problems.push(Problem { place: place.clone(), key: path.to_owned(), message });
        Value::Null
    }
}

/// The place of byte `at` of a file's text.
pub(super) fn place_in(file: &Path, text: &str, at: usize, column: bool) -> Place {
    let before = &text.as_bytes()[..at.min(text.len())];
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    Place::File {
        file: file.to_owned(),
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        column: column.then(|| 1 + String::from_utf8_lossy(&before[start..]).chars().count()),
    }
}

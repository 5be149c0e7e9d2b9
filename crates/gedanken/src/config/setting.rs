//! One value that is set over an experiment's file: by `--set KEY=VALUE`, or by an arm of a sweep.

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::tree::{Content, Node, Reader, join};
use super::{ConfigError, Place, Problem};

/// A key and its value, and where that was said.
#[derive(Clone, Debug)]
pub struct Setting {
    pub(super) path: Vec<String>,
    pub(super) value: Node,
}

impl Setting {
    /// The setting of `--set KEY=VALUE`: a TOML value, or text where it is none.
    ///
    /// # Errors
    /// Where there is no key, or a value that no key takes.
    pub fn of_text(text: &str) -> Result<Self, ConfigError> {
        match parse(text) {
            Ok((setting, problems)) if problems.is_empty() => Ok(setting),
            Ok((_, problems)) => Err(ConfigError::invalid(problems)),
            Err(problem) => Err(ConfigError::invalid(vec![problem])),
        }
    }

    /// A dotted key with a value that a file has at `place`.
    ///
    /// # Errors
    /// Where that is no key.
    pub fn of_value(key: &str, value: &Value, place: &Place) -> Result<Self, ConfigError> {
        let Some(path) = split_key(key) else {
            let (place, key) = (place.clone(), key.to_owned());
            let message = "expected a key such as `predictor.dim`".to_owned();
            return Err(ConfigError::invalid(vec![Problem { place, key, message }]));
        };
        Ok(Self { path, value: Node::at(value.clone(), place) })
    }

    /// The dotted key.
    pub fn key(&self) -> String {
        self.path.iter().fold(String::new(), |name, part| join(&name, part))
    }

    /// Where it was said.
    pub fn place(&self) -> Place {
        self.value.place.clone()
    }

    /// The value.
    pub fn value(&self) -> Value {
        self.value.to_json()
    }
}

/// `a.b=c`, and what is wrong with the value.
pub(super) fn parse(set: &str) -> Result<(Setting, Vec<Problem>), Problem> {
    let place = Place::Set(set.to_owned());
    let wrong = |message: &str| Problem { place: place.clone(), key: String::new(), message: message.to_owned() };
    let (key, text) = set.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE"))?;
    let path = split_key(key.trim()).ok_or_else(|| wrong("expected a key such as `predictor.dim` before the `=`"))?;
    let text = text.trim();
    let bare = DeValue::String(text.into());
    // What is no TOML value is text, and so is a date, which no key takes.
    let parsed = match DeValue::parse(text) {
        Ok(value) if !matches!(value.get_ref(), DeValue::Datetime(_)) => value.into_inner(),
        _ => bare,
    };
    let mut reader = Reader::of_set(set);
    let name = path.iter().fold(String::new(), |name, part| join(&name, part));
    match reader.value(&parsed, place.clone(), &name) {
        // A number that no key takes.
        Node { content: Content::Leaf(Value::Null), .. } => {
            let value = Node { place, content: Content::Leaf(Value::String(text.to_owned())) };
            Ok((Setting { path, value }, Vec::new()))
        }
        value => Ok((Setting { path, value }, reader.problems)),
    }
}

/// The parts of a dotted key; `list[2].kind` is `list.2.kind`.
pub(super) fn split_key(key: &str) -> Option<Vec<String>> {
    let parse = |key: &str| {
        let text = format!("{key} = 0");
        if text.contains('\n') || text.trim_start().starts_with('[') {
            return None;
        }
        let document = DeTable::parse(&text).ok()?;
        let mut table = document.get_ref();
        let mut path = Vec::new();
        while let Some((part, value)) = table.iter().next() {
            path.push(part.get_ref().to_string());
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        (!path.is_empty()).then_some(path)
    };
    parse(key).or_else(|| parse(&key.replace('[', ".").replace(']', "")))
}

#![doc = include_str!("../README.md")]

mod table;

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use table::Table;

/// Why a part could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// No part of that name.
    #[error("no {what} \"{name}\"; there are: {known}")]
    Unknown {
        /// The kind of part, as the catalogue calls it.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A table that the part cannot be made from.
    #[error("{name}: {message}")]
    Table {
        /// The part.
        name: String,
        /// The reason.
        message: String,
    },
}

/// A part that can be made: its name, and the config it is made from.
pub struct Entry<P: ?Sized> {
    name: &'static str,
    schema: fn() -> Value,
    complete: fn(&Value) -> Result<Value, serde_json::Error>,
    make: Arc<Make<P>>,
}

type Make<P> = dyn Fn(&Value) -> Result<Box<P>, String> + Send + Sync;

impl<P: ?Sized + 'static> Entry<P> {
    /// The part `name`, made from a `C`. `C`'s doc comments become the part's documentation, its `Default` the defaults.
    /// An error of `make` is a sentence about the config.
    pub fn new<C>(name: &'static str, make: impl Fn(C) -> Result<Box<P>, String> + Send + Sync + 'static) -> Self
    where
        C: Serialize + DeserializeOwned + JsonSchema + Default + 'static,
    {
        Self {
            name,
            schema: || schemars::schema_for!(C).to_value(),
            complete: |table| table::to_value(&C::deserialize(table)?),
            make: Arc::new(move |table| make(C::deserialize(table).map_err(|error| error.to_string())?)),
        }
    }

    /// The name in TOML.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The JSON Schema of its table, without the tag.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// The table with every key at its default; nulls are left out, as TOML has none.
    pub fn defaults(&self) -> Value {
        self.complete(&Value::Object(serde_json::Map::new())).unwrap_or_default()
    }

    /// `table` with every missing key at its default.
    ///
    /// # Errors
    /// [`PartError::Table`].
    pub fn complete(&self, table: &Value) -> Result<Value, PartError> {
        (self.complete)(table).map(table::without_nulls).map_err(|error| self.wrong(error.to_string()))
    }

    /// The part that `table` describes.
    ///
    /// # Errors
    /// [`PartError::Table`].
    pub fn make(&self, table: &Value) -> Result<Box<P>, PartError> {
        match table::out_of_bounds(&self.schema(), table) {
            Some(problem) => Err(self.wrong(problem)),
            None => (self.make)(table).map_err(|message| self.wrong(message)),
        }
    }

    fn wrong(&self, message: String) -> PartError {
        PartError::Table { name: self.name.to_owned(), message }
    }
}

impl<P: ?Sized> Clone for Entry<P> {
    fn clone(&self) -> Self {
        Self { name: self.name, schema: self.schema, complete: self.complete, make: self.make.clone() }
    }
}

/// All parts of one kind that a program knows, in the order in which they were added.
pub struct Catalog<P: ?Sized> {
    what: &'static str,
    entries: Vec<Entry<P>>,
}

impl<P: ?Sized + 'static> Catalog<P> {
    /// An empty catalogue of `what` ("encoder"), as errors call it.
    pub fn new(what: &'static str) -> Self {
        Self { what, entries: Vec::new() }
    }

    /// With one more part; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, entry: Entry<P>) -> Self {
        self.entries.retain(|known| known.name != entry.name);
        self.entries.push(entry);
        self
    }

    /// All of them.
    pub fn entries(&self) -> &[Entry<P>] {
        &self.entries
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.name)
    }

    /// The part of this name.
    ///
    /// # Errors
    /// [`PartError::Unknown`].
    pub fn entry(&self, name: &str) -> Result<&Entry<P>, PartError> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| PartError::Unknown {
            what: self.what,
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The part that a tagged table describes.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn make(&self, table: &Table) -> Result<Box<P>, PartError> {
        self.entry(&table.kind)?.make(&Value::Object(table.keys.clone()))
    }

    /// A tagged table with every missing key at its default.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn complete(&self, table: &Table) -> Result<Table, PartError> {
        let keys = self.entry(&table.kind)?.complete(&Value::Object(table.keys.clone()))?;
        Ok(Table { kind: table.kind.clone(), keys: table::object(keys) })
    }
}

impl<P: ?Sized> Clone for Catalog<P> {
    fn clone(&self) -> Self {
        Self { what: self.what, entries: self.entries.clone() }
    }
}

impl<P: ?Sized> fmt::Debug for Catalog<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| entry.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, JsonSchema, Default)]
    #[serde(default, deny_unknown_fields)]
    struct Cube {
        /// Metres. Default 0.
        #[schemars(range(max = 1000.0))]
        side: f64,
        colour: Option<String>,
    }

    fn solids() -> Catalog<dyn Fn() -> f64> {
        Catalog::new("solid").with(Entry::new("cube", |cube: Cube| match cube.side {
            side if side < 0.0 => Err(format!("side = {side}; expected at least 0")),
            side => Ok(Box::new(move || side.powi(3)) as Box<dyn Fn() -> f64>),
        }))
    }

    #[test]
    fn a_part_is_made_from_its_table_and_missing_keys_have_their_defaults() {
        let table = Table::of("cube", &Cube { side: 2.0, colour: None });
        assert_eq!(solids().make(&table).unwrap()(), 8.0);
        let bare = Table { kind: "cube".to_owned(), ..Table::default() };
        let complete = solids().complete(&bare).unwrap();
        assert_eq!(serde_json::to_value(&complete).unwrap(), serde_json::json!({ "kind": "cube", "side": 0.0 }));
    }

    #[test]
    fn an_error_names_the_part_and_what_would_be_right() {
        let error = |json: &str| solids().make(&serde_json::from_str(json).unwrap()).err().unwrap().to_string();
        assert_eq!(error(r#"{ "kind": "cone" }"#), "no solid \"cone\"; there are: cube");
        assert_eq!(error(r#"{ "kind": "cube", "side": -1 }"#), "cube: side = -1; expected at least 0");
        assert_eq!(error(r#"{ "kind": "cube", "side": 1e9 }"#), "cube: side = 1000000000.0; expected at most 1000");
        assert!(error(r#"{ "kind": "cube", "height": 1 }"#).starts_with("cube: unknown field `height`"));
    }

    #[test]
    fn a_part_of_the_same_name_replaces_another() {
        let twice = solids().with(Entry::new("cube", |_: Cube| Ok(Box::new(|| 7.0) as Box<dyn Fn() -> f64>)));
        assert_eq!(twice.entries().len(), 1);
        assert_eq!(twice.make(&Table::of("cube", &Cube::default())).unwrap()(), 7.0);
    }
}

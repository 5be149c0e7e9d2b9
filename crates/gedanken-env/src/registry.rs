//! Environments by name.

use crate::{Env, EnvError};

/// How a registered environment is built.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name in the TOML file (`[env] name = "…"`) and on the command line.
    pub name: &'static str,
    /// Builds one from its options: the `[env]` table without `name` and `factors`, as JSON.
    pub make: fn(options: &serde_json::Value) -> Result<Box<dyn Env>, EnvError>,
    /// The JSON Schema of the options; unknown keys and wrong types are found against it.
    pub schema: fn() -> serde_json::Value,
    /// The options with every default in place.
    pub defaults: fn() -> serde_json::Value,
}

/// The environments a program knows.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    /// A registry without environments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an environment; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.retain(|known| known.name != entry.name);
        self.entries.push(entry);
        self
    }

    /// All environments, in the order they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The environment of this name.
    ///
    /// # Errors
    /// [`EnvError::Unknown`], with the names there are.
    pub fn entry(&self, name: &str) -> Result<&Entry, EnvError> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| EnvError::Unknown {
            name: name.to_owned(),
            known: self.entries.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Builds an environment from its options (the `[env]` table without `name` and `factors`) and its factors.
    ///
    /// # Errors
    /// An unknown name, an impossible option, an unknown factor.
    pub fn make(
        &self,
        name: &str,
        options: &serde_json::Value,
        factors: &std::collections::BTreeMap<String, f64>,
    ) -> Result<Box<dyn Env>, EnvError> {
        let mut env = (self.entry(name)?.make)(options)?;
        for (factor, &value) in factors {
            env.set_factor(factor, value)?;
        }
        Ok(env)
    }
}

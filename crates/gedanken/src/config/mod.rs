//! The strict TOML layer: files and `--set` in, a checked `T` out.
//!
//! Four layers lie on top of each other, each over the one before: `T::default()`, the file that is named by
//! `extends = "other.toml"` (and what that one extends), the file itself, and the `--set KEY=VALUE` of the command
//! line.
//! Tables are merged key by key; arrays and single values are replaced. A table that changes its `kind` (or the
//! environment's `name`) is replaced wholly, because the keys of one kind mean nothing to another; the planner's keeps the keys that its new
//! kind has too.
//!
//! The result is checked against the JSON Schema of `T` before serde sees it, so that an error can say where it stands
//! and what would be right, and so that all errors are found at once.

mod env;
mod error;
mod layers;
mod moved;
mod parts;
mod planner;
mod schema;
mod setting;
mod text;
mod tree;
mod validate;

#[cfg(test)]
mod tests;

use std::path::Path;

use gedanken_env::Registry;
use gedanken_planner::{Catalog, Strategy};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use env::{ENV, ENV_OVERRIDES, EnvConfig, EnvOverrides, splice_env};
pub use error::{ConfigError, Place, Problem};
pub use parts::splice_parts;
pub use schema::unknown_keywords;
pub use setting::Setting;
pub(crate) use tree::join;

use crate::{Experiment, Parts};
use layers::Draft;

/// A checked config, and where each of its keys was set.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The config.
    pub value: T,
    draft: Draft,
}

impl<T> Loaded<T> {
    /// Where `key` (a dotted path) was set; the nearest table around it where nobody set it.
    pub fn place(&self, key: &str) -> Place {
        self.draft.place(key)
    }

    /// An error of what a schema cannot say (two keys that contradict each other), at the place where `key` was set; a
    /// default is wrong beside something that was set, so for one it is the nearest table around it that was.
    pub fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let around = std::iter::successors(Some(key), |key| match key.rsplit_once('.') {
            Some((parent, _)) => Some(parent),
            None => (!key.is_empty()).then_some(""),
        });
        let place = around.map(|key| self.place(key)).find(|place| *place != Place::Default);
        let place = place.unwrap_or(Place::Default);
        ConfigError::Invalid(vec![Problem { place, key: key.to_owned(), message: message.into() }])
    }

    /// An error at `key`, where `name` is none of `known`.
    pub fn unknown(&self, key: &str, what: &str, name: &str, known: &[&str]) -> ConfigError {
        let near = error::suggestion(error::nearest(name, known.iter().copied()));
        self.error(key, format!("no {what} `{name}`{near}; there are {}", known.join(", ")))
    }
}

/// The JSON Schema of `T`.
pub fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Reads `path`, what it extends and the overrides (`a.b=c`, each), and checks them against `schema`.
///
/// # Errors
/// Every problem that there is, with its place: see [`ConfigError`].
pub fn load<T>(path: &Path, overrides: &[String], schema: &Value) -> Result<Loaded<T>, ConfigError>
where
    T: Serialize + DeserializeOwned + JsonSchema + Default,
{
    Draft::read::<T>(path, overrides, &[], &Catalog::new("planner"))?.check(schema)
}

/// Reads an experiment, checked against the keys of the parts that it names.
///
/// # Errors
/// Every problem that there is, with its place: see [`ConfigError`].
pub fn load_experiment(path: &Path, overrides: &[String], parts: &Parts) -> Result<Loaded<Experiment>, ConfigError> {
    load_arm(path, overrides, &[], parts)
}

/// Reads an experiment with the settings of a sweep's arm over it.
///
/// # Errors
/// Every problem that there is, with its place: see [`ConfigError`].
pub fn load_arm(
    path: &Path,
    overrides: &[String],
    arm: &[Setting],
    parts: &Parts,
) -> Result<Loaded<Experiment>, ConfigError> {
    let draft = Draft::read::<Experiment>(path, overrides, arm, &parts.strategies)?;
    check_with_env(draft, &parts.environments, |schema| splice_parts(schema, parts))
}

/// Like [`load`] with the schema of `T`, which `splice` may add to, and whose tables [`ENV`] and [`ENV_OVERRIDES`] are checked
/// against the options of the environment that `env.name` names. The environments are built once, so that what only they know (factors,
/// options that exclude each other) is found here too.
///
/// # Errors
/// Every problem that there is, with its place: see [`ConfigError`].
pub fn load_with_env<T>(
    path: &Path,
    overrides: &[String],
    registry: &Registry,
    strategies: &Catalog<dyn Strategy>,
    splice: impl FnOnce(Value) -> Value,
) -> Result<Loaded<T>, ConfigError>
where
    T: Serialize + DeserializeOwned + JsonSchema + Default,
{
    check_with_env(Draft::read::<T>(path, overrides, &[], strategies)?, registry, splice)
}

fn check_with_env<T: DeserializeOwned + JsonSchema>(
    draft: Draft,
    registry: &Registry,
    splice: impl FnOnce(Value) -> Value,
) -> Result<Loaded<T>, ConfigError> {
    let schema = splice(splice_env(schema::<T>(), registry, Some(draft.env_name())));
    let loaded = draft.check(&schema)?;
    let problems = env::problems(&loaded.draft, registry);
    if problems.is_empty() { Ok(loaded) } else { Err(ConfigError::invalid(problems)) }
}

/// A config as TOML, in the order of the struct's fields, plain values before tables. [`load`]ing it gives the same
/// value.
///
/// # Errors
/// [`ConfigError::Print`] for what TOML cannot hold, such as a null in a free table.
pub fn to_toml<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    Ok(toml::to_string(config)?)
}

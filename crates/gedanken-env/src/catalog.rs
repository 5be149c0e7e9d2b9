//! Environments by name.

use std::collections::BTreeMap;

use gedanken_parts::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Env, EnvError};

/// The environments that a program knows.
pub type Registry = Catalog<dyn Env>;

/// An environment for a [`Registry`], made from its options `C`: the keys of the `[env]` table beside `name` and `factors`.
pub fn entry<C, E>(
    name: &'static str,
    make: impl Fn(C) -> Result<E, EnvError> + Send + Sync + 'static,
) -> Entry<dyn Env>
where
    C: Serialize + DeserializeOwned + JsonSchema + Default + 'static,
    E: Env + 'static,
{
    Entry::new(name, move |options: C| match make(options) {
        Ok(env) => Ok(Box::new(env) as Box<dyn Env>),
        // The entry names the environment itself.
        Err(EnvError::Option { what, found, expected, .. }) => Err(format!("{what} {found}; expected {expected}")),
        Err(EnvError::Broken { message, .. }) => Err(message),
        Err(other) => Err(other.to_string()),
    })
}

/// Builds an environment from its options (the `[env]` table without `name` and `factors`) and its factors.
///
/// # Errors
/// An unknown name, an impossible option, an unknown factor.
pub fn make(
    registry: &Registry,
    name: &str,
    options: &Value,
    factors: &BTreeMap<String, f64>,
) -> Result<Box<dyn Env>, EnvError> {
    let mut env = registry.entry(name)?.make(options)?;
    factors.iter().try_for_each(|(factor, &value)| env.set_factor(factor, value))?;
    Ok(env)
}

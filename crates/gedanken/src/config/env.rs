//! The `[env]` table, whose keys depend on the environment that it names.

use std::collections::BTreeMap;

use gedanken_env::{Entry, Env, EnvError, Registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Problem;
use super::error::{nearest, suggestion};
use super::layers::Draft;
use super::tree::join;

/// The table of the environment: an [`EnvConfig`].
pub const ENV: &str = "env";

/// The tables that change some of the environment's options for a part of the program: [`EnvOverrides`], each.
pub const ENV_OVERRIDES: &[&str] = &["eval.env"];

/// An environment by name, with its factors and options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EnvConfig {
    /// The name it is registered under.
    pub name: String,
    /// Factors of variation that are held at a value.
    pub factors: BTreeMap<String, f64>,
    /// All other keys: the environment's own options.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

/// Factors and options that replace single ones of an [`EnvConfig`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EnvOverrides {
    /// Factors of variation that are held at another value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub factors: BTreeMap<String, f64>,
    /// The environment's own options.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

impl EnvConfig {
    /// Builds the environment.
    ///
    /// # Errors
    /// An unknown name, an impossible option, an unknown factor.
    pub fn make(&self, registry: &Registry) -> Result<Box<dyn Env>, EnvError> {
        gedanken_env::make(registry, &self.name, &Value::Object(self.options.clone()), &self.factors)
    }

    /// This environment with some options and factors replaced. A table inside the options is merged key by key, unless
    /// its `kind` changes.
    #[must_use]
    pub fn with(&self, overrides: &EnvOverrides) -> Self {
        let mut changed = self.clone();
        changed.factors.extend(overrides.factors.clone());
        merge(&mut changed.options, &overrides.options);
        changed
    }

    /// This environment with every option in place, also those left to their defaults.
    ///
    /// # Errors
    /// An unknown name.
    pub fn resolved(&self, registry: &Registry) -> Result<Self, EnvError> {
        let mut resolved = Self { options: Map::new(), ..self.clone() };
        if let Value::Object(defaults) = registry.entry(&self.name)?.defaults() {
            resolved.options = defaults;
        }
        merge(&mut resolved.options, &self.options);
        Ok(resolved)
    }
}

fn merge(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new))
                if new.get("kind").is_none_or(|kind| old.get("kind") == Some(kind)) =>
            {
                merge(old, new);
            }
            _ => drop(base.insert(key.clone(), value.clone())),
        }
    }
}

/// Puts the options of the registered environments into a config's schema.
///
/// [`ENV`] becomes one alternative for each environment, told apart by `name`. Each of [`ENV_OVERRIDES`] takes the
/// options of the environment `name`, none of them required; without a name those of any environment, and with a name
/// that nobody has, anything. A table that the schema does not have is left out.
pub fn splice_env(mut schema: Value, registry: &Registry, name: Option<&str>) -> Value {
    let mut defs = Map::new();
    let tables: Vec<_> = registry.entries().iter().map(|entry| (entry, options(entry, &mut defs))).collect();
    let named = tables.iter().map(|(entry, options)| {
        let mut table = options.clone();
        insert(
            &mut table,
            "name",
            json!({ "type": "string", "const": entry.name(), "description": "The environment." }),
        );
        if let Some(required) = table.entry("required").or_insert(json!([])).as_array_mut() {
            required.push(json!("name"));
        }
        Value::Object(table)
    });
    let overrides = |entry: &&(&Entry<dyn Env>, Map<String, Value>)| {
        let mut table = entry.1.clone();
        table.remove("required");
        Value::Object(table)
    };
    let any = json!({ "type": "object", "additionalProperties": true });
    let known: Vec<Value> =
        tables.iter().filter(|(e, _)| name.is_none_or(|n| n == e.name())).map(|e| overrides(&e)).collect();
    let over = if known.is_empty() { any } else { json!({ "anyOf": known }) };
    let env = json!({ "oneOf": named.collect::<Vec<_>>() });
    replace(&mut schema, ENV, &env);
    ENV_OVERRIDES.iter().for_each(|path| replace(&mut schema, path, &over));
    if let (Value::Object(root), false) = (&mut schema, defs.is_empty())
        && let Some(all) = root.entry("$defs").or_insert(json!({})).as_object_mut()
    {
        all.extend(defs);
    }
    schema
}

/// The table of an environment's options and factors; definitions that it refers to are renamed and added to `defs`.
fn options(entry: &Entry<dyn Env>, defs: &mut Map<String, Value>) -> Map<String, Value> {
    options_table(take_definitions(entry.name(), entry.schema(), defs))
}

/// A part's schema; definitions that it refers to are renamed after the part and moved into `defs`.
pub(super) fn take_definitions(part: &str, mut schema: Value, defs: &mut Map<String, Value>) -> Map<String, Value> {
    rename_refs(&mut schema, part);
    let Value::Object(mut schema) = schema else { return Map::new() };
    if let Some(Value::Object(own)) = schema.remove("$defs") {
        defs.extend(own.into_iter().map(|(name, inner)| (format!("{part}.{name}"), inner)));
    }
    schema
}

fn options_table(schema: Map<String, Value>) -> Map<String, Value> {
    let mut table = Map::new();
    table.insert("type".into(), json!("object"));
    let kept = ["description", "properties", "required"];
    table.extend(schema.into_iter().filter(|(keyword, _)| kept.contains(&keyword.as_str())));
    table.insert("additionalProperties".into(), json!(false));
    let factors = json!({
        "type": "object",
        "additionalProperties": { "type": "number", "format": "double" },
        "description": "Factors of variation that are held at a value.",
    });
    insert(&mut table, "factors", factors);
    table
}

pub(super) fn insert(table: &mut Map<String, Value>, key: &str, schema: Value) {
    if let Some(properties) = table.entry("properties").or_insert(json!({})).as_object_mut() {
        properties.insert(key.to_owned(), schema);
    }
}

pub(super) fn rename_refs(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(table) => {
            for (keyword, inner) in table {
                match inner {
                    Value::String(target) if keyword == "$ref" => {
                        *target = target.replacen("#/$defs/", &format!("#/$defs/{prefix}."), 1);
                    }
                    inner => rename_refs(inner, prefix),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| rename_refs(inner, prefix)),
        _ => {}
    }
}

/// Replaces the schema of the table at a dotted path, following references on the way; its description and default stay.
pub(super) fn replace(root: &mut Value, path: &str, with: &Value) {
    let mut pointer = String::new();
    for part in path.split('.') {
        pointer = follow(root, pointer);
        pointer.push_str("/properties/");
        pointer.push_str(part);
    }
    if let Some(place) = root.pointer_mut(&pointer) {
        let stays = ["description", "default"].map(|keyword| (keyword, place.get(keyword).cloned()));
        *place = with.clone();
        if let Value::Object(place) = place {
            place.extend(stays.into_iter().filter_map(|(keyword, value)| Some((keyword.to_owned(), value?))));
        }
    }
}

/// The pointer to what a schema refers to, itself or (an optional table) in its first alternative.
fn follow(root: &Value, pointer: String) -> String {
    let reference = |schema: &Value| Some(schema.get("$ref")?.as_str()?.trim_start_matches('#').to_owned());
    let Some(schema) = root.pointer(&pointer) else { return pointer };
    reference(schema).or_else(|| reference(schema.get("anyOf")?.get(0)?)).unwrap_or(pointer)
}

/// Problems that only the environments themselves know of, after the schema found none.
pub(super) fn problems(draft: &Draft, registry: &Registry) -> Vec<Problem> {
    let Some(Ok(config)) = draft.node(ENV).map(|node| serde_json::from_value::<EnvConfig>(node.to_json())) else {
        return Vec::new();
    };
    let mut problems = check(draft, registry, ENV, &config, &config.factors);
    // What is wrong already would be told once more with every override.
    if problems.is_empty() {
        for path in ENV_OVERRIDES {
            let overrides = draft.node(path).map(|node| serde_json::from_value::<EnvOverrides>(node.to_json()));
            if let Some(Ok(overrides)) = overrides {
                problems.extend(check(draft, registry, path, &config.with(&overrides), &overrides.factors));
            }
        }
    }
    problems
}

/// Builds an environment and sets the factors that are in the table `path`.
fn check(
    draft: &Draft,
    registry: &Registry,
    path: &str,
    config: &EnvConfig,
    factors: &BTreeMap<String, f64>,
) -> Vec<Problem> {
    let options = Value::Object(config.options.clone());
    let mut env = match gedanken_env::make(registry, &config.name, &options, &BTreeMap::new()) {
        Ok(env) => env,
        Err(error) => return vec![option_problem(draft, path, &error)],
    };
    let known: Vec<String> = env.spec().factors.iter().map(|factor| factor.name.clone()).collect();
    let mut problems = Vec::new();
    for (name, &value) in factors {
        if let Err(error) = env.set_factor(name, value) {
            let names = known.iter().map(String::as_str);
            let message = match known.contains(name) {
                true => error.to_string(),
                false => {
                    format!("no such factor{} (there are: {})", suggestion(nearest(name, names)), known.join(", "))
                }
            };
            let key = join(&join(path, "factors"), name);
            problems.push(Problem { place: draft.place(&key), key, message });
        }
    }
    problems
}

/// An environment's error at the option that it speaks of, where that can be told.
fn option_problem(draft: &Draft, path: &str, error: &EnvError) -> Problem {
    let text = error.to_string();
    // "two-rooms: option wall_x 3; expected 12 to 52"
    let what = match error {
        EnvError::Part(_) => text.split(';').next().unwrap_or_default(),
        _ => "",
    };
    let words = what.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).filter(|word| !word.is_empty());
    let key =
        words.map(|word| join(path, word)).find(|key| draft.node(key).is_some()).unwrap_or_else(|| path.to_owned());
    Problem { place: draft.place(&key), key, message: text }
}

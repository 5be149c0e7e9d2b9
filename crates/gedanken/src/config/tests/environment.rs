//! The `[env]` table and those that change it.

use super::*;
use crate::config::{load, schema, splice_env};

#[test]
fn another_environment_drops_the_options_of_the_old_one() {
    let folder = folder(&[("base.toml", SAMPLE), ("top.toml", "extends = \"base.toml\"\n[env]\nname = \"plain\"\n")]);
    let sample = load_from(&folder.path().join("top.toml"), &[]).unwrap().value;
    assert_eq!(sample.env, EnvConfig { name: "plain".into(), ..EnvConfig::default() });
    assert_eq!(sample.eval.env, EnvOverrides::default());
    let sample = value(SAMPLE, &["env.name=plain"]);
    assert_eq!(sample.env.options.len() + sample.eval.env.options.len(), 0);
    let sample = value("", &["env.wall=30", "eval.env.wall=31", "env.name=rooms"]);
    assert_eq!((&sample.env.options["wall"], &sample.eval.env.options["wall"]), (&30.into(), &31.into()));
}

#[test]
fn an_environment_is_built_with_its_options_and_overrides() {
    let sample = value(SAMPLE, &[]);
    assert_eq!(sample.env.make(&registry()).unwrap().spec().name, "rooms");
    let changed = sample.env.with(&sample.eval.env);
    assert_eq!((&changed.options["rule"], &changed.options["wall"]), (&"stop".into(), &20.into()));
    assert_eq!(changed.factors["hue"], 1.0);
    let unknown = EnvConfig { name: "nowhere".into(), ..EnvConfig::default() };
    assert!(matches!(unknown.make(&registry()), Err(EnvError::Part(_))));
}

#[test]
fn a_resolved_environment_has_every_option_that_has_a_value() {
    let config = EnvConfig { name: "rooms".into(), ..EnvConfig::default() };
    let resolved = config.resolved(&registry()).unwrap();
    assert_eq!(serde_json::to_value(&resolved.options).unwrap(), serde_json::json!({ "rule": "stop", "wall": 32 }));
    let sample = Sample { env: resolved, ..Sample::default() };
    assert_eq!(value(&crate::config::to_toml(&sample).unwrap(), &[]), sample);
}

#[test]
fn a_nested_option_is_merged_unless_its_kind_changes() {
    let options = |value: Value| value.as_object().cloned().unwrap();
    let base = EnvConfig {
        options: options(serde_json::json!({ "light": { "kind": "sun", "angle": 3 }, "size": { "w": 1, "h": 2 } })),
        ..EnvConfig::default()
    };
    let over = options(serde_json::json!({ "light": { "kind": "lamp" }, "size": { "w": 5 } }));
    let changed = base.with(&EnvOverrides { options: over, ..EnvOverrides::default() });
    let expected = serde_json::json!({ "light": { "kind": "lamp" }, "size": { "w": 5, "h": 2 } });
    assert_eq!(Value::Object(changed.options), expected);
}

#[test]
fn the_schema_of_all_environments_tells_them_apart_by_name() {
    let all = splice_env(schema::<Sample>(), &registry(), None);
    let names: Vec<_> = all["properties"]["env"]["oneOf"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0]["properties"]["name"]["const"], "rooms");
    assert_eq!(names[0]["additionalProperties"], false);
    assert!(names[0]["properties"]["wall"].is_object());
    assert!(all["$defs"]["rooms.Rule"].is_object());
    assert_eq!(names[0]["properties"]["rule"]["$ref"], "#/$defs/rooms.Rule");
    // Without a name the overrides may be of any environment.
    let folder = folder(&[("x.toml", SAMPLE)]);
    let loaded = load::<Sample>(&folder.path().join("x.toml"), &[], &all).unwrap();
    assert_eq!(loaded.value, value(SAMPLE, &[]));
}

#[test]
fn a_schema_without_the_tables_is_left_as_it_is() {
    let plain = schema::<Train>();
    let spliced = splice_env(plain.clone(), &Registry::new("environment"), None);
    assert_eq!(plain, spliced);
}

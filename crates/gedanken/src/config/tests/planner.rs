//! The planner's table: its keys follow its kind.

use gedanken_planner::{PlannerConfig, strategies};

use super::*;
use crate::config::load_experiment;

fn planner(text: &str, base: &str, overrides: &[&str]) -> Result<PlannerConfig, ConfigError> {
    let folder = folder(&[("x.toml", text), ("base.toml", base)]);
    let loaded = load_experiment(&folder.path().join("x.toml"), &sets(overrides), &crate::parts())?;
    Ok(loaded.value.planner)
}

const ICEM: &str = "[planner]\nkind = \"icem\"\nhorizon = 7\nsamples = 9\ncolor = 1.0\n";

#[test]
fn another_kind_keeps_the_keys_that_it_has_too() {
    let changed = ["extends = \"base.toml\"\n[planner]\nkind = \"mppi\"\n", "extends = \"base.toml\"\n"];
    for (text, set) in changed.into_iter().zip([&[][..], &["planner.temperature=0.5", "planner.kind=mppi"][..]]) {
        let planner = planner(text, ICEM, set).unwrap();
        assert_eq!((planner.strategy.kind.as_str(), planner.plan.horizon), ("mppi", 7));
        assert_eq!(planner.strategy.keys.get("samples"), Some(&9.into()));
        assert_eq!(planner.strategy.keys.get("color"), None);
        assert_eq!(planner.strategy.keys.contains_key("temperature"), !set.is_empty());
    }
}

#[test]
fn a_key_of_another_kind_is_an_error_that_says_whose_it_is_and_where_it_went() {
    let error = |text: &str| planner(text, "", &[]).unwrap_err().to_string();
    let said = error("[planner]\nkind = \"cem\"\ntemperature = 1.0\n");
    assert!(
        said.contains("x.toml:3: planner.temperature: no such key where kind is \"cem\" (it belongs to: mppi)"),
        "{said}"
    );
    for (key, kind, now) in [
        ("smoothness", "icem", "planner.color"),
        ("min_std", "adam", "planner.noise"),
        ("learning_rate", "cem", "planner.polish_rate"),
    ] {
        let said = error(&format!("[planner]\nkind = \"{kind}\"\n{key} = 0.1\n"));
        assert!(said.contains(&format!("x.toml:3: planner.{key}: no such key")) && said.contains(now), "{said}");
    }
    let said = error("[planner]\nkind = \"cme\"\n");
    assert!(
        said.contains(
            "expected one of: random, cem, icem, mppi, categorical, gradient, adam, actor; did you mean `cem`?"
        ),
        "{said}"
    );
    let said = error("[planner]\nhorizn = 3\n");
    assert!(said.contains("planner.horizn: no such key; did you mean `horizon`?"), "{said}");
}

#[test]
fn a_planner_with_every_key_is_written_as_it_was_set() {
    let complete = planner("[planner]\ninit_std = 0.3\n", "", &[]).unwrap().complete(&strategies()).unwrap();
    let text = toml::to_string(&std::collections::BTreeMap::from([("planner", &complete)])).unwrap();
    for line in ["horizon = 16", "kind = \"cem\"", "init_std = 0.3", "[planner.min_std]", "smoothness = 0.5"] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert_eq!(planner(&text, "", &[]).unwrap(), complete);
}

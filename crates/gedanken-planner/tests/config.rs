//! Settings and bounds: what is accepted, what is refused, and the presets.

mod toy;

use gedanken_planner::{
    Bounds, Cem, Mppi, Over, PlanConfig, PlanError, Planner, PlannerConfig, Returned, Strategy, Width, strategies,
};
use serde_json::{Value, json};
use toy::{Ask, set};

/// A table, by its `kind`, with these keys.
fn table(kind: &str, keys: Value) -> PlannerConfig {
    let mut table = keys;
    table["kind"] = kind.into();
    serde_json::from_value(table).unwrap()
}

fn eb_jepa_mppi() -> PlanConfig {
    PlanConfig { max_norm: None, ..PlanConfig::eb_jepa() }
}

#[test]
fn the_defaults_and_the_presets_are_valid() {
    for name in strategies().names() {
        assert!(table(name, json!({})).init(&strategies()).is_ok(), "{name}");
    }
    assert!(PlannerConfig::default().init(&strategies()).is_ok());
    assert!(Planner::new(Box::new(Cem::eb_jepa()), PlanConfig::eb_jepa()).is_ok());
    assert!(Planner::new(Box::new(Mppi::eb_jepa()), eb_jepa_mppi()).is_ok());
}

#[test]
fn eb_jepas_cem_has_its_published_settings() {
    let (cem, plan) = (Cem::eb_jepa(), PlanConfig::eb_jepa());
    let sampling = &cem.sampling;
    assert_eq!((sampling.iterations, sampling.samples, cem.style().elites, plan.horizon), (20, 200, 20, 90));
    let widths = (Width::Units(1.5), Width::Units(0.0));
    assert_eq!((sampling.init_std, sampling.min_std), widths);
    assert_eq!((sampling.momentum, cem.smoothness), (0.0, 0.0));
    assert_eq!((plan.max_norm, sampling.keep, plan.warm_start, plan.replan_every), (Some(2.45), 0, false, 1));
    assert_eq!((sampling.returns, plan.over), (Returned::Mean, Over::Sum));
    let plans = Ask::default().plan(&Planner::new(Box::new(cem), plan).unwrap()).unwrap();
    assert_eq!((plans.horizon, plans.evaluations), (90, vec![20 * 200 * 90 + 90]));
}

#[test]
fn eb_jepas_mppi_returns_an_elite_and_hardly_weighs() {
    let (mppi, plan) = (Mppi::eb_jepa(), eb_jepa_mppi());
    let sampling = &mppi.sampling;
    assert_eq!((sampling.iterations, sampling.samples, mppi.style().elites, plan.horizon), (20, 200, 20, 90));
    assert_eq!((sampling.init_std, mppi.temperature, sampling.returns), (Width::Units(2.0), 200.0, Returned::Elite));
    assert_eq!(plan.max_norm, None);
    let plans = Ask { steps_left: 8, ..Ask::default() }.plan(&Planner::new(Box::new(mppi), plan).unwrap()).unwrap();
    assert_eq!(plans.evaluations, [20 * 200 * 8]);
}

#[test]
fn without_elites_cem_takes_an_eighth_and_mppi_all() {
    let elites = |kind| strategies().make(&table(kind, json!({ "samples": 96 })).strategy).unwrap().style().elites;
    assert_eq!(elites("cem"), 12);
    assert_eq!(elites("mppi"), 96);
}

#[test]
fn a_setting_that_cannot_work_is_an_error_that_names_it() {
    let cases = [
        ("horizon", "cem", json!({ "horizon": 0 })),
        ("iterations", "cem", json!({ "iterations": 0 })),
        ("samples", "cem", json!({ "samples": 1 })),
        ("elites", "cem", json!({ "elites": 65 })),
        ("elites", "cem", json!({ "elites": 1 })),
        ("keep", "cem", json!({ "keep": 9 })),
        ("keep", "cem", json!({ "keep": 64, "elites": 64 })),
        ("replan_every", "cem", json!({ "replan_every": 0 })),
        ("replan_every", "cem", json!({ "replan_every": 17 })),
        ("max_rows", "cem", json!({ "max_rows": 0 })),
        ("init_std", "cem", json!({ "init_std": 1e300 })),
        ("init_std", "cem", json!({ "init_std": 0.0 })),
        ("min_std", "cem", json!({ "min_std": -0.1 })),
        ("momentum", "cem", json!({ "momentum": 1.0 })),
        ("smoothness", "cem", json!({ "smoothness": 1.5 })),
        ("temperature", "mppi", json!({ "temperature": 0.0 })),
        ("max_norm", "cem", json!({ "max_norm": 0.0 })),
        ("color", "icem", json!({ "color": -1.0 })),
        ("decay", "icem", json!({ "decay": 0.5 })),
        ("learning_rate", "adam", json!({ "learning_rate": 0.0 })),
        ("noise", "gradient", json!({ "noise": -1.0 })),
        ("polish_rate", "cem", json!({ "polish_rate": 0.0 })),
    ];
    for (key, kind, keys) in cases {
        let error = table(kind, keys).init(&strategies()).err();
        assert!(matches!(&error, Some(PlanError::Config { field, .. }) if *field == key), "{key}: {error:?}");
    }
}

#[test]
fn an_unknown_key_is_an_error_and_a_missing_one_its_default() {
    let config = table("mppi", json!({ "over": "last", "returns": "best", "elites": 10 }));
    let planner = config.init(&strategies()).unwrap();
    assert_eq!((planner.settings().over, planner.strategy().style().returns), (Over::Last, Returned::Best));
    assert_eq!((planner.strategy().style().elites, planner.settings().horizon), (10, 16));
    let error = |kind, keys| table(kind, keys).init(&strategies()).err().unwrap().to_string();
    assert!(error("cem", json!({ "horizn": 3 })).contains("horizn"));
    assert!(error("icem", json!({ "smoothness": 0.5 })).contains("planner.smoothness: icem has no such key"));
    assert!(
        error("cme", json!({}))
            .contains("no planner \"cme\"; there are: random, cem, icem, mppi, categorical, gradient, adam, actor")
    );
    let again: PlannerConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
    // The planner knows all of its keys.
    let complete = config.complete(&strategies()).unwrap();
    assert_eq!(serde_json::to_string(&planner.config()).unwrap(), serde_json::to_string(&complete).unwrap());
    assert_eq!(set(&config, json!({})), config);
}

#[test]
fn bounds_scale_to_the_norm_keeping_the_direction_then_clamp() {
    let bounds = Bounds::new(vec![-2.0, -2.0], vec![2.0, 0.5], Some(1.0)).unwrap();
    let mut actions = [3.0, -4.0, 0.0, 9.0, 0.3, 0.4];
    bounds.apply(&mut actions);
    assert_eq!(actions, [0.6, -0.8, 0.0, 0.5, 0.3, 0.4]);
}

#[test]
fn each_control_step_of_an_action_block_keeps_the_bounds() {
    let bounds = Bounds::unbounded(2).unwrap().max_norm(Some(1.0)).unwrap().frameskip(2).unwrap();
    assert_eq!((bounds.dims(), bounds.action()), (2, 4));
    let mut block = [0.0, 2.0, 0.0, 1.0];
    bounds.apply(&mut block);
    assert_eq!(block, [0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn bounds_that_no_action_keeps_are_errors() {
    let refused = |low: &[f32], high: &[f32]| Bounds::new(low.to_vec(), high.to_vec(), None).is_err();
    assert!(
        refused(&[], &[]) && refused(&[0.0], &[1.0, 2.0]) && refused(&[1.0], &[0.0]) && refused(&[f32::NAN], &[0.0])
    );
    assert!(Bounds::new(vec![1.0], vec![2.0], None).is_ok() && Bounds::new(vec![1.0], vec![2.0], Some(1.0)).is_err());
    let plane = Bounds::unbounded(2).unwrap();
    assert!(plane.clone().max_norm(Some(-1.0)).is_err() && plane.frameskip(0).is_err());
}

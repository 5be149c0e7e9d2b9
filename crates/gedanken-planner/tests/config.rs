//! Settings and bounds: what is accepted, what is refused, and the presets.

mod toy;

use gedanken_planner::{Bounds, Kind, Over, PlanError, PlannerConfig, Returned};
use toy::Ask;

#[test]
fn the_defaults_and_the_presets_are_valid() {
    let mppi = PlannerConfig { kind: Kind::Mppi, ..PlannerConfig::default() };
    for config in [PlannerConfig::default(), mppi, PlannerConfig::eb_jepa_cem(), PlannerConfig::eb_jepa_mppi()] {
        assert_eq!(config.validate(), Ok(()));
    }
}

#[test]
fn eb_jepas_cem_has_its_published_settings() {
    let cem = PlannerConfig::eb_jepa_cem();
    assert_eq!((cem.kind, cem.iterations, cem.samples, cem.elites(), cem.horizon), (Kind::Cem, 20, 200, 20, 90));
    assert_eq!((cem.init_std, cem.min_std, cem.momentum, cem.smoothness), (1.5, 0.0, 0.0, 0.0));
    assert_eq!((cem.max_norm, cem.keep, cem.warm_start, cem.replan_every), (Some(2.45), 0, false, 1));
    assert_eq!((cem.returns, cem.over), (Returned::Mean, Over::Sum));
    let plans = Ask::default().with(&cem).unwrap();
    assert_eq!((plans.horizon, plans.evaluations), (90, vec![20 * 200 * 90 + 90]));
}

#[test]
fn eb_jepas_mppi_returns_an_elite_and_hardly_weighs() {
    let mppi = PlannerConfig::eb_jepa_mppi();
    assert_eq!((mppi.kind, mppi.iterations, mppi.samples, mppi.elites(), mppi.horizon), (Kind::Mppi, 20, 200, 20, 90));
    assert_eq!((mppi.init_std, mppi.temperature, mppi.returns, mppi.max_norm), (2.0, 200.0, Returned::Elite, None));
    let plans = Ask { steps_left: 8, ..Ask::default() }.with(&mppi).unwrap();
    assert_eq!(plans.evaluations, [20 * 200 * 8]);
}

#[test]
fn without_elites_cem_takes_an_eighth_and_mppi_all() {
    let config = PlannerConfig { samples: 96, ..PlannerConfig::default() };
    assert_eq!(config.elites(), 12);
    assert_eq!(PlannerConfig { kind: Kind::Mppi, ..config }.elites(), 96);
}

#[test]
fn a_setting_that_cannot_work_is_an_error_that_names_it() {
    let base = PlannerConfig::default;
    let cases = [
        ("horizon", PlannerConfig { horizon: 0, ..base() }),
        ("iterations", PlannerConfig { iterations: 0, ..base() }),
        ("samples", PlannerConfig { samples: 1, ..base() }),
        ("elites", PlannerConfig { elites: Some(65), ..base() }),
        ("elites", PlannerConfig { elites: Some(1), ..base() }),
        ("keep", PlannerConfig { keep: 9, ..base() }),
        ("keep", PlannerConfig { keep: 64, elites: Some(64), ..base() }),
        ("replan_every", PlannerConfig { replan_every: 0, ..base() }),
        ("replan_every", PlannerConfig { replan_every: 17, ..base() }),
        ("max_rows", PlannerConfig { max_rows: 0, ..base() }),
        ("init_std", PlannerConfig { init_std: f32::NAN, ..base() }),
        ("init_std", PlannerConfig { init_std: 0.0, ..base() }),
        ("min_std", PlannerConfig { min_std: -0.1, ..base() }),
        ("momentum", PlannerConfig { momentum: 1.0, ..base() }),
        ("smoothness", PlannerConfig { smoothness: 1.5, ..base() }),
        ("temperature", PlannerConfig { temperature: 0.0, ..base() }),
        ("max_norm", PlannerConfig { max_norm: Some(0.0), ..base() }),
    ];
    for (key, config) in cases {
        let error = config.init(Bounds::unbounded(2).unwrap()).err();
        assert!(matches!(&error, Some(PlanError::Config { field, .. }) if *field == key), "{key}: {error:?}");
    }
}

#[test]
fn an_unknown_key_is_an_error_and_a_missing_one_its_default() {
    let parse = serde_json::from_str::<PlannerConfig>;
    let config = parse(r#"{"kind": "mppi", "over": "last", "returns": "best", "elites": 10}"#).unwrap();
    assert_eq!((config.kind, config.over, config.returns), (Kind::Mppi, Over::Last, Returned::Best));
    assert_eq!((config.elites, config.horizon), (Some(10), 16));
    assert!(parse(r#"{"horizn": 3}"#).unwrap_err().to_string().contains("horizn"));
    assert_eq!(parse(&serde_json::to_string(&config).unwrap()).unwrap(), config);
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

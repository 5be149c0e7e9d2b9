//! What every planner keeps, on a plane where the best plan is known.

mod toy;

use gedanken_planner::{Kind, LatentDistance, Norm, Objective, Over, PlanError, PlannerConfig, Returned, Warm};
use toy::{Ask, NanBeyond, points, thorough};

/// CEM, and MPPI with the floor of noise without which it settles on the first good sequence.
fn both() -> [PlannerConfig; 2] {
    [thorough(), PlannerConfig { kind: Kind::Mppi, min_std: 0.2, ..thorough() }]
}

/// Squared distances of (0, 0) from (3, 4) after 1, 2, ... straight steps of 1, halved for the mean over two coordinates.
const OPTIMUM: f32 = (16.0 + 9.0 + 4.0 + 1.0) / 2.0;

#[test]
fn every_planner_finds_the_straight_way_by_the_summed_energy() {
    for config in both() {
        for returns in [Returned::Mean, Returned::Best, Returned::Elite] {
            let plans = Ask::default().with(&PlannerConfig { returns, ..config.clone() }).unwrap();
            let energy = plans.energy[0];
            assert!((OPTIMUM - 1e-3..1.04 * OPTIMUM).contains(&energy), "{:?}, {returns:?}: {energy}", config.kind);
        }
    }
}

#[test]
fn every_planner_ends_at_the_goal_by_the_last_steps_energy() {
    for config in both() {
        let plans = Ask::default().with(&PlannerConfig { over: Over::Last, ..config.clone() }).unwrap();
        assert!(plans.energy[0] < 0.01, "{:?}: {}", config.kind, plans.energy[0]);
        let end: [f32; 2] = [0, 1].map(|i| plans.sequence(0).chunks(2).map(|action| action[i]).sum());
        assert!((end[0] - 3.0).abs() < 0.2 && (end[1] - 4.0).abs() < 0.2, "{end:?}");
    }
}

#[test]
fn the_energy_is_that_of_the_returned_actions() {
    let plans = Ask::default().with(&thorough()).unwrap();
    let (mut x, mut y, mut energy) = (0.0, 0.0, 0.0);
    for action in plans.sequence(0).chunks(2) {
        (x, y) = (x + action[0], y + action[1]);
        energy += ((x - 3f32).powi(2) + (y - 4f32).powi(2)) / 2.0;
    }
    assert!((energy - plans.energy[0]).abs() < 1e-3, "{energy} {}", plans.energy[0]);
}

#[test]
fn the_mean_over_the_horizon_is_the_sum_divided_by_it() {
    let config = |over| PlannerConfig { over, ..thorough() };
    let [sum, mean] = [Over::Sum, Over::Mean].map(|over| Ask::default().with(&config(over)).unwrap());
    assert!((sum.energy[0] - 8.0 * mean.energy[0]).abs() < 0.1, "{:?} {:?}", sum.energy, mean.energy);
}

#[test]
fn a_task_is_planned_the_same_alone_and_among_others() {
    let start = [0.0, 0.0, 5.0, 1.0, -2.0, 3.0, 0.5, 0.5, 9.0, 9.0, 1.0, -1.0];
    let goals = [3.0, 4.0, 0.0, 0.0, 2.0, 2.0, 0.5, -3.0, 1.0, 9.0, 1.0, 1.0];
    let seeds = [1, 2, 3, 4, 5, 6];
    for config in both() {
        let together = Ask { start: &start, goals: &goals, seeds: &seeds, ..Ask::default() }.with(&config).unwrap();
        for task in 0..6 {
            let (start, goals) = (&start[2 * task..][..2], &goals[2 * task..][..2]);
            let alone = Ask { start, goals, seeds: &seeds[task..][..1], ..Ask::default() }.with(&config).unwrap();
            assert_eq!(alone.actions, together.sequence(task));
            assert_eq!(alone.energy, together.energy[task..][..1]);
        }
    }
}

#[test]
fn how_many_rows_are_imagined_at_once_changes_nothing() {
    let ask = Ask { start: &[0.0; 6], goals: &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], seeds: &[1, 2, 3], ..Ask::default() };
    for over in [Over::Sum, Over::Last] {
        let plan = |max_rows| ask.with(&PlannerConfig { max_rows, over, ..thorough() }).unwrap();
        let whole = plan(100_000);
        for max_rows in [1, 7, 200, 333] {
            assert_eq!(plan(max_rows), whole);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_plan_and_another_seed_or_step_another() {
    for config in both() {
        let plan = |seed, step| Ask { seeds: &[seed], step, ..Ask::default() }.with(&config).unwrap();
        assert_eq!(plan(1, 0), plan(1, 0));
        assert_ne!(plan(1, 0).actions, plan(2, 0).actions);
        assert_ne!(plan(1, 0).actions, plan(1, 1).actions);
    }
}

#[test]
fn actions_keep_the_bounds() {
    for config in both() {
        for returns in [Returned::Mean, Returned::Best, Returned::Elite] {
            let config =
                PlannerConfig { returns, iterations: 2, init_std: 5.0, max_norm: Some(0.25), ..config.clone() };
            let plans = Ask::default().with(&config).unwrap();
            assert!(plans.actions.chunks(2).all(|a| a[0].hypot(a[1]) <= 0.250_001), "{:?}", plans.actions);
        }
    }
}

#[test]
fn a_plan_is_no_longer_than_the_steps_left_and_counts_what_it_imagined() {
    let plans = Ask { steps_left: 3, ..Ask::default() }.with(&thorough()).unwrap();
    assert_eq!((plans.horizon, plans.actions.len()), (3, 6));
    assert_eq!(plans.evaluations, 20 * 200 * 3 + 3);
    assert_eq!(plans.trace.len(), 20);
    assert!(plans.trace[19].mean[0] < plans.trace[0].mean[0]);
    assert!(plans.trace.iter().all(|round| round.best[0] <= round.mean[0]));
}

#[test]
fn a_kept_sequence_never_gets_lost() {
    let plans = Ask::default().with(&PlannerConfig { keep: 2, samples: 16, iterations: 12, ..thorough() }).unwrap();
    assert!(plans.trace.windows(2).all(|pair| pair[1].best[0] <= pair[0].best[0]), "{:?}", plans.trace);
}

#[test]
fn a_warm_start_shifts_by_what_was_executed_and_fills_up_with_zeros() {
    let config =
        PlannerConfig { horizon: 4, init_std: 1e-6, min_std: 0.0, replan_every: 1, ..PlannerConfig::default() };
    let mut before = Ask::default().with(&config).unwrap();
    before.actions = vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.1];
    let warm = Some(Warm { plans: &before, executed: 3 });
    let after = Ask { warm, ..Ask::default() }.with(&config).unwrap();
    let expected = [0.7, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert!(after.actions.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}", after.actions);
    assert_eq!(before.remainder(0, 1, 2), [0.3, 0.4, 0.5, 0.6]);
    assert_eq!(before.remainder(0, 9, 1), [0.0, 0.0]);
}

#[test]
fn a_candidate_of_nan_energy_is_never_chosen() {
    for config in both() {
        for returns in [Returned::Mean, Returned::Best, Returned::Elite] {
            let config = PlannerConfig { returns, ..config.clone() };
            let plans = Ask { objective: &NanBeyond(2.0), ..Ask::default() }.with(&config).unwrap();
            assert!(plans.actions.iter().all(|a| a.is_finite()) && plans.energy[0].is_finite());
            let mut x = 0.0;
            assert!(plans.sequence(0).chunks(2).all(|action| {
                x += action[0];
                x <= 2.000_01
            }));
        }
    }
}

#[test]
fn a_task_of_nothing_but_nan_is_an_error_that_names_it() {
    let objective = NanBeyond(0.0);
    let ask = Ask {
        start: &[-100.0, 0.0, 100.0, 0.0],
        goals: &[0.0; 4],
        seeds: &[1, 2],
        objective: &objective,
        ..Ask::default()
    };
    let error = ask.with(&thorough()).unwrap_err();
    assert_eq!(error, PlanError::NotFinite { task: 1, iteration: 0, samples: 200 });
    assert!(error.to_string().contains("task 1"), "{error}");
}

#[test]
fn a_problem_that_does_not_fit_is_an_error() {
    let plan = |ask: Ask| ask.with(&thorough());
    assert_eq!(plan(Ask { steps_left: 0, ..Ask::default() }), Err(PlanError::NoSteps));
    assert!(matches!(plan(Ask { seeds: &[1, 2], ..Ask::default() }), Err(PlanError::Shape { what: "seeds", .. })));
    assert!(matches!(plan(Ask { goals: &[0.0; 4], ..Ask::default() }), Err(PlanError::Shape { what: "goals", .. })));
    let two = Ask { start: &[0.0; 4], goals: &[0.0; 4], seeds: &[1, 2], ..Ask::default() }.with(&thorough()).unwrap();
    let warm = Some(Warm { plans: &two, executed: 0 });
    assert!(matches!(plan(Ask { warm, ..Ask::default() }), Err(PlanError::Shape { what: "the warm start", .. })));
}

#[test]
fn latent_distance_is_the_mean_over_tokens_and_dim() {
    let futures = points(&[1.0, 2.0, 3.0, 5.0]).reshape([1, 2, 1, 2]);
    let energy = |norm| {
        let energy = LatentDistance { norm }.energy(futures.clone(), points(&[0.0, 1.0]));
        assert_eq!(energy.dims(), [1, 2]);
        energy.into_data().try_into_vec::<f32>().unwrap()
    };
    assert_eq!(energy(Norm::L2), [1.0, 12.5]);
    assert_eq!(energy(Norm::L1), [1.0, 3.5]);
}

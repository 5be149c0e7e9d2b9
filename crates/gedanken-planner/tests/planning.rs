//! Laws of all planners, on a plane where the best plan is known.

mod toy;

use burn::prelude::*;
use gedanken_planner::{
    ActionCost, ActionLimit, Guardrail, LatentDistance, Norm, Objective, PlanError, PlannerConfig, Plans, Trajectory,
    Warm, WeightedSum, strategies,
};
use serde_json::json;
use toy::{Ask, Disc, Lit, NanBeyond, Untracked, planner, points, set, thorough, thorough_of, way};

const RETURNS: [&str; 3] = ["mean", "best", "elite"];

/// The planners that refit a distribution; MPPI with the floor of noise without which it settles on the first good sequence.
fn refitting() -> [PlannerConfig; 3] {
    let icem = set(&thorough_of("icem"), json!({ "color": 1.0, "keep": 4 }));
    [thorough(), icem, set(&thorough_of("mppi"), json!({ "min_std": 0.2 }))]
}

/// All planners, each as it would be used.
fn all() -> Vec<PlannerConfig> {
    let slide = |kind| set(&thorough_of(kind), json!({ "samples": 4, "iterations": 60 }));
    let hybrid = set(&thorough(), json!({ "iterations": 4, "polish": 20, "elites": 4 }));
    let fixed = set(&thorough_of("mppi"), json!({ "update_std": false, "init_std": 0.3, "smoothness": 0.8 }));
    let shooting = set(&thorough_of("random"), json!({ "samples": 2000, "smoothness": 0.95, "init_std": 2.0 }));
    let others = [fixed, hybrid, slide("gradient"), slide("adam"), shooting];
    refitting().into_iter().chain(others).collect()
}

/// Squared distances of (0, 0) from (3, 4) after 1, 2, ... straight steps of 1, halved for the mean over two coordinates.
const OPTIMUM: f32 = (16.0 + 9.0 + 4.0 + 1.0) / 2.0;

#[test]
fn every_planner_finds_the_straight_way_by_the_summed_energy() {
    for config in all() {
        for returns in RETURNS {
            let plans = Ask::default().with(&set(&config, json!({ "returns": returns }))).unwrap();
            let energy = plans.energy[0];
            // Random shooting is the floor, and noise that never shrinks keeps a mean from settling.
            let kind = &config.strategy.kind;
            let random = kind == "random" || config.strategy.keys.get("update_std") == Some(&json!(false));
            let worst = if random { 1.35 } else { 1.04 } * OPTIMUM;
            let case = format!("{kind}, polish {}, {returns}: {energy}", config.plan.polish);
            assert!((OPTIMUM - 1e-3..worst).contains(&energy), "{case}");
        }
    }
}

#[test]
fn the_gradient_finds_the_optimum_to_two_hundredths() {
    let adam = set(&thorough_of("adam"), json!({ "samples": 1, "iterations": 200 }));
    let plans = Ask::default().with(&adam).unwrap();
    assert!((plans.energy[0] - OPTIMUM).abs() < 0.02 * OPTIMUM, "{}", plans.energy[0]);
    // One look more than there are steps, each at twice the price of a future.
    assert_eq!(plans.evaluations, [201 * 2 * 8]);
    assert!(plans.trace[0].gradient[0] > 1.0 && plans.trace.last().unwrap().gradient[0] > 0.0);
}

#[test]
fn polishing_never_makes_a_plan_worse() {
    for kind in ["cem", "icem", "mppi", "random"] {
        let search = set(&thorough_of(kind), json!({ "iterations": 2, "samples": 24, "returns": "best" }));
        let polished = set(&search, json!({ "polish": 10 }));
        let [before, after] = [search, polished].map(|config| Ask::default().with(&config).unwrap().energy[0]);
        assert!(after < before, "{kind}: {after} after {before}");
    }
}

#[test]
fn a_world_without_a_gradient_is_an_error_to_those_that_need_one() {
    let objective = Untracked;
    for config in [thorough_of("adam"), set(&thorough(), json!({ "polish": 2 }))] {
        assert_eq!(Ask { objective: &objective, ..Ask::default() }.with(&config).unwrap_err(), PlanError::NoGradient);
        let without = config.init(&strategies()).unwrap().without_gradient();
        assert!(Ask { objective: &objective, ..Ask::default() }.plan(&without).is_ok());
    }
}

#[test]
fn a_search_that_has_converged_stops_and_one_that_is_harder_goes_on() {
    let config = set(&thorough(), json!({ "tolerance": 0.05, "over": "last" }));
    let ask = Ask { start: &[0.0; 4], goals: &[0.1, 0.0, 7.5, 0.0], seeds: &[1, 2], ..Ask::default() };
    let (full, early) = (ask.with(&thorough()).unwrap(), ask.with(&config).unwrap());
    assert!(early.evaluations[0] < early.evaluations[1] && early.evaluations[1] < full.evaluations[1]);
    assert_eq!(full.evaluations[0], full.evaluations[1]);
    let alone = Ask { start: &[0.0; 2], goals: &[7.5, 0.0], seeds: &[2], ..Ask::default() }.with(&config).unwrap();
    assert_eq!(alone.sequence(0), early.sequence(1), "who stops changes nothing for the others");
    let budget = set(&thorough(), json!({ "max_evaluations": 3 * 200 * 8 }));
    assert_eq!(ask.with(&budget).unwrap().evaluations, [3 * 200 * 8 + 8; 2]);
}

#[test]
fn the_mean_of_elites_is_no_plan_where_a_guardrail_forbids_it() {
    // Straight ahead is a disc: the good ways are left and right of it, and their mean runs through it.
    for config in refitting().into_iter().chain([set(&thorough(), json!({ "polish": 10 }))]) {
        for returns in RETURNS {
            let config = set(&config, json!({ "returns": returns, "horizon": 10, "samples": 400 }));
            let guardrails: [Box<dyn Guardrail>; 1] = [Box::new(Disc([3.0, 0.0], 1.0))];
            let ask = Ask { goals: &[6.0, 0.0], ..Ask::default() };
            let plans = Ask { guardrails: &guardrails, ..ask }.with(&config).unwrap();
            assert_eq!(plans.violation, [0.0]);
            let (mut x, mut y) = (0f32, 0f32);
            for action in plans.sequence(0).chunks(2) {
                (x, y) = (x + action[0], y + action[1]);
                assert!((x - 3.0).hypot(y) >= 0.999, "{} {returns}: ({x}, {y})", config.strategy.kind);
            }
            assert!((x - 6.0).hypot(y) < 1.5, "it gets there all the same: ({x}, {y})");
        }
    }
}

#[test]
fn a_descent_slides_out_of_what_is_forbidden() {
    // One sequence each, which begins straight through the disc: nothing else could have found the way around.
    let guardrails: [Box<dyn Guardrail>; 1] = [Box::new(Disc([3.0, 0.2], 1.0))];
    let straight = Ask { goals: &[6.0, 0.0], ..Ask::default() };
    for kind in ["gradient", "adam"] {
        let config = set(&thorough_of(kind), json!({ "samples": 1, "iterations": 100, "horizon": 10 }));
        let through = straight.with(&config).unwrap();
        let warm = Some(Warm { plans: &through, executed: 0 });
        let around = Ask { guardrails: &guardrails, warm, ..straight }.with(&config).unwrap();
        assert_eq!(around.violation, [0.0], "{kind}");
        let excess = around.energy[0] / through.energy[0];
        assert!((1.0..1.25).contains(&excess), "{kind}: the way around costs {excess} times as much");
    }
}

#[test]
fn a_descent_under_a_limit_of_actions_leaves_where_it_stands() {
    // One sequence of zeros, at which the length of an action has no slope.
    let guardrails: [Box<dyn Guardrail>; 1] = [Box::new(ActionLimit { norm: 0.5, dims: 2 })];
    for kind in ["gradient", "adam"] {
        let config = set(&thorough_of(kind), json!({ "samples": 1, "iterations": 100 }));
        let plans = Ask { guardrails: &guardrails, ..Ask::default() }.with(&config).unwrap();
        assert_eq!(plans.violation, [0.0], "{kind}");
        let way = plans.sequence(0).chunks(2).fold([0f32; 2], |at, action| [at[0] + action[0], at[1] + action[1]]);
        // Eight steps of 0.5 lead as far as (2.4, 3.2) on the way to (3, 4).
        assert!((way[0] - 2.4).hypot(way[1] - 3.2) < 1.2, "{kind}: {way:?}");
    }
}

#[test]
fn where_nothing_keeps_the_guardrails_the_least_bad_is_marked() {
    let guardrails: [Box<dyn Guardrail>; 1] = [Box::new(Disc([0.0, 0.0], 50.0))];
    let plans = Ask { guardrails: &guardrails, ..Ask::default() }.with(&thorough()).unwrap();
    assert!(plans.violation[0] > 0.0 && plans.actions.iter().all(|a| a.is_finite()));
    // Least bad is straight out of it, wherever the goal is.
    assert!(plans.violation[0] < 8.0 * 50.0 - 30.0, "{}", plans.violation[0]);
}

#[test]
fn a_limit_of_actions_holds_for_every_control_step_of_a_block() {
    let limit = ActionLimit { norm: 0.5, dims: 1 };
    let actions = Tensor::<3>::from_data([[[0.5, -0.4], [0.2, -0.9]]], &Device::flex());
    let by = limit.violation(&way(actions));
    let by = by.into_data().try_into_vec::<f32>().unwrap();
    assert!(by[0].abs() < 1e-5 && (by[1] - 0.4).abs() < 1e-5, "{by:?}");
    let guardrails: [Box<dyn Guardrail>; 1] = [Box::new(ActionLimit { norm: 0.6, dims: 2 })];
    let config = set(&thorough(), json!({ "init_std": 0.3 }));
    let plans = Ask { guardrails: &guardrails, ..Ask::default() }.with(&config).unwrap();
    assert_eq!(plans.violation, [0.0]);
    assert!(plans.actions.chunks(2).all(|a| a[0].hypot(a[1]) <= 0.600_001));
}

#[test]
fn every_planner_ends_at_the_goal_by_the_last_steps_energy() {
    for config in refitting() {
        let plans = Ask::default().with(&set(&config, json!({ "over": "last" }))).unwrap();
        assert!(plans.energy[0] < 0.01, "{}: {}", config.strategy.kind, plans.energy[0]);
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
    let config = |over| set(&thorough(), json!({ "over": over }));
    let [sum, mean] = ["sum", "mean"].map(|over| Ask::default().with(&config(over)).unwrap());
    assert!((sum.energy[0] - 8.0 * mean.energy[0]).abs() < 0.1, "{:?} {:?}", sum.energy, mean.energy);
}

#[test]
fn a_task_is_planned_the_same_alone_and_among_others() {
    let start = [0.0, 0.0, 5.0, 1.0, -2.0, 3.0, 0.5, 0.5, 9.0, 9.0, 1.0, -1.0];
    let goals = [3.0, 4.0, 0.0, 0.0, 2.0, 2.0, 0.5, -3.0, 1.0, 9.0, 1.0, 1.0];
    let seeds = [1, 2, 3, 4, 5, 6];
    for config in all() {
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
    let adam = set(&thorough_of("adam"), json!({ "iterations": 10, "samples": 64 }));
    for config in [set(&thorough(), json!({ "over": "last" })), thorough(), adam] {
        let plan = |max_rows| ask.with(&set(&config, json!({ "max_rows": max_rows }))).unwrap();
        let whole = plan(100_000);
        for max_rows in [1, 7, 200, 333] {
            assert_eq!(plan(max_rows), whole);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_plan_and_another_seed_or_step_another() {
    for config in refitting() {
        let plan = |seed, step| Ask { seeds: &[seed], step, ..Ask::default() }.with(&config).unwrap();
        assert_eq!(plan(1, 0), plan(1, 0));
        assert_ne!(plan(1, 0).actions, plan(2, 0).actions);
        assert_ne!(plan(1, 0).actions, plan(1, 1).actions);
    }
}

#[test]
fn actions_keep_the_bounds() {
    for config in all() {
        for returns in RETURNS {
            let keys = json!({ "returns": returns, "iterations": 2, "init_std": 5.0, "max_norm": 0.25 });
            let config = set(&config, keys);
            let plans = Ask::default().with(&config).unwrap();
            assert!(plans.actions.chunks(2).all(|a| a[0].hypot(a[1]) <= 0.250_001), "{:?}", plans.actions);
        }
    }
}

#[test]
fn a_plan_is_no_longer_than_the_steps_left_and_counts_what_it_imagined() {
    let plans = Ask { steps_left: 3, ..Ask::default() }.with(&thorough()).unwrap();
    assert_eq!((plans.horizon, plans.actions.len()), (3, 6));
    assert_eq!(plans.evaluations, [20 * 200 * 3 + 3]);
    assert_eq!(plans.trace.len(), 20);
    assert!(plans.trace[19].mean[0] < plans.trace[0].mean[0]);
    assert!(plans.trace.iter().all(|round| round.best[0] <= round.mean[0]));
}

#[test]
fn a_kept_sequence_never_gets_lost() {
    let plans = Ask::default().with(&set(&thorough(), json!({ "keep": 2, "samples": 16, "iterations": 12 }))).unwrap();
    assert!(plans.trace.windows(2).all(|pair| pair[1].best[0] <= pair[0].best[0]), "{:?}", plans.trace);
}

#[test]
fn a_warm_start_shifts_by_what_was_executed_and_fills_up_with_the_middle() {
    let config = planner(json!({ "kind": "cem", "horizon": 4, "init_std": 1e-6, "min_std": 0.0, "replan_every": 1 }));
    let mut before = Ask::default().with(&config).unwrap();
    before.actions = vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.1];
    let warm = Some(Warm { plans: &before, executed: 3 });
    let after = Ask { warm, ..Ask::default() }.with(&config).unwrap();
    let expected = [0.7, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert!(after.actions.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}", after.actions);
    // A plan that breaks a guardrail was not executed.
    let refused = Plans { violation: vec![0.5], ..before.clone() };
    let warm = Some(Warm { plans: &refused, executed: 3 });
    let again = Ask { warm, ..Ask::default() }.with(&config).unwrap();
    assert!(again.actions.iter().zip(&before.actions).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}", again.actions);
    assert_eq!(before.remainder(0, 1, 2), [0.3, 0.4, 0.5, 0.6]);
    assert_eq!(before.remainder(0, 9, 1), [0.0, 0.0]);
}

#[test]
fn a_candidate_of_nan_energy_is_never_chosen() {
    for config in all() {
        for returns in RETURNS {
            let config = set(&config, json!({ "returns": returns }));
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
    // 1 - (1, 2) . (0, 1) / sqrt(5), 1 - (3, 5) . (0, 1) / sqrt(34)
    let cosine = energy(Norm::Cosine);
    assert!(
        (cosine[0] - (1.0 - 2.0 / 5f32.sqrt())).abs() < 1e-6 && (cosine[1] - (1.0 - 5.0 / 34f32.sqrt())).abs() < 1e-6
    );
}

#[test]
fn a_weighted_sum_adds_what_actions_cost_by_themselves() {
    let device = Device::flex();
    // Two blocks of two control steps of one number.
    let actions = Tensor::<3>::from_data([[[1.0, 2.0], [4.0, 4.0]]], &device);
    let read = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap()[0];
    let effort = ActionCost { effort: 1.0, smoothness: 0.0, dims: 1 };
    let smoothness = ActionCost { effort: 0.0, smoothness: 1.0, dims: 1 };
    assert_eq!(read(effort.way_cost(&way(actions.clone())).unwrap()), (1.0 + 4.0 + 16.0 + 16.0) / 4.0);
    assert_eq!(read(smoothness.way_cost(&way(actions.clone())).unwrap()), (1.0 + 4.0 + 0.0) / 3.0);
    let sum = WeightedSum(vec![(2.0, Box::new(LatentDistance::default())), (0.5, Box::new(effort))]);
    assert_eq!(read(sum.way_cost(&way(actions)).unwrap()), 0.5 * 9.25);
    let futures = points(&[1.0, 2.0]).reshape([1, 1, 1, 2]);
    assert_eq!(sum.energy(futures, points(&[0.0, 1.0])).into_data().try_into_vec::<f32>().unwrap(), [2.0]);

    // Effort makes plans shorter, in every planner alike.
    let far = |weight| {
        let cost = ActionCost { effort: weight, smoothness: 0.0, dims: 2 };
        let objective = WeightedSum(vec![(1.0, Box::new(LatentDistance::default())), (1.0, Box::new(cost))]);
        let plans = Ask { objective: &objective, ..Ask::default() }.with(&thorough()).unwrap();
        plans.actions.iter().map(|a| a * a).sum::<f32>()
    };
    assert!(far(30.0) < 0.9 * far(0.0), "{} {}", far(30.0), far(0.0));
}

#[test]
fn an_objective_that_watches_the_way_sees_it_where_only_the_end_counts() {
    let config = set(&thorough(), json!({ "over": "last" }));
    let highest = |weight| {
        let objective = WeightedSum(vec![(1.0, Box::new(LatentDistance::default())), (weight, Box::new(Lit))]);
        let goals = &[4.0, 0.0];
        let plans = Ask { objective: &objective, goals, ..Ask::default() }.with(&config).unwrap();
        let mut at = [0.0; 2];
        let steps = plans.actions.chunks(2).map(|action| {
            at = [at[0] + action[0], at[1] + action[1]];
            at[1]
        });
        let highest = steps.fold(f32::NEG_INFINITY, f32::max);
        assert!((at[0] - 4.0).abs() < 0.5 && at[1].abs() < 0.5, "{at:?}");
        highest
    };
    // The straight way is in the dark; the light is above.
    assert!(highest(0.0) < 0.7 && highest(1.0) > 1.0, "{} {}", highest(0.0), highest(1.0));
}

#[test]
fn a_trajectory_knows_where_its_actions_are_taken() {
    let trajectory = Trajectory {
        start: points(&[1.0, 2.0]),
        latents: points(&[3.0, 4.0, 5.0, 6.0]).reshape([1, 2, 1, 2]),
        actions: Tensor::zeros([1, 2, 2], &Device::flex()),
    };
    let before = trajectory.before().into_data().try_into_vec::<f32>().unwrap();
    assert_eq!(before, [1.0, 2.0, 3.0, 4.0]);
}

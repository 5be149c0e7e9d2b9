//! The agent in closed loop on the plane.

mod toy;

use std::cell::Cell;
use std::sync::Mutex;

use burn::prelude::*;
use gedanken_planner::{Agent, LatentDistance, PlanError, Planner, PlannerConfig, World, strategies};
use serde_json::json;
use toy::{Plane, plane_bounds, points, set};

fn cem(keys: serde_json::Value) -> PlannerConfig {
    set(&PlannerConfig::default(), keys)
}

fn init(config: &PlannerConfig) -> Planner {
    config.init(&strategies()).unwrap()
}

/// The plane, noting what is asked of it.
#[derive(Default)]
struct Watched {
    horizons: Mutex<Vec<usize>>,
}

impl World for Watched {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        self.horizons.lock().unwrap().push(actions.dims()[1]);
        Plane.rollout(latents, actions)
    }
}

/// Runs `steps` steps from the positions `at`; the agent, where it ended, and how often it looked.
fn run(
    config: &PlannerConfig,
    seeds: &[u64],
    at: &[f32],
    goals: &[f32],
    steps: usize,
    world: &dyn World,
) -> (Agent, Vec<f32>, usize) {
    let looks = Cell::new(0);
    let mut agent = Agent::new(init(config), plane_bounds(), seeds.to_vec()).unwrap();
    let mut at = at.to_vec();
    for step in 0..steps {
        let look = || {
            looks.set(looks.get() + 1);
            points(&at)
        };
        let actions = agent.act(world, &LatentDistance::default(), &[], &look, &points(goals), steps - step).unwrap();
        at.iter_mut().zip(actions).for_each(|(x, a)| *x += a);
    }
    (agent, at, looks.get())
}

#[test]
fn the_agent_arrives_at_every_goal() {
    let (agent, end, _) =
        run(&PlannerConfig::default(), &[1, 2], &[0.0, 0.0, 5.0, 5.0], &[6.0, 8.0, 0.0, 1.0], 20, &Plane);
    assert!(end.iter().zip([6.0, 8.0, 0.0, 1.0]).all(|(x, goal)| (x - goal).abs() < 0.3), "{end:?}");
    assert_eq!(agent.effort().plans, 5);
    assert!(agent.effort().milliseconds_per_plan() > 0.0);
    assert_eq!(agent.executed(), 4);
}

#[test]
fn what_it_does_in_a_task_does_not_depend_on_the_others() {
    let config = cem(json!({ "horizon": 6, "replan_every": 2 }));
    let (_, together, _) = run(&config, &[1, 2], &[0.0, 0.0, 5.0, 5.0], &[6.0, 8.0, 0.0, 1.0], 7, &Plane);
    let (_, alone, _) = run(&config, &[2], &[5.0, 5.0], &[0.0, 1.0], 7, &Plane);
    assert_eq!(alone, together[2..]);
}

#[test]
fn a_task_goes_on_as_before_when_others_have_ended() {
    let (config, goals) = (cem(json!({ "replan_every": 2 })), [6.0, 8.0, 0.0, 1.0]);
    let act = |agent: &mut Agent, goals: &[f32], step: usize| {
        let look = || points(&vec![5.0; goals.len()]);
        agent.act(&Plane, &LatentDistance::default(), &[], &look, &points(goals), 9 - step).unwrap()
    };
    let [mut both, mut fewer] = [(); 2].map(|()| Agent::new(init(&config), plane_bounds(), vec![1, 2]).unwrap());
    assert_eq!(act(&mut both, &goals, 0), act(&mut fewer, &goals, 0));
    fewer.retain(&[false, true]);
    for step in 1..6 {
        assert_eq!(act(&mut both, &goals, step)[2..], act(&mut fewer, &goals[2..], step));
    }
}

#[test]
fn it_looks_only_when_a_plan_is_due_and_never_past_the_end() {
    let config = cem(json!({ "horizon": 4, "replan_every": 2, "iterations": 1 }));
    let world = Watched::default();
    let (agent, _, looks) = run(&config, &[1], &[0.0, 0.0], &[3.0, 0.0], 7, &world);
    assert_eq!(looks, 4);
    // Each plan imagines its candidates, in two halves, then its mean.
    assert_eq!(*world.horizons.lock().unwrap(), [4, 4, 4, 4, 4, 4, 3, 3, 3, 1, 1, 1]);
    assert_eq!(agent.effort().evaluations, (64 + 1) * (4 + 4 + 3 + 1));
    assert_eq!(agent.plans().map(|plans| plans.horizon), Some(1));
}

#[test]
fn a_warm_start_goes_on_with_the_plan_and_a_cold_one_forgets_it() {
    // A single round of a few small samples cannot find the way in one plan: it has to be improved from plan to plan.
    let keys = json!({
        "horizon": 8, "replan_every": 1, "iterations": 1, "samples": 16, "init_std": 0.3, "smoothness": 0.8,
    });
    let distance = |warm_start: bool| {
        let config = set(&cem(keys.clone()), json!({ "warm_start": warm_start }));
        let (_, end, _) = run(&config, &[1], &[0.0, 0.0], &[30.0, 0.0], 30, &Plane);
        (end[0] - 30.0).hypot(end[1])
    };
    assert!(distance(true) + 3.0 < distance(false), "{} {}", distance(true), distance(false));
}

#[test]
fn no_task_no_step_and_a_wrong_number_of_latents_are_errors() {
    let config = PlannerConfig::default();
    assert_eq!(Agent::new(init(&config), plane_bounds(), Vec::new()).err(), Some(PlanError::NoTasks));
    let mut agent = Agent::new(init(&config), plane_bounds(), vec![1]).unwrap();
    let goals = points(&[0.0, 0.0]);
    let look = || points(&[0.0; 4]);
    let mut act = |steps| agent.act(&Plane, &LatentDistance::default(), &[], &look, &goals, steps);
    assert_eq!(act(0), Err(PlanError::NoSteps));
    assert!(matches!(act(5), Err(PlanError::Shape { what: "present", .. })));
}

/// The plane, on which an action is a block of two control steps.
struct Pairs;

impl World for Pairs {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        let [rows, horizon, _] = actions.dims();
        let moves = actions.reshape([rows, horizon, 2, 2]).sum_dim(2).reshape([rows, horizon, 2]);
        Plane.rollout(latents, moves)
    }
}

#[test]
fn within_a_block_it_looks_again_and_the_last_block_is_carried_out() {
    let bounds = plane_bounds().frameskip(2).unwrap();
    let act = |keys: serde_json::Value| {
        let mut agent = Agent::new(init(&cem(keys)), bounds.clone(), vec![1]).unwrap();
        let (mut at, goal, mut looked) = ([0.0, 0.0], points(&[4.0, 3.0]), Vec::new());
        for step in 0..11 {
            let looks = Cell::new(false);
            let look = || {
                looks.set(true);
                points(&at)
            };
            let due = agent.is_due(11 - step);
            let action = agent.act(&Pairs, &LatentDistance::default(), &[], &look, &goal, 11 - step).unwrap();
            assert_eq!((action.len(), looks.get()), (2, due), "one control step's action");
            looked.extend(due.then_some(step));
            at.iter_mut().zip(action).for_each(|(x, a)| *x += a);
        }
        (looked, (at[0] - 4.0).hypot(at[1] - 3.0))
    };
    let (looked, distance) = act(json!({ "horizon": 3, "replan_every": 1, "iterations": 6 }));
    assert_eq!(looked, [0, 2, 4, 6, 8, 10], "after every block of two");
    assert!(distance < 0.5, "{distance}");
    let (looked, distance) = act(json!({ "horizon": 3, "replan_every": 1, "replan_steps": 1, "iterations": 6 }));
    assert_eq!(looked, (0..10).collect::<Vec<_>>(), "after every control step, but for the last of the last block");
    assert!(distance < 0.5, "{distance}");
    assert_eq!(
        act(json!({ "horizon": 3, "replan_every": 1, "replan_steps": 3 })).0,
        [0, 3, 6, 9],
        "after one block and a half"
    );
    assert_eq!(act(json!({ "horizon": 1, "replan_every": 1, "replan_steps": 9 })).0.len(), 6, "no more than there is");
}

#[test]
fn the_rest_of_a_plan_moves_up_by_control_steps() {
    let mut agent = Agent::new(
        init(&cem(json!({ "horizon": 2, "replan_every": 1 }))),
        plane_bounds().frameskip(2).unwrap(),
        vec![1],
    )
    .unwrap();
    let goal = points(&[9.0, 9.0]);
    agent.act(&Pairs, &LatentDistance::default(), &[], &|| points(&[0.0, 0.0]), &goal, 8).unwrap();
    let plans = agent.plans().unwrap();
    let whole = plans.sequence(0).to_vec();
    assert_eq!((whole.len(), plans.steps()), (8, 4));
    assert_eq!(plans.at(3), whole[6..]);
    assert_eq!(plans.remainder(0, 1, 2), [&whole[2..], &[0.0, 0.0]].concat());
    assert_eq!(plans.remainder(0, 9, 1), [0.0; 4]);
}

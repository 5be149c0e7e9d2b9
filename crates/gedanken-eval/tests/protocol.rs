//! Protocols: tasks, floors, and the true simulator in the planner's place.

use burn::tensor::{Device, Tensor};
use gedanken_env::{Env, Many};
use gedanken_eval::{
    Actor, CostRule, EvalConfig, EvalError, LabelCost, Labels, Perceive, Planning, Row, Rule, Scripted, Tasks, Thinker,
    TrueWorld,
};
use gedanken_planner::{Cem, Objective, PlanConfig, Planner, World};

fn two_rooms(rule: &str) -> Box<dyn Env> {
    let entry = gedanken_two_rooms::entry();
    let mut options = entry.defaults();
    options["rule"] = rule.into();
    entry.make(&options).unwrap()
}

fn rate(env: &dyn Env, policy: &str, count: usize) -> f64 {
    let config = EvalConfig::default();
    let tasks = Tasks::of(env, &config, count);
    let episodes = tasks.run(&mut Scripted::new([policy])).unwrap();
    Row::of(policy, "", &episodes, Rule::Final, env.spec().require_task().unwrap().radius, 0.0).success
}

#[test]
fn the_floors_and_the_ceiling_are_the_references() {
    for (rule, blind) in [("stop", 0.17), ("bounce", 0.40)] {
        let env = two_rooms(rule);
        assert_eq!(rate(env.as_ref(), "expert", 200), 1.0, "{rule}");
        let straight = rate(env.as_ref(), "straight", 400);
        // Three standard errors of 400 tasks.
        assert!((straight - blind).abs() < 3.0 * (blind * (1.0 - blind) / 400.0_f64).sqrt(), "{rule}: {straight}");
        assert!(rate(env.as_ref(), "uniform", 100) < 0.03, "{rule}");
    }
}

#[test]
fn a_task_is_the_same_whatever_tasks_stand_beside_it() {
    let (env, config) = (two_rooms("bounce"), EvalConfig { budget: 30, ..EvalConfig::default() });
    let run = |count| Tasks::of(env.as_ref(), &config, count).run(&mut Scripted::new(["uniform"])).unwrap();
    let (few, many) = (run(3), run(10));
    assert_eq!(few.distances, many.distances[..3]);
    assert_eq!(few.distances[0].len(), 31);
}

/// Goes elsewhere before it begins, and stays there.
struct Elsewhere;

impl Actor for Elsewhere {
    fn begin(&mut self, envs: &mut Many, _: usize, _: u64) -> Result<(), EvalError> {
        envs.envs_mut().iter_mut().for_each(|env| env.reset(7));
        Ok(())
    }

    fn act(&mut self, _: &Many, _: usize, _: &mut [f32]) -> Result<(), EvalError> {
        Ok(())
    }
}

#[test]
fn a_task_starts_where_the_protocol_says_wherever_its_actor_would_begin() {
    let (env, config) = (two_rooms("stop"), EvalConfig { budget: 3, ..EvalConfig::default() });
    let tasks = Tasks::of(env.as_ref(), &config, 5);
    let mut steps = Vec::new();
    let episodes = tasks.watch(&mut Elsewhere, &mut |now| steps.push((now.step, now.taken.to_vec()))).unwrap();
    let start = tasks.start().distances();
    assert!(episodes.distances.iter().zip(start).all(|(distances, start)| *distances == [start; 4]));
    assert_eq!(steps, [0, 1, 2, 3].map(|step| (step, vec![0.0; 10])), "what no actor writes keeps still");
    assert!(episodes.planned.is_none());
}

/// The first tasks.
fn started(env: &dyn Env, tasks: usize) -> Many {
    Tasks::of(env, &EvalConfig::default(), tasks).start()
}

#[test]
fn the_simulator_imagines_what_happens() {
    let env = two_rooms("stop");
    let (world, start) = (TrueWorld::default(), started(env.as_ref(), 2));
    let actions: Vec<f32> = (0..2 * 5 * 2).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
    let future = world
        .rollout(world.present(&start), Tensor::<1>::from_data(actions.as_slice(), &Device::flex()).reshape([2, 5, 2]));
    assert_eq!(future.dims(), [2, 5, 1, 5]);
    let (unseen, action) = (Tensor::full([1, 1, 5], 2.0, &Device::flex()), Tensor::zeros([1, 1, 2], &Device::flex()));
    let unseen = world.rollout(unseen, action).into_data().try_to_vec::<f32>().unwrap();
    assert!(unseen.iter().all(|x| x.is_nan()), "nobody knows the future of a third environment: {unseen:?}");
    let imagined = future.into_data().try_to_vec::<f32>().unwrap();
    for (task, env) in start.envs().iter().enumerate() {
        let mut env = env.boxed_clone();
        let mut labels = [0.0; 4];
        for step in 0..5 {
            env.step(&actions[(task * 5 + step) * 2..][..2]);
            env.labels(&mut labels);
            let row = &imagined[(task * 5 + step) * 5..][..5];
            assert_eq!((row[0], &row[1..]), (task as f32, &labels[..]));
        }
    }
}

#[test]
fn label_costs_are_the_environments() {
    let env = two_rooms("stop");
    let (world, start) = (TrueWorld::default(), started(env.as_ref(), 3));
    let (mut labels, mut goals) = ([0.0; 12], [0.0; 12]);
    start.labels(&mut labels);
    start.goal_labels(&mut goals);
    for rule in [CostRule::Plain, CostRule::ToGo] {
        let cost = LabelCost { env: env.as_ref(), labels: Labels::Simulated, rule };
        let now = world.present(&start).unsqueeze_dim::<4>(1);
        let energies = cost.energy(now, world.goals(&start)).into_data().try_to_vec::<f32>().unwrap();
        for (task, energy) in energies.into_iter().enumerate() {
            let (a, b) = (&labels[4 * task..][..4], &goals[4 * task..][..4]);
            let expected = match rule {
                CostRule::Plain => env.plain_distance(a, b).unwrap(),
                CostRule::ToGo => env.cost_to_go(a, b).unwrap(),
            };
            assert!((f64::from(energy) - expected).abs() < 1e-3);
        }
    }
}

/// The cost of a model that has diverged.
struct Diverged;

impl Objective for Diverged {
    fn energy(&self, futures: Tensor<4>, _: Tensor<3>) -> Tensor<2> {
        let [rows, horizon, _, _] = futures.dims();
        Tensor::full([rows, horizon], f32::NAN, &futures.device())
    }
}

#[test]
fn a_model_that_has_diverged_has_not_arrived() {
    let env = two_rooms("stop");
    let world = TrueWorld::default();
    let thinker = Thinker {
        world: &world,
        objective: &Diverged,
        guardrails: &[],
        planner: &Planner::default(),
        frameskip: 1,
        arrived: Some(3.0),
    };
    let config = EvalConfig::default();
    let error = Tasks::of(env.as_ref(), &config, 2).run(&mut Planning::new(thinker)).unwrap_err();
    assert!(error.to_string().contains("not one of 64 imagined futures has a finite energy"), "{error}");
}

#[test]
fn a_perfect_model_under_the_true_cost_solves_every_task_and_stops_when_it_has_arrived() {
    let env = two_rooms("stop");
    let config = EvalConfig { budget: 120, ..EvalConfig::default() };
    let world = TrueWorld::default();
    let objective = LabelCost { env: env.as_ref(), labels: Labels::Simulated, rule: CostRule::ToGo };
    let plan = PlanConfig { max_norm: Some(1.8), ..PlanConfig::default() };
    let planner = Planner::new(Box::new(Cem::default()), plan).unwrap();
    let mut actor = Planning::new(Thinker {
        world: &world,
        objective: &objective,
        guardrails: &[],
        planner: &planner,
        frameskip: 1,
        arrived: Some(0.8),
    });
    let mut acting = Vec::new();
    let tasks = Tasks::of(env.as_ref(), &config, 10);
    let episodes =
        tasks.watch(&mut actor, &mut |now| acting.push(now.actor.agent().map_or(0, |(_, tasks)| tasks.len()))).unwrap();
    let row = Row::of("", "", &episodes, Rule::Final, 4.5, 0.0);
    assert_eq!(row.success, 1.0);
    assert_eq!((acting[0], acting[120]), (10, 0));
    assert!(row.evaluations_per_task.unwrap() < 120.0 / 4.0 * 16.0 * (3.0 * 64.0 + 1.0));
}

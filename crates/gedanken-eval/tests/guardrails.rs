//! Guardrails in closed loop, with the true simulator in the model's place.

use burn::tensor::{Device, Tensor};
use gedanken_env::Env;
use gedanken_eval::{
    ActionNorm, Ahead, CostRule, Episodes, EvalConfig, GuardrailConfig, KeepOut, LabelCost, Labels, Margin, Planning,
    Row, Rule, StayWithin, Sureness, Tasks, Thinker, TrueWorld, guardrails,
};
use gedanken_planner::{Cem, Guardrail, PlanConfig, Planner, Trajectory};

fn two_rooms() -> Box<dyn Env> {
    let entry = gedanken_two_rooms::entry();
    let mut options = entry.defaults();
    options["walls"] = "fixed".into();
    entry.make(&options).unwrap()
}

fn exact(clearance: f64) -> Margin {
    Margin { fixed: Some(0.0), clearance, ..Margin::default() }
}

/// A disc in front of the door, which is at (32, 18).
fn disc() -> GuardrailConfig {
    GuardrailConfig::KeepOut(KeepOut {
        label: "agent".into(),
        center: vec![42.0, 24.0],
        radius: 6.0,
        margin: exact(4.0),
    })
}

fn build(env: &dyn Env, configs: &[GuardrailConfig]) -> Result<Vec<Box<dyn Guardrail + 'static>>, String> {
    let world = TrueWorld::default();
    let ahead = Ahead { look: 4, horizon: 12, frameskip: 1 };
    guardrails(configs, &world, Labels::Simulated, env, ahead, 1).map_err(|error| error.to_string())
}

fn run(env: &dyn Env, config: &EvalConfig, kept: &[Box<dyn Guardrail>]) -> Episodes {
    let world = TrueWorld::default();
    let objective = LabelCost { env, labels: Labels::Simulated, rule: CostRule::ToGo };
    let plan = PlanConfig { max_norm: Some(1.8), ..PlanConfig::default() };
    let planner = Planner::new(Box::new(Cem::default()), plan).unwrap();
    let mut actor = Planning::new(Thinker {
        world: &world,
        objective: &objective,
        guardrails: kept,
        planner: &planner,
        frameskip: 1,
        arrived: None,
    });
    Tasks::of(env, config, 20).run(&mut actor).unwrap()
}

#[test]
fn a_perfect_model_goes_around_what_is_forbidden_and_a_free_one_goes_through() {
    let env = two_rooms();
    let config = EvalConfig { guardrails: vec![disc()], budget: 100, ..EvalConfig::default() };
    let kept = build(env.as_ref(), &config.guardrails).unwrap();
    let (guarded, free) = (run(env.as_ref(), &config, &kept), run(env.as_ref(), &config, &[]));
    let row = |episodes: &Episodes| Row::of("", "", episodes, Rule::Final, 4.5, 0.0);
    assert_eq!(row(&guarded).violated, Some(0.0), "{:?}", guarded.broken);
    assert!(row(&free).violated.unwrap() > 0.3);
    assert!(row(&guarded).success > 0.9, "{}", row(&guarded).success);
    // No task starts or ends in the disc or within the clearance.
    let start = Tasks::of(env.as_ref(), &config, 60).start();
    for env in start.envs() {
        let (mut at, mut goal) = (vec![0.0; 4], vec![0.0; 4]);
        env.labels(&mut at);
        env.goal_labels(&mut goal);
        assert!([at, goal].iter().all(|place| (place[0] - 42.0).hypot(place[1] - 24.0) > 10.0));
    }
}

#[test]
fn where_every_plan_breaks_a_guardrail_the_agent_keeps_still_and_says_so() {
    let env = two_rooms();
    // The tasks are drawn without it: the agent stands far outside of where it may be.
    let corner = GuardrailConfig::StayWithin(StayWithin {
        label: "agent".into(),
        low: vec![0.0, 0.0],
        high: vec![1.0, 1.0],
        margin: exact(0.0),
    });
    let kept = build(env.as_ref(), std::slice::from_ref(&corner)).unwrap();
    let config = EvalConfig { budget: 12, ..EvalConfig::default() };
    let episodes = run(env.as_ref(), &config, &kept);
    assert!(episodes.distances.iter().all(|task| task[0] == task[12]), "nobody moved");
    let effort = episodes.planned.unwrap().effort;
    assert_eq!(effort.broken, effort.task_plans);
}

#[test]
fn what_cannot_be_is_said_before_anything_is_planned() {
    let env = two_rooms();
    let within = |low: f64, high: f64| {
        GuardrailConfig::StayWithin(StayWithin {
            label: "agent".into(),
            low: vec![low; 2],
            high: vec![high; 2],
            margin: exact(0.0),
        })
    };
    let out = |label: &str, center: Vec<f64>, radius| {
        GuardrailConfig::KeepOut(KeepOut { label: label.into(), center, radius, margin: exact(0.0) })
    };
    for (configs, said) in [
        (vec![within(40.0, 44.0), out("agent", vec![42.0, 42.0], 9.0)], "contradict"),
        (vec![within(10.0, 20.0), within(30.0, 40.0)], "contradict"),
        (vec![out("agnet", vec![1.0, 1.0], 1.0)], "\"agnet\" is no label of two-rooms; there are agent, wall, door"),
        (vec![out("agent", vec![1.0], 1.0)], "expected 2"),
        (vec![out("agent", vec![1.0, f64::NAN], 1.0)], "expected numbers"),
        (vec![disc(), out("agent", vec![1.0, 1.0], 0.0)], "eval.guardrails.1: radius 0"),
        (vec![within(5.0, 5.0)], "each low below its high"),
        (vec![GuardrailConfig::ActionLimit(ActionNorm { norm: -1.0 })], "norm -1"),
        (vec![GuardrailConfig::Uncertainty(Sureness::default())], "a simulator is never uncertain"),
    ] {
        let error = build(env.as_ref(), &configs).err().unwrap_or_default();
        assert!(error.contains(said), "{error:?} has no {said:?}");
    }
    assert!(build(env.as_ref(), &[within(5.0, 40.0), disc()]).is_ok());
}

#[test]
fn the_violation_is_how_far_inside_the_margin_a_place_is() {
    let env = two_rooms();
    let margin = Margin { fixed: Some(1.5), ..Margin::default() };
    let region = KeepOut { label: "agent".into(), center: vec![10.0, 10.0], radius: 2.0, margin };
    let kept = build(env.as_ref(), &[GuardrailConfig::KeepOut(region)]).unwrap();
    // Simulated latents: the task, then the labels; 3 and 5 px from the middle.
    let device = Device::flex();
    let futures = Tensor::<4>::from_data([[[[0.0, 13.0, 10.0, 32.0, 18.0]], [[0.0, 10.0, 5.0, 32.0, 18.0]]]], &device);
    let way = Trajectory {
        start: Tensor::zeros([1, 1, 5], &device),
        latents: futures,
        actions: Tensor::zeros([1, 2, 2], &device),
    };
    let by = kept[0].violation(&way).into_data().try_to_vec::<f32>().unwrap();
    assert!((by[0] - 0.5).abs() < 1e-5 && (by[1] + 1.5).abs() < 1e-5, "{by:?}");
}

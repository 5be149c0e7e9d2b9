//! Push-T with places for actions (a box from 0 to 512 px), planned on the true simulator.

use gedanken::env::Env;
use gedanken::eval::{CostRule, EvalConfig, LabelCost, Labels, Planning, Tasks, Thinker, TrueWorld};
use gedanken::planner::{Planner, PlannerConfig};
use serde_json::json;

/// Mean share of the distance to the goal that is left at the end of six tasks.
fn left(env: &dyn Env, planner: &Planner) -> f64 {
    let config = EvalConfig { budget: 20, ..EvalConfig::default() };
    let objective = LabelCost { env, labels: Labels::Simulated, rule: CostRule::Plain };
    let thinker = Thinker {
        world: &TrueWorld::default(),
        objective: &objective,
        guardrails: &[],
        planner,
        frameskip: 5,
        arrived: None,
    };
    let episodes = Tasks::of(env, &config, 6).run(&mut Planning::new(thinker)).expect("plans");
    let shares: Vec<f64> = episodes.distances.iter().map(|d| d[20] / d[0]).collect();
    shares.iter().sum::<f64>() / 6.0
}

#[test]
fn every_strategy_plans_with_places_about_as_well_as_with_steps() {
    let environment =
        |action: &str| gedanken_push_t::entry().make(&json!({ "size": 16, "action": action })).expect("push-T");
    for kind in ["random", "cem", "icem", "mppi"] {
        let keys = json!({ "kind": kind, "horizon": 2, "replan_every": 1, "samples": 48 });
        let config: PlannerConfig = serde_json::from_value(keys).expect("a planner");
        let planner = config.init(&gedanken::parts().strategies).expect("a planner");
        let [steps, places] = ["relative", "absolute"].map(|action| left(environment(action).as_ref(), &planner));
        assert!(places < 0.9 && places < steps + 0.15, "{kind}: {places} with places, {steps} with steps");
    }
}

//! What a world proposes to a planner.

mod toy;

use serde_json::json;
use toy::{Ask, Guided, planner, set};

#[test]
fn what_the_world_proposes_is_a_plan_and_where_a_search_starts() {
    let guided = Ask { world: &Guided, ..Ask::default() };
    let keys = json!({ "horizon": 8, "over": "last", "proposals": true });
    let actor = set(&planner(json!({ "kind": "actor" })), keys.clone());
    let plans = guided.with(&actor).unwrap();
    // Eight steps of (3, 4) / 8, which arrive.
    assert_eq!(plans.actions, [0.375, 0.5].repeat(8));
    assert!(plans.energy[0] < 1e-9 && plans.evaluations == [8], "{plans:?}");
    // A search keeps the way that it starts around where it finds none that is better.
    let narrow = json!({ "samples": 8, "iterations": 1, "init_std": 0.01, "returns": "best" });
    for kind in ["cem", "icem", "mppi", "random"] {
        let search = set(&set(&planner(json!({ "kind": kind })), keys.clone()), narrow.clone());
        assert!(guided.with(&search).unwrap().energy[0] < 1e-4, "{kind}");
        assert!(Ask::default().with(&search).unwrap().energy[0] > 1.0, "{kind}: nobody proposes anything");
        let without = set(&search, json!({ "proposals": false }));
        assert_eq!(Ask::default().with(&search), Ask::default().with(&without), "{kind}");
    }
}

//! The `[planner]` table keeps its keys where its kind changes, as far as the new kind has them.

use std::collections::BTreeSet;

use gedanken_planner::{Catalog, PlannerConfig, Strategy};

use super::tree::{Node, PLANNER};

/// The keys of every planner and of this strategy; none where nobody has it.
pub(super) fn keys(strategies: &Catalog<dyn Strategy>, kind: &str) -> Option<BTreeSet<String>> {
    let schemas = [super::schema::<PlannerConfig>(), strategies.entry(kind).ok()?.schema()];
    Some(
        schemas
            .iter()
            .filter_map(|schema| schema["properties"].as_object())
            .flat_map(|keys| keys.keys().cloned())
            .collect(),
    )
}

/// The `kind` of the planner in a tree.
pub(super) fn kind(root: &Node) -> Option<&str> {
    root.get(PLANNER)?.get("kind")?.as_str()
}

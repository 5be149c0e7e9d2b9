//! Gedanken's program with parts of another crate: an environment, an encoder, a predictor, a target, a term of the loss and a
//! planner. `own-parts train experiment.toml` trains, plans and evaluates with them.

mod barlow;
mod block_means;
#[path = "../../../crates/gedanken/examples/own_environment/field.rs"]
mod field;
mod hill_climbing;
mod linear;
mod normalized;

fn main() -> std::process::ExitCode {
    gedanken::main(parts())
}

/// Gedanken's parts and these.
fn parts() -> gedanken::Parts {
    gedanken::parts()
        .environment(field::entry())
        .encoder::<block_means::BlockMeansConfig>("block-means")
        .predictor::<linear::LinearConfig>("linear")
        .target::<normalized::Normalized>("normalized")
        .term::<barlow::Barlow>("barlow")
        .strategy::<hill_climbing::HillClimbing>("hill-climbing")
}

#[cfg(test)]
mod tests {
    use gedanken::model::{TermTable, conformance};
    use gedanken_parts::Table;

    /// Each part keeps the promises of its kind, on the CPU and on a software GPU where there is one.
    #[test]
    fn every_part_conforms() {
        let parts = super::parts();
        let devices: Vec<_> = gedanken::device::choose("wgpu:software").into_iter().map(|chosen| chosen.device).collect();
        let table = |kind: &str| Table { kind: kind.to_owned(), ..Table::default() };
        conformance::encoder(&parts.model, &table("block-means"), &devices).expect("the encoder");
        conformance::predictor(&parts.model, &table("linear"), &devices).expect("the predictor");
        conformance::target(&parts.model, &table("normalized"), &devices).expect("the target");
        conformance::term(&parts.model, "barlow", &TermTable::default(), &devices).expect("the term");
        gedanken::planner::conform(&super::hill_climbing::HillClimbing::default()).expect("the strategy");
        let env = gedanken::env::make(&parts.environments, "field", &serde_json::json!({}), &Default::default());
        gedanken::env::conformance::check(env.expect("an environment").as_mut()).expect("the environment");
    }
}

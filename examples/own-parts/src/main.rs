//! Gedanken's program with parts of another crate: an environment, an encoder, a predictor, a target, a term of the loss and a
//! planner. `own-parts train experiment.toml` trains, plans and evaluates with them.

mod barlow;
mod block_means;
#[path = "../../../crates/gedanken/examples/own_environment/field.rs"]
mod field;
mod hill_climbing;
mod linear;
mod stopped;

fn main() -> std::process::ExitCode {
    gedanken::main(
        gedanken::parts()
            .environment(field::entry())
            .encoder::<block_means::BlockMeansConfig>("block-means")
            .predictor::<linear::LinearConfig>("linear")
            .target::<stopped::Stopped>("stopped")
            .term::<barlow::Barlow>("barlow")
            .strategy::<hill_climbing::HillClimbing>("hill-climbing"),
    )
}

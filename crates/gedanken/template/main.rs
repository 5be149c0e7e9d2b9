//! Gedanken's program, with an environment of one's own in it.

mod environment;

fn main() -> std::process::ExitCode {
    gedanken::main(gedanken::parts().environment(environment::entry()))
}

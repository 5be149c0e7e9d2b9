//! The program with an environment of one's own in it.

mod field;

fn main() -> std::process::ExitCode {
    gedanken::main(gedanken::parts().environment(field::entry()))
}

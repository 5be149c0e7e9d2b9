//! The program `gedanken`.

fn main() -> std::process::ExitCode {
    gedanken::main(gedanken::parts())
}

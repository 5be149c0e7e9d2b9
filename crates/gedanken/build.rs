//! Link arguments of the program.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // At a fixed address: 7 MB of places that would have to be changed at every start are not needed.
    let target = |key: &str| std::env::var(key).unwrap_or_default();
    if target("CARGO_CFG_TARGET_OS") == "linux" && target("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

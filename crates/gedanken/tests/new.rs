//! `gedanken new`: a crate that cargo reads, and what is refused.

mod common;

use std::process::Command;

use common::{Place, names};
use toml::{Table, Value};

#[test]
fn a_new_crate_has_an_environment_an_experiment_and_gedanken_s_own_profile() {
    let place = Place::new();
    let said = place.run(&["new", "worlds/my-env"]).good();
    assert_eq!(said.last(), "worlds/my-env");
    let made = place.path("worlds/my-env");
    assert_eq!(names(&made), [".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "my-env.toml", "src"]);
    assert_eq!(names(&made.join("src")), ["environment.rs", "main.rs"]);
    let environment = place.read("worlds/my-env/src/environment.rs");
    assert!(environment.contains("entry(\"my-env\"") && !environment.contains("\"field\""), "{environment}");
    for file in ["README.md", "my-env.toml", "src/main.rs"] {
        let text = place.read(&format!("worlds/my-env/{file}"));
        assert!(!text.contains("NAME") && !text.contains("REPOSITORY"), "{file}: {text}");
    }

    // Every crate of Gedanken's is optimised as in its own workspace, where `"*"` does not speak of them.
    let manifest: Table = place.read("worlds/my-env/Cargo.toml").parse().expect("TOML");
    let packages = &manifest["profile"]["release"]["package"];
    for name in ["gedanken", "gedanken-nn", "gedanken-push-t"] {
        assert_eq!(packages[name]["opt-level"], Value::Integer(3), "{name}");
    }
    assert_eq!(packages["gedanken-kernels"]["codegen-units"], Value::Integer(64));

    // Cargo finds all of it in what is locked, and nothing to fetch.
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO")).args(arguments).current_dir(&made).output().expect("cargo starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let tree = cargo(&["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    assert!(tree.lines().any(|line| line.starts_with("burn v0.22.1")), "{tree}");
}

#[test]
fn what_is_there_already_or_has_no_good_name_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.path("there")).expect("a folder");
    place.write("there/file", "mine");
    for (arguments, names) in [
        (&["there"][..], "there: it is there already"),
        (&["My Env"], "\"My Env\" is no name"),
        (&["serde"], "expected another name"),
        (&["new-env", "--gedanken", "."], "--gedanken .: expected Gedanken's sources"),
    ] {
        let told = place.run(&[&["new"], arguments].concat());
        assert_eq!(told.bad_manners(names), None, "{}", told.err);
    }
    assert_eq!(place.read("there/file"), "mine");
    assert!(!place.path("new-env").exists());
}

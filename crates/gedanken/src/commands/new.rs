//! `gedanken new`: a crate with an environment of one's own.

use std::path::{Path, PathBuf};

use clap::Args;
use gedanken_run::{write_atomic, write_dir_atomic};
use toml::{Table, Value};

use super::{Failure, print};

#[derive(Args)]
pub struct NewArgs {
    /// The crate's folder, a new one; its name is the environment's: my-env
    folder: PathBuf,
    /// Gedanken's sources: a folder, or the address of a git repository. Default: those that this program was built from, if they are still
    /// there, else the project's repository
    #[arg(long, value_name = "SOURCES")]
    gedanken: Option<String>,
}

/// The workspace's own manifest and lock file: same versions, features and profile are one build.
const MANIFEST: &str = include_str!("../../../../Cargo.toml");
const LOCK: &str = include_str!("../../../../Cargo.lock");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Environment, with its test, and what stands around it; NAME is its name.
const ENVIRONMENT: &str =
    concat!(include_str!("../../examples/own_environment/field.rs"), include_str!("../../template/tests.rs"));
const MAIN: &str = include_str!("../../template/main.rs");
const EXPERIMENT: &str = include_str!("../../template/experiment.toml");
const README: &str = include_str!("../../template/README.md");
const IGNORED: &str = "/target\n/runs\n/data\n";

pub fn new(args: &NewArgs) -> Result<(), Failure> {
    let folder = &args.folder;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check(&name)?;
    if folder.exists() {
        return Err(format!("{}: it is there already; expected a new folder", folder.display()).into());
    }
    let gedanken = gedanken(args.gedanken.as_deref())?;
    let named = |text: &str| text.replace("NAME", &name).replace("REPOSITORY", REPOSITORY);
    write_dir_atomic::<Failure>(folder, |inside| {
        let files = [
            ("Cargo.toml", manifest(&name, gedanken)?),
            ("Cargo.lock", LOCK.to_owned()),
            (".gitignore", IGNORED.to_owned()),
            ("README.md", named(README)),
            (&format!("{name}.toml"), named(EXPERIMENT)),
            ("src/main.rs", MAIN.to_owned()),
            ("src/environment.rs", ENVIRONMENT.replace("\"field\"", &format!("\"{name}\""))),
        ];
        for (file, text) in files {
            write_atomic(&inside.join(file), text.as_bytes())?;
        }
        Ok(())
    })?;
    print(&folder.display().to_string())
}

/// A name that a crate, an environment and an experiment can have.
fn check(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) && name.len() <= 64;
    let taken =
        ["test", "core", "std", "alloc", "main"].contains(&name) || LOCK.contains(&format!("\nname = \"{name}\"\n"));
    match (good, taken) {
        (false, _) => {
            Err(format!("\"{name}\" is no name of a crate; expected a-z, 0-9, - and _, a letter first").into())
        }
        (_, true) => Err(format!(
            "\"{name}\" is a name of Rust's or of a crate that Gedanken is built from; expected another name"
        )
        .into()),
        _ => Ok(()),
    }
}

/// The dependency on Gedanken.
fn gedanken(sources: Option<&str>) -> Result<Table, Failure> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entry = |key: &str, value: &str| Table::from_iter([(key.to_owned(), Value::from(value))]);
    let path = |folder: &Path| Ok(entry("path", &super::absolute(folder).display().to_string()));
    match sources {
        None if built_from.join("Cargo.toml").is_file() => path(built_from),
        None => Ok(entry("git", REPOSITORY)),
        Some(address) if address.contains("://") || address.starts_with("git@") => Ok(entry("git", address)),
        Some(folder) => match Path::new(folder).join("crates/gedanken") {
            inside if inside.join("Cargo.toml").is_file() => path(&inside),
            _ => {
                Err(format!("--gedanken {folder}: expected Gedanken's sources, with crates/gedanken, or https://…")
                    .into())
            }
        },
    }
}

/// `Cargo.toml`: the workspace's profile, in which Gedanken's own crates are named, as they are dependencies here.
fn manifest(name: &str, gedanken: Table) -> Result<String, Failure> {
    let mut workspace: Table = MANIFEST.parse()?;
    let mut take = |key: &str| match workspace.remove(key) {
        Some(Value::Table(table)) => Ok::<Table, Failure>(table),
        _ => Err(format!("no [{key}] in the workspace's Cargo.toml").into()),
    };
    let (mut profile, mut house) = (take("profile")?, take("workspace")?);
    let known = house.remove("dependencies").and_then(|known| known.as_table().cloned()).unwrap_or_default();
    let release = profile.get_mut("release").and_then(Value::as_table_mut).ok_or("no release profile")?;
    let own: Table = ["opt-level", "codegen-units"]
        .iter()
        .filter_map(|&key| Some((key.to_owned(), release.get(key)?.clone())))
        .collect();
    let packages = release.get_mut("package").and_then(Value::as_table_mut).ok_or("no packages in the profile")?;
    for crate_name in known.keys().filter(|name| name.starts_with("gedanken")) {
        let entry = packages.entry(crate_name).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = entry {
            let of_its_own = std::mem::take(table);
            *table = own.clone().into_iter().chain(of_its_own).collect();
        }
    }
    let dependency = |name: &str| Some((name.to_owned(), known.get(name)?.clone()));
    let dependencies: Table = ["rand", "schemars", "serde"]
        .into_iter()
        .filter_map(dependency)
        .chain([("gedanken".to_owned(), Value::Table(gedanken))])
        .collect();
    let written = |key: &str, table: Table| toml::to_string(&Table::from_iter([(key.to_owned(), Value::Table(table))]));
    Ok(format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\nrust-version = \"{}\"\npublish = false\n\n\
         # A workspace of its own, wherever it lies.\n[workspace]\nresolver = \"3\"\n\n{}\n\
         # Gedanken's own: with the same profile, versions and features its crates are built once for both.\n{}",
        env!("CARGO_PKG_RUST_VERSION"),
        written("dependencies", dependencies)?,
        written("profile", profile)?
    ))
}

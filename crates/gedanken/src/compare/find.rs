//! The runs that arguments name: run folders, folders of runs (a sweep, an experiment, all experiments) and globs.

use std::path::{Path, PathBuf};

use gedanken_run::step_of;

/// The run folders of some paths, each once, in the order of the arguments and, within one, of their names.
///
/// # Errors
/// A path that is not there, or in which there is no run.
pub fn find(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for argument in arguments {
        let runs: Vec<PathBuf> = paths(argument)?.iter().flat_map(|path| runs(path, 2)).collect();
        let none = runs.is_empty();
        found.extend(runs.into_iter().filter(|run| seen.insert(run.canonicalize().unwrap_or_else(|_| run.clone()))));
        if none {
            let about = "there is no run in it; expected a folder with config.toml, or one that holds such folders";
            return Err(format!("{}: {about}", argument.display()));
        }
    }
    Ok(found)
}

/// The paths of an argument that may be a glob: not every shell expands them.
fn paths(argument: &Path) -> Result<Vec<PathBuf>, String> {
    let at = argument.display();
    if argument.exists() {
        return Ok(vec![argument.to_owned()]);
    }
    let text = argument.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(pattern) = text else { return Err(format!("{at}: no such file or folder")) };
    let matching = glob::glob(pattern).map_err(|error| format!("{at}: {error}"))?;
    let found: Vec<PathBuf> = matching.filter_map(Result::ok).collect();
    if found.is_empty() { Err(format!("{at}: nothing matches")) } else { Ok(found) }
}

/// The runs at most `depth` folders below a path.
fn runs(path: &Path, depth: usize) -> Vec<PathBuf> {
    if is_run(path) {
        return vec![path.to_owned()];
    }
    let Ok(inside) = std::fs::read_dir(path) else { return Vec::new() };
    let mut inside: Vec<PathBuf> = inside.filter_map(Result::ok).map(|entry| entry.path()).collect();
    inside.sort();
    match depth {
        0 => Vec::new(),
        depth => inside.iter().filter(|path| path.is_dir()).flat_map(|path| runs(path, depth - 1)).collect(),
    }
}

/// A checkpoint may hold a `config.toml` of its own, and is no run.
fn is_run(path: &Path) -> bool {
    path.join("config.toml").is_file() && step_of(path).is_none()
}

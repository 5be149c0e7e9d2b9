//! The module `gedanken._native`: what the Python package `gedanken` does in Rust. Arrays come as the bytes of contiguous NumPy arrays
//! and go as bytearrays, which NumPy takes as they are; shapes are the package's, and checked there.

mod arrays;
mod data;
mod evaluate;
mod model;
mod worlds;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use gedanken::env::Registry;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

create_exception!(gedanken, GedankenError, PyException, "What cannot be done, in a sentence.");

/// The exception of a sentence.
fn failed(error: impl std::fmt::Display) -> PyErr {
    GedankenError::new_err(error.to_string())
}

/// The environments that `gedanken.Env` makes.
fn environments() -> Registry {
    gedanken::parts().environments
}

/// All environments, as JSON: what `gedanken envs --json` prints of each, or why it is not here.
#[pyfunction]
fn catalogue() -> PyResult<String> {
    let described = |entry: &gedanken::env::Entry<dyn gedanken::env::Env>| {
        let mut value = match entry.make(&entry.defaults()) {
            Ok(env) => serde_json::to_value(env.spec()).unwrap_or_default(),
            Err(error) => serde_json::json!({ "name": entry.name(), "error": error.to_string() }),
        };
        value["options"] = entry.defaults();
        value
    };
    let all: Vec<serde_json::Value> = environments().entries().iter().map(described).collect();
    serde_json::to_string(&all).map_err(failed)
}

/// A picture u8 `[channels, height, width]` in colour, as films show it: u8 `[height, width, 3]`.
#[pyfunction]
fn colour<'py>(py: Python<'py>, pixels: &[u8], shape: [usize; 3]) -> PyResult<Bound<'py, PyByteArray>> {
    let [channels, height, width] = shape;
    if channels == 0 || pixels.len() != channels * height * width {
        return Err(failed(format!("{} pixels; expected a picture of {channels} x {height} x {width}", pixels.len())));
    }
    Ok(PyByteArray::new(py, gedanken::run::Picture::from_observation(pixels, channels, height, width).0.as_raw()))
}

/// The process whose threads share the work; 0 before the first.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Refuses work for several threads in a process that was forked from another: they stayed there, and it would wait for ever.
fn threads_are_here() -> PyResult<()> {
    let (here, there) = (std::process::id(), PROCESS.load(Ordering::Relaxed));
    match here == there {
        true => Ok(()),
        false => Err(failed(format!(
            "process {here} was forked from {there}, whose threads it does not have; start processes with multiprocessing's \"spawn\", \
             or import gedanken in each of them"
        ))),
    }
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    gedanken::threads::take_part().map_err(failed)?;
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("GedankenError", module.py().get_type::<GedankenError>())?;
    module.add_class::<worlds::Worlds>()?;
    module.add_class::<data::Dataset>()?;
    module.add_class::<model::Model>()?;
    module.add_class::<model::Agent>()?;
    module.add_function(wrap_pyfunction!(catalogue, module)?)?;
    module.add_function(wrap_pyfunction!(colour, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate::protocol, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate::evaluate, module)?)
}

/// A path for an error's sentence.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

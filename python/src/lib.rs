//! x
use pyo3::prelude::*;

#[pymodule]
fn _native(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    gedanken::threads::take_part().map_err(pyo3::exceptions::PyRuntimeError::new_err)
}

//! Somebody else's policy in a protocol of ours.

use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use gedanken::Grounds;
use gedanken::env::Many;
use gedanken::eval::{Actor, EvalError, Nobody, Row, Scripted, Tasks};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use serde_json::json;

use crate::arrays::{array, numbers};
use crate::failed;
use crate::worlds::sizes;

/// A Python function that acts: `(step, pixels, states, labels, goal pixels, goal labels, distances) -> actions`, all as bytes.
struct Callback {
    act: Py<PyAny>,
    /// The exception that it raised.
    raised: Option<PyErr>,
}

impl Actor for Callback {
    fn act(&mut self, envs: &Many, step: usize, actions: &mut [f32]) -> Result<(), EvalError> {
        let asked = Python::attach(|py| {
            py.check_signals()?;
            ask(py, &self.act, envs, step, actions.len())
        });
        match asked {
            Ok(chosen) => actions.copy_from_slice(&chosen),
            Err(error) => {
                let sentence = error.to_string();
                self.raised = Some(error);
                return Err(EvalError::Mismatch(sentence));
            }
        }
        Ok(())
    }
}

/// The actions that a function chooses for what is seen now.
fn ask(py: Python<'_>, act: &Py<PyAny>, envs: &Many, step: usize, count: usize) -> PyResult<Vec<f32>> {
    let Some(first) = envs.envs().first() else { return Ok(Vec::new()) };
    let [_, picture, label, state] = sizes(first.spec()).map(|size| size * envs.len());
    let (mut labels, mut goal_labels, mut states) = (vec![0.0; label], vec![0.0; label], vec![0.0; state]);
    envs.labels(&mut labels);
    envs.goal_labels(&mut goal_labels);
    let rows = states.chunks_mut(first.spec().state.len().max(1));
    envs.envs().iter().zip(rows).for_each(|(env, row)| env.state(row));
    let drawn = |observe: &(dyn Fn(&mut [u8]) + Sync)| {
        PyByteArray::new_with(py, picture, |pixels| {
            py.detach(|| observe(pixels));
            Ok(())
        })
    };
    let (pixels, goals) = (drawn(&|out| envs.observe(out))?, drawn(&|out| envs.observe_goal(out))?);
    let arguments = (
        step,
        pixels,
        array(py, &states)?,
        array(py, &labels)?,
        goals,
        array(py, &goal_labels)?,
        array(py, &envs.distances())?,
    );
    let chosen = act.bind(py).call1(arguments)?;
    let chosen = chosen.cast::<PyBytes>().map_err(|_| failed("actions that are no bytes"))?;
    numbers("actions", chosen.as_bytes(), count)
}

/// Plays the first tasks of the protocol of an experiment's file or of a run, by a function or by a scripted policy's name, then by floors and
/// the expert where `baselines` is true. Rows of a report, as JSON.
#[pyfunction]
pub fn evaluate(
    py: Python<'_>,
    place: PathBuf,
    set: Vec<String>,
    tasks: Option<usize>,
    policy: (String, Option<Py<PyAny>>),
    baselines: bool,
) -> PyResult<String> {
    let grounds = py.detach(|| open(&place, &set)).map_err(failed)?;
    let config = &grounds.experiment.eval;
    let drawn = py.detach(|| grounds.tasks(tasks.unwrap_or(config.tasks))).map_err(failed)?;
    let task = grounds.env.spec().require_task().map_err(failed)?;
    let radius = config.radius.unwrap_or(task.radius);
    let play = |name: &str, about: &str, actor: &mut (dyn Actor + Send)| -> Result<Row, EvalError> {
        let start = Instant::now();
        let episodes = drawn.run(actor)?;
        Ok(Row::of(name, about, &episodes, config.rule, radius, start.elapsed().as_secs_f64()))
    };
    let mut rows = Vec::new();
    match policy {
        (name, Some(act)) => {
            let mut callback = Callback { act, raised: None };
            let row = py.detach(|| play(&name, "the policy", &mut callback));
            if let Some(raised) = callback.raised {
                return Err(raised);
            }
            rows.push(row.map_err(failed)?);
        }
        (name, None) => {
            let about = "a scripted policy of the environment";
            rows.push(py.detach(|| play(&name, about, &mut Scripted::new([name.as_str()]))).map_err(failed)?);
        }
    }
    if baselines {
        for (name, about) in floors(&grounds, &drawn) {
            py.check_signals()?;
            let row = match name {
                "noop" => py.detach(|| play(name, about, &mut Nobody)),
                "replay" => py.detach(|| play(name, about, &mut drawn.replay()?)),
                name => py.detach(|| play(name, about, &mut Scripted::new([name]))),
            };
            rows.push(row.map_err(failed)?);
        }
    }
    let mut protocol = serde_json::to_value(config).map_err(failed)?;
    protocol["tasks"] = json!(drawn.count);
    let report = json!({
        "env": grounds.env.spec().name,
        "unit": task.unit,
        "radius": radius,
        "protocol": protocol,
        "remarks": drawn.remarks(),
        "rows": rows,
    });
    serde_json::to_string(&report).map_err(failed)
}

/// The environment and the radius of a protocol, as JSON.
#[pyfunction]
pub fn protocol(py: Python<'_>, place: PathBuf, set: Vec<String>) -> PyResult<String> {
    let grounds = py.detach(|| open(&place, &set)).map_err(failed)?;
    let spec = grounds.env.spec();
    let radius = grounds.experiment.eval.radius.unwrap_or(spec.require_task().map_err(failed)?.radius);
    serde_json::to_string(&json!({ "spec": spec, "radius": radius })).map_err(failed)
}

fn open(place: &Path, set: &[String]) -> Result<Grounds, String> {
    Grounds::open(place, set, &gedanken::parts()).map_err(|error| error.to_string())
}

/// Floors that know nothing and ceilings that know all, of those that this environment and these tasks have.
fn floors(grounds: &Grounds, tasks: &Tasks<'_>) -> Vec<(&'static str, &'static str)> {
    let recorded = tasks.pieces().is_some();
    let policies = &grounds.env.spec().policies;
    let all = [
        ("noop", "floor: keeps still"),
        ("uniform", "floor: random actions"),
        ("straight", "floor: straight at the goal, blind to walls"),
        ("replay", "ceiling: the recorded actions"),
        ("expert", "ceiling: the scripted expert"),
    ];
    let here = |name: &str| match name {
        "noop" | "replay" => recorded,
        name => policies.iter().any(|policy| policy.name == name),
    };
    all.into_iter().filter(|(name, _)| here(name)).collect()
}

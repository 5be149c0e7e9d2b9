//! Environments of one kind, stepped and drawn together: what both `gedanken.Env` and `gedanken.VectorEnv` are made of.

use std::collections::BTreeMap;

use gedanken::env::{Env, EnvError, Many, Spec, derive_seed, make};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use rayon::prelude::*;

use crate::arrays::{array, numbers};
use crate::{environments, failed, threads_are_here};

/// Pictures u8 `[envs, channels, height, width]`, states f64 `[envs, state]`, labels f32 `[envs, labels]` and distances to the goals f64
/// `[envs]`.
pub type Seen<'py> =
    (Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>);

/// Environments of one kind. Each has a seed of its own; its first episode is drawn by that seed, each further one by a seed that
/// follows from it.
#[pyclass(module = "gedanken._native")]
pub struct Worlds {
    many: Many,
    seeds: Vec<u64>,
    /// Episodes behind each.
    episodes: Vec<u64>,
}

/// States, labels and distances of environments.
#[derive(Default)]
struct Numbers {
    states: Vec<f64>,
    labels: Vec<f32>,
    distances: Vec<f64>,
}

#[pymethods]
impl Worlds {
    #[new]
    fn new(name: &str, options: &str, factors: BTreeMap<String, f64>, count: usize) -> PyResult<Self> {
        let options = serde_json::from_str(options).map_err(failed)?;
        let env = make(&environments(), name, &options, &factors).map_err(failed)?;
        let envs = (0..count).map(|_| env.boxed_clone()).collect();
        Ok(Self { many: Many::new(envs), seeds: vec![0; count], episodes: vec![0; count] })
    }

    /// Spaces, names and units, as JSON.
    fn spec(&self) -> PyResult<String> {
        serde_json::to_string(self.first()?.spec()).map_err(failed)
    }

    /// Begins an episode in these environments: by a new seed, or by the next of their own where there is none.
    fn reset(&mut self, py: Python<'_>, which: Vec<usize>, seeds: Vec<Option<u64>>) -> PyResult<()> {
        self.check(&which)?;
        py.detach(|| {
            for (&index, seed) in which.iter().zip(seeds) {
                if let Some(seed) = seed {
                    (self.seeds[index], self.episodes[index]) = (seed, 0);
                }
                self.begin(index);
            }
        });
        self.whole()
    }

    /// One control step of each, actions f32 `[envs, action]`; those with a byte of 1 in `fresh` begin an episode instead.
    fn step<'py>(&mut self, py: Python<'py>, actions: &[u8], fresh: &[u8]) -> PyResult<Seen<'py>> {
        let count = self.many.len();
        let actions = numbers::<f32>("actions", actions, count * self.first()?.spec().action.len())?;
        self.check_threads()?;
        if fresh.len() != count {
            return Err(failed(format!("{} marks of fresh episodes for {count} environments", fresh.len())));
        }
        let mut read = Numbers::default();
        let pixels = PyByteArray::new_with(py, self.bytes()?, |pixels| {
            py.detach(|| {
                self.advance(&actions, fresh);
                read = self.look_into(pixels);
            });
            Ok(())
        })?;
        self.whole()?;
        seen(py, pixels, &read)
    }

    /// Pictures and numbers of this moment.
    fn look<'py>(&self, py: Python<'py>) -> PyResult<Seen<'py>> {
        self.check_threads()?;
        let mut read = Numbers::default();
        let pixels = PyByteArray::new_with(py, self.bytes()?, |pixels| {
            py.detach(|| read = self.look_into(pixels));
            Ok(())
        })?;
        self.whole()?;
        seen(py, pixels, &read)
    }

    /// Pictures at the goals u8 `[envs, channels, height, width]`, and the labels there f32 `[envs, labels]`.
    fn goals<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyByteArray>, Bound<'py, PyByteArray>)> {
        self.check_threads()?;
        let mut labels = vec![0.0; self.many.len() * self.first()?.spec().label_len()];
        let pixels = PyByteArray::new_with(py, self.bytes()?, |pixels| {
            py.detach(|| match self.many.envs() {
                [env] => {
                    env.observe_goal(pixels);
                    env.goal_labels(&mut labels);
                }
                _ => {
                    self.many.observe_goal(pixels);
                    self.many.goal_labels(&mut labels);
                }
            });
            Ok(())
        })?;
        self.whole()?;
        Ok((pixels, array(py, &labels)?))
    }

    /// Takes a full state, or its first numbers.
    fn set_state(&mut self, index: usize, state: Vec<f64>) -> PyResult<()> {
        self.check(&[index])?;
        self.many.envs_mut()[index].set_beginning(&state).map_err(failed)
    }

    /// Makes the goal of what a full state shows.
    fn set_goal(&mut self, index: usize, state: Vec<f64>) -> PyResult<()> {
        self.check(&[index])?;
        self.many.envs_mut()[index].set_goal(&state).map_err(failed)
    }
}

impl Worlds {
    fn first(&self) -> PyResult<&dyn Env> {
        self.many.envs().first().map(AsRef::as_ref).ok_or_else(|| failed("no environment; expected one or more"))
    }

    /// Bytes of all pictures.
    fn bytes(&self) -> PyResult<usize> {
        Ok(self.many.len() * self.first()?.spec().observation.len())
    }

    fn begin(&mut self, index: usize) {
        let (seed, episode) = (self.seeds[index], self.episodes[index]);
        self.many.envs_mut()[index].reset(if episode == 0 { seed } else { derive_seed(seed, &[episode]) });
        self.episodes[index] += 1;
    }

    fn advance(&mut self, actions: &[f32], fresh: &[u8]) {
        if fresh.iter().all(|&fresh| fresh == 0) {
            return match self.many.envs_mut() {
                [env] => env.step(actions),
                _ => self.many.step(actions),
            };
        }
        let size = actions.len() / fresh.len();
        for (index, (action, &fresh)) in actions.chunks(size).zip(fresh).enumerate() {
            match fresh {
                0 => self.many.envs_mut()[index].step(action),
                _ => self.begin(index),
            }
        }
    }

    /// Reads all at once: every environment is drawn and read by the thread that has it.
    fn look_into(&self, pixels: &mut [u8]) -> Numbers {
        let envs = self.many.envs();
        let Some(spec) = envs.first().map(|env| env.spec()) else { return Numbers::default() };
        let (state, labels, picture) = (spec.state.len(), spec.label_len(), spec.observation.len().max(1));
        let mut read = Numbers {
            states: vec![0.0; envs.len() * state],
            labels: vec![0.0; envs.len() * labels],
            distances: vec![f64::NAN; envs.len()],
        };
        for (index, env) in envs.iter().enumerate() {
            env.state(&mut read.states[index * state..][..state]);
            env.labels(&mut read.labels[index * labels..][..labels]);
            if spec.task.is_some() {
                read.distances[index] = env.distance();
            }
        }
        match envs {
            [env] => env.observe(pixels),
            // Two pictures are worth a thread.
            _ => envs.par_iter().with_min_len(2).zip(pixels.par_chunks_mut(picture)).for_each(|(env, picture)| {
                env.observe(picture);
            }),
        }
        read
    }

    fn check(&self, which: &[usize]) -> PyResult<()> {
        match which.iter().find(|&&index| index >= self.many.len()) {
            Some(index) => Err(failed(format!("no environment {index}; there are {}", self.many.len()))),
            None => Ok(()),
        }
    }

    /// One environment needs no threads.
    fn check_threads(&self) -> PyResult<()> {
        if self.many.len() == 1 { Ok(()) } else { threads_are_here() }
    }

    /// An exception, if a world of another process broke.
    fn whole(&self) -> PyResult<()> {
        self.many.whole().map_err(|error: EnvError| failed(error))
    }
}

fn seen<'py>(py: Python<'py>, pixels: Bound<'py, PyByteArray>, read: &Numbers) -> PyResult<Seen<'py>> {
    Ok((pixels, array(py, &read.states)?, array(py, &read.labels)?, array(py, &read.distances)?))
}

/// Actions, pictures and labels of an environment in numbers: `[action, picture, labels, state]`.
pub fn sizes(spec: &Spec) -> [usize; 4] {
    [spec.action.len(), spec.observation.len(), spec.label_len(), spec.state.len()]
}

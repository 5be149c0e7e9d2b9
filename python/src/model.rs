//! A run as a model: encode, imagine, plan, act.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use gedanken::Opened;
use gedanken::env::derive_seed;
use gedanken::eval::{LearnedWorld, Protocol, Setup};
use gedanken::planner::{self, Bounds, Problem, World};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use serde_json::json;

use crate::arrays::{array, numbers};
use crate::{failed, shown, threads_are_here};

/// Pictures that are encoded in one piece, which bounds the memory.
const PIECE: usize = 256;

/// A run's model, opened.
#[pyclass(module = "gedanken._native", frozen)]
pub struct Model(Arc<Inner>);

struct Inner {
    opened: Opened,
    /// Without recordings: planning needs none.
    protocol: Protocol,
    bounds: Bounds,
    /// Control steps of one of the model's actions.
    frameskip: usize,
}

/// Plans f32 `[rows, horizon, action]`, their energies and violations of guardrails f32 `[rows]`, model evaluations u64 `[rows]`.
type Plans<'py> =
    (usize, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>);

#[pymethods]
impl Model {
    #[new]
    fn new(py: Python<'_>, run: PathBuf, device: Option<&str>, set: Vec<String>) -> PyResult<Self> {
        threads_are_here()?;
        let inner = py.detach(|| Inner::open(run, device, &set).map_err(|error| error.to_string()));
        Ok(Self(Arc::new(inner.map_err(failed)?)))
    }

    /// Shapes, units and protocol for the package, as JSON.
    fn about(&self) -> PyResult<String> {
        let Inner { opened, protocol, frameskip, .. } = self.0.as_ref();
        let (shape, eval) = (opened.model.latent_shape(), &opened.experiment.eval);
        let about = json!({
            "run": shown(opened.folder.path()),
            "checkpoint": shown(&opened.checkpoint),
            "step": opened.step,
            "device": opened.chosen.name,
            "spaces": opened.model.spaces(),
            "latent": [shape.tokens(), shape.dim],
            "frameskip": frameskip,
            "budget": eval.budget,
            "seed": eval.seed,
            "env": opened.experiment.env,
            "spec": protocol.env.spec(),
            "experiment": opened.experiment,
            "history": opened.model.history(),
        });
        serde_json::to_string(&about).map_err(failed)
    }

    /// Pictures u8 `[rows, channels, height, width]` and labels f32 `[rows, labels]`, of which proprioception is felt -> latents f32
    /// `[rows, tokens, dim]`.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        pixels: &[u8],
        labels: Option<&[u8]>,
        rows: usize,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let inner = self.ready()?;
        let labels = inner.labels(labels, rows)?;
        let latents = py.detach(|| inner.encode(pixels, labels.as_deref()).map(read));
        array(py, &latents.map_err(failed)??)
    }

    /// Latents f32 `[rows, tokens, dim]` and actions f32 `[rows, horizon, action]` in the environment's units -> f32 `[rows, horizon,
    /// tokens, dim]`.
    fn rollout<'py>(
        &self,
        py: Python<'py>,
        latents: &[u8],
        actions: &[u8],
        rows: usize,
        horizon: usize,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let inner = self.ready()?;
        let (latents, size) = (inner.latents(latents, rows)?, inner.bounds.action());
        let actions = numbers::<f32>("actions", actions, rows * horizon * size)?;
        let future = py.detach(|| {
            let device = &inner.opened.chosen.device;
            let actions = Tensor::from_data(TensorData::new(actions, [rows, horizon, size]), device);
            read(inner.world().rollout(latents, actions))
        });
        array(py, &future?)
    }

    /// One plan from every row's latents to its goal's, within `steps_left` actions of the model.
    fn plan<'py>(
        &self,
        py: Python<'py>,
        latents: &[u8],
        goals: &[u8],
        seeds: Vec<u64>,
        steps_left: usize,
    ) -> PyResult<Plans<'py>> {
        let inner = self.ready()?;
        let (start, goals) = (inner.latents(latents, seeds.len())?, inner.latents(goals, seeds.len())?);
        let plans = py.detach(|| inner.plan(start, goals, &seeds, steps_left)).map_err(failed)?;
        let evaluations: Vec<u64> = plans.evaluations.clone();
        Ok((
            plans.horizon,
            array(py, &plans.actions)?,
            array(py, &plans.energy)?,
            array(py, &plans.violation)?,
            array(py, &evaluations)?,
        ))
    }

    /// An agent for one task, at the beginning of an episode; `row` is the task's number, which its random numbers follow from.
    fn agent(&self, seed: u64, row: u64) -> PyResult<Agent> {
        let inner = self.ready()?;
        let seeds = vec![derive_seed(seed, &[row, 2])];
        let agent = planner::Agent::new(inner.protocol.planner.clone(), inner.bounds.clone(), seeds).map_err(failed)?;
        Ok(Agent { inner: self.0.clone(), agent, goal: None, arrived: false })
    }
}

impl Model {
    fn ready(&self) -> PyResult<&Inner> {
        threads_are_here()?;
        Ok(&self.0)
    }
}

impl Inner {
    fn open(
        run: PathBuf,
        device: Option<&str>,
        set: &[String],
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let parts = gedanken::parts();
        let opened = gedanken::open(&run, set, device, &parts)?;
        let (env, experiment) = (opened.env.boxed_clone(), &opened.experiment);
        let (space, frameskip) = (env.spec().action.clone(), experiment.data.window.frameskip);
        let protocol = Protocol {
            env,
            config: experiment.eval.clone(),
            source: None,
            remarks: Vec::new(),
            practice: None,
            planner: experiment.planner.init(&parts.strategies)?,
            blueprint: opened.blueprint.clone(),
            device: opened.chosen.device.clone(),
        };
        let bounds = Bounds::new(space.low, space.high, space.max_norm)?.frameskip(frameskip)?;
        Ok(Self { opened, protocol, bounds, frameskip })
    }

    fn setup(&self) -> Setup<'_> {
        Setup { protocol: &self.protocol, model: &self.opened.model }
    }

    fn world(&self) -> LearnedWorld<'_> {
        self.setup().world()
    }

    /// Rows of labels, which a model with proprioception needs.
    fn labels(&self, labels: Option<&[u8]>, rows: usize) -> PyResult<Option<Vec<f32>>> {
        let spaces = self.opened.model.spaces();
        match labels {
            _ if spaces.proprioception.is_empty() => Ok(None),
            Some(labels) => Ok(Some(numbers("labels", labels, rows * spaces.labels)?)),
            None => Err(failed(format!(
                "no labels; this model feels {} numbers of them: expected labels of shape ({rows}, {})",
                spaces.proprioception.len(),
                spaces.labels
            ))),
        }
    }

    fn encode(&self, pixels: &[u8], labels: Option<&[f32]>) -> Result<Tensor<3>, String> {
        let (model, statistics) = (&self.opened.model, &self.opened.blueprint.statistics);
        let (device, spaces) = (&self.opened.chosen.device, model.spaces());
        let picture: usize = spaces.pixels.iter().product();
        if pixels.is_empty() || !pixels.len().is_multiple_of(picture) {
            return Err(format!("{} bytes of pixels; expected one or more pictures of {picture}", pixels.len()));
        }
        let pieces = pixels.chunks(PIECE * picture).enumerate().map(|(piece, pixels)| {
            let felt = labels.and_then(|labels| {
                let (first, rows) = (piece * PIECE * spaces.labels, pixels.len() / picture * spaces.labels);
                model.felt(statistics.labels(&labels[first..first + rows], device))
            });
            model.encode(statistics.pixels(pixels, spaces.pixels, device), felt)
        });
        Ok(Tensor::cat(pieces.collect(), 0))
    }

    fn latents(&self, bytes: &[u8], rows: usize) -> PyResult<Tensor<3>> {
        let shape = self.opened.model.latent_shape();
        let shape = [rows, shape.tokens(), shape.dim];
        let latents = numbers::<f32>("latents", bytes, shape.iter().product())?;
        Ok(Tensor::from_data(TensorData::new(latents, shape), &self.opened.chosen.device))
    }

    fn plan(
        &self,
        start: Tensor<3>,
        goals: Tensor<3>,
        seeds: &[u64],
        steps_left: usize,
    ) -> Result<planner::Plans, String> {
        let setup = self.setup();
        let objective = setup.objective().map_err(sentence)?;
        let guardrails = setup.guardrails().map_err(sentence)?;
        let problem = Problem {
            world: &setup.world(),
            objective: objective.as_ref(),
            guardrails: &guardrails,
            bounds: &self.bounds,
            start,
            goals,
            steps_left,
            seeds,
            step: 0,
            warm: None,
        };
        self.protocol.planner.plan(&problem).map_err(sentence)
    }
}

/// Acts in one task by planning, again and again.
#[pyclass(module = "gedanken._native")]
pub struct Agent {
    inner: Arc<Inner>,
    agent: planner::Agent,
    /// The goal's latents, `[1, tokens, dim]`.
    goal: Option<Tensor<3>>,
    /// It has come to the goal, by the protocol's `arrived`, and stops for good.
    arrived: bool,
}

#[pymethods]
impl Agent {
    /// The goal: a picture u8 `[channels, height, width]`, and labels f32 `[labels]` for a model with proprioception.
    fn set_goal(&mut self, py: Python<'_>, pixels: &[u8], labels: Option<&[u8]>) -> PyResult<()> {
        threads_are_here()?;
        let labels = self.inner.labels(labels, 1)?;
        let goal = py.detach(|| self.inner.encode(pixels, labels.as_deref())).map_err(failed)?;
        self.goal = Some(goal);
        Ok(())
    }

    /// The next control step's action f32 `[action]`, with `steps_left` to go, this one included.
    fn act<'py>(
        &mut self,
        py: Python<'py>,
        pixels: &[u8],
        labels: Option<&[u8]>,
        steps_left: usize,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        threads_are_here()?;
        let labels = self.inner.labels(labels, 1)?;
        let action = py.detach(|| self.decide(pixels, labels.as_deref(), steps_left)).map_err(failed)?;
        array(py, &action)
    }
}

impl Agent {
    fn decide(&mut self, pixels: &[u8], labels: Option<&[f32]>, steps_left: usize) -> Result<Vec<f32>, String> {
        let inner = self.inner.clone();
        let goal = self.goal.clone().ok_or("an agent without a goal; expected set_goal first")?;
        let mut rest = vec![0.0; inner.bounds.dims()];
        inner.protocol.env.rest(&mut rest);
        let setup = inner.setup();
        let objective = setup.objective().map_err(sentence)?;
        // It looks when a plan is due; what cannot be seen is an error then and not before.
        let seen = self.agent.is_due(steps_left).then(|| inner.encode(pixels, labels)).transpose()?;
        if let (Some(limit), Some(now)) = (inner.protocol.config.arrived, &seen) {
            let energy = read(objective.energy(now.clone().unsqueeze_dim::<4>(1), goal.clone())).map_err(sentence)?;
            self.arrived |= energy.first().is_some_and(|&energy| f64::from(energy) < limit);
        }
        if self.arrived {
            return Ok(rest);
        }
        let guardrails = setup.guardrails().map_err(sentence)?;
        let look = || seen.clone().unwrap_or_else(|| goal.clone());
        let action = self
            .agent
            .act(&setup.world(), objective.as_ref(), &guardrails, &look, &goal, steps_left)
            .map_err(sentence)?;
        // Where no plan keeps the guardrails, it keeps still.
        let broken = self.agent.plans().is_some_and(|plans| plans.violation.iter().any(|&violation| violation > 0.0));
        Ok(if broken { rest } else { action })
    }
}

fn sentence(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The numbers of a tensor.
fn read<const D: usize>(tensor: Tensor<D>) -> PyResult<Vec<f32>> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_to_vec()
        .map_err(|error| failed(format!("reading from the device: {error:?}")))
}

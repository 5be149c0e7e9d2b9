//! Films of episodes: the observation beside the goal, with the imagined path drawn through the probe.

use std::ops::Range;

use burn::tensor::Tensor;
use gedanken_env::{Env, Many};
use gedanken_planner::Agent;
use gedanken_train::film::Picture;

use crate::baselines::Setup;
use crate::episodes::{Driver, Thinker};
use crate::{EvalError, LearnedWorld};

/// Frames a second of a film.
pub const FPS: f32 = 12.0;
/// Height of a film on the screen, px, about.
const HEIGHT: usize = 260;
/// Frames that the end of an episode is held.
const HOLD: usize = 8;

/// Films of some tasks, every frame one control step. A film ends a moment after the goal is reached.
///
/// # Errors
/// As [`crate::evaluate`].
pub fn films(setup: &Setup<'_>, tasks: Range<usize>) -> Result<Vec<Vec<Picture>>, EvalError> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let world = setup.world();
    let objective = setup.objective()?;
    let kept = setup.guardrails()?;
    let driver = Driver::Planner(Thinker {
        world: &world,
        simulator: None,
        objective: objective.as_ref(),
        guardrails: &kept,
        planner: setup.planner,
        frameskip: setup.frameskip(),
        arrived: setup.config.arrived,
    });
    let radius = setup.radius()?;
    let mut films: Vec<Vec<Picture>> = vec![Vec::new(); tasks.len()];
    let (mut held, mut ways) = (vec![0; tasks.len()], vec![Vec::new(); tasks.len()]);
    setup.tasks(tasks.end)?.run(&driver, &mut |step, many, agent| {
        for ((task, film), (held, seen)) in tasks.clone().zip(&mut films).zip(held.iter_mut().zip(&mut ways)) {
            *held = if many.envs()[task].distance() < radius { *held + 1 } else { 0 };
            if *held <= HOLD {
                // Plans are made of blocks: while one is being executed, the path is that of its beginning.
                if step.is_multiple_of(setup.frameskip()) {
                    *seen = paths(many, task, agent, &world);
                }
                film.push(frame(many, task, seen));
            }
        }
    })?;
    Ok(films)
}

fn frame(many: &Many, task: usize, paths: &[Vec<(f32, f32)>]) -> Picture {
    let env = many.envs()[task].as_ref();
    let scale = (HEIGHT / env.spec().observation.height).max(1);
    Picture::scene(&picture(env, false), &picture(env, true), paths, scale)
}

fn paths(
    many: &Many,
    task: usize,
    agent: Option<(&Agent, &[usize])>,
    world: &LearnedWorld<'_>,
) -> Vec<Vec<(f32, f32)>> {
    let row = agent.and_then(|(agent, tasks)| Some((agent, tasks.iter().position(|&t| t == task)?)));
    row.map(|(agent, row)| imagined_paths(many.envs()[task].as_ref(), agent, row, world)).unwrap_or_default()
}

fn picture(env: &dyn Env, goal: bool) -> Picture {
    let space = env.spec().observation;
    let mut pixels = vec![0; space.len()];
    if goal {
        env.observe_goal(&mut pixels)
    } else {
        env.observe(&mut pixels)
    };
    Picture::from_observation(&pixels, space.channels, space.height, space.width)
}

/// Where the agent imagines itself along what is left of its plan, and of other candidates: the first label, if it is a place.
fn imagined_paths(env: &dyn Env, agent: &Agent, row: usize, world: &LearnedWorld<'_>) -> Vec<Vec<(f32, f32)>> {
    use gedanken_planner::{Observations, World};
    let Some(plans) = agent.plans() else { return Vec::new() };
    let spec = env.spec();
    if spec.labels.first().is_none_or(|label| label.size != 2) {
        return Vec::new();
    }
    let left = plans.horizon.saturating_sub(agent.executed().min(plans.horizon));
    if left == 0 {
        return Vec::new();
    }
    let mut pixels = vec![0; spec.observation.len()];
    env.observe(&mut pixels);
    let mut labels = vec![0.0; spec.label_len()];
    env.labels(&mut labels);
    let first = world.encode(&Observations { rows: 1, pixels, labels });
    let mut actions = plans.remainder(row, agent.executed(), left);
    actions.extend(plans.alternatives(row, agent.executed(), left).concat());
    let count = actions.len() / (left * plans.action);
    let actions = Tensor::<1>::from_data(actions.as_slice(), world.device).reshape([count, left, plans.action]);
    let first = first.repeat_dim(0, count);
    let futures = Tensor::cat(vec![first.clone().unsqueeze_dim::<4>(1), world.rollout(first, actions)], 1);
    let labels = world.statistics.labels_in_units(world.model.probe(futures.flatten::<3>(0, 1)));
    let size = spec.label_len();
    let labels = labels.into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default();
    let place = |row: &[f32]| env.in_picture([row[0], row[1]]).into();
    labels.chunks(size * (left + 1)).map(|path| path.chunks(size).map(place).collect()).collect()
}

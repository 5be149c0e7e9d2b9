//! Films of episodes: the observation beside the goal, with the imagined path drawn through the probe.

use std::ops::Range;

use burn::tensor::Tensor;
use gedanken_env::{Env, Many};
use gedanken_planner::{Agent, World};
use gedanken_run::{Picture, scene};

use crate::{EvalError, Labels, LearnedWorld, ModelPart, Perceive, Planning, Setup, Thinker};

/// Frames a second of a film.
pub const FPS: f32 = 12.0;
/// Height of a film on the screen, px, about.
const HEIGHT: usize = 260;
/// Frames that the end of an episode is held.
const HOLD: usize = 8;

/// Films of some tasks, of those that there are; every frame is one control step. A film ends a moment after the goal is reached.
///
/// # Errors
/// As [`crate::evaluate`].
pub fn films(setup: &Setup<'_>, tasks: Range<usize>) -> Result<Vec<Vec<Picture>>, EvalError> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let tasks = setup.protocol.tasks_of(&setup.protocol.config, tasks)?;
    if tasks.count == 0 {
        return Ok(Vec::new());
    }
    let world = setup.world();
    let objective = setup.objective()?;
    let kept = setup.guardrails()?;
    let mut actor = Planning::new(Thinker {
        world: &world,
        objective: objective.as_ref(),
        guardrails: &kept,
        planner: &setup.protocol.planner,
        frameskip: setup.frameskip(),
        arrived: setup.protocol.config.arrived,
    })
    .from_task(tasks.first);
    let radius = setup.protocol.radius()?;
    let mut films: Vec<Vec<Picture>> = vec![Vec::new(); tasks.count];
    let (mut held, mut ways) = (vec![0; tasks.count], vec![Vec::new(); tasks.count]);
    tasks.watch(&mut actor, &mut |moment| {
        let envs = moment.envs;
        for ((task, film), (held, seen)) in films.iter_mut().enumerate().zip(held.iter_mut().zip(&mut ways)) {
            *held = if envs.envs()[task].distance() < radius { *held + 1 } else { 0 };
            if *held <= HOLD {
                // Plans are made of blocks: while one is being executed, the path is that of its beginning.
                if moment.step.is_multiple_of(setup.frameskip()) {
                    *seen = imagined_paths(envs, task, moment.actor.agent(), &world);
                }
                film.push(frame(envs.envs()[task].as_ref(), seen));
            }
        }
    })?;
    Ok(films)
}

fn frame(env: &dyn Env, paths: &[Vec<(f32, f32)>]) -> Picture {
    let scale = (HEIGHT / env.spec().observation.height).max(1);
    scene(&picture(env, false), &picture(env, true), paths, scale)
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

/// Imagined places along the rest of a task's plan, and of other candidates: the first label, if it is a place.
fn imagined_paths(
    envs: &Many,
    task: usize,
    agent: Option<(&Agent, &[usize])>,
    world: &LearnedWorld<'_>,
) -> Vec<Vec<(f32, f32)>> {
    let row = agent.and_then(|(agent, tasks)| Some((agent, tasks.iter().position(|&active| active == task)?)));
    let Some((agent, row)) = row else { return Vec::new() };
    let Some(plans) = agent.plans() else { return Vec::new() };
    let env = &envs.envs()[task];
    let spec = env.spec();
    if spec.labels.first().is_none_or(|label| label.size != 2) || !ModelPart::Probe.of(world.model) {
        return Vec::new();
    }
    let left = plans.horizon.saturating_sub(agent.executed().min(plans.horizon));
    if left == 0 {
        return Vec::new();
    }
    let first = world.present(&envs.select(&[task]));
    let mut actions = plans.remainder(row, agent.executed(), left);
    actions.extend(plans.alternatives(row, agent.executed(), left).concat());
    let count = actions.len() / (left * plans.action);
    let actions = Tensor::<1>::from_data(actions.as_slice(), world.device).reshape([count, left, plans.action]);
    let first = first.repeat_dim(0, count);
    let futures = Tensor::cat(vec![first.clone().unsqueeze_dim::<4>(1), world.rollout(first, actions)], 1);
    let labels = Labels::Probed(world.model, world.statistics).read(futures.flatten::<3>(0, 1));
    let size = spec.label_len();
    let place = |row: &[f32]| env.in_picture([row[0], row[1]]).into();
    labels.chunks(size * (left + 1)).map(|path| path.chunks(size).map(place).collect()).collect()
}

//! Films of episodes: the environment drawn sharply, the goal shown through, the imagined path drawn through the probe; beside it what the
//! model sees, its goal, and the end of the plan by the decoder.

use std::fmt;
use std::ops::Range;

use burn::tensor::Tensor;
use gedanken_env::{Env, Many, Show, TaskInfo};
use gedanken_model::heads::Decoder;
use gedanken_planner::{Agent, World};
use gedanken_run::picture::{COOL, Colour, GREEN, INK, WARM};
use gedanken_run::{Picture, Scene};

use crate::worlds::host;
use crate::{EvalError, Labels, LearnedWorld, ModelPart, Perceive, Planning, Rule, Setup, Thinker};

/// Frames a second of a film.
pub const FPS: f32 = 12.0;
/// Rows of the environment's picture.
const HEIGHT: usize = 320;
/// Opacity of the goal's ghost, from 0 to 1.
const GHOST: f32 = 0.45;
/// Frames that the end of an episode is held.
const HOLD: usize = 8;

/// A film of a task.
#[derive(Clone, Debug, Default)]
pub struct Film {
    /// One frame a control step.
    pub frames: Vec<Picture>,
    /// Control steps until the distance was first below the radius of success; none where it never was.
    pub steps: Option<usize>,
    /// The distance at the film's end.
    pub distance: f64,
}

impl fmt::Display for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps {
            Some(steps) => write!(f, "reached after {steps} control steps"),
            None => write!(f, "not reached: {:.2} off at the end", self.distance),
        }
    }
}

impl Film {
    /// The line below a frame.
    fn told(&self, step: usize, task: Option<&TaskInfo>) -> String {
        // The unit of pure numbers is 1.
        let unit = task.map_or("", |task| task.unit.trim_start_matches('1'));
        format!("step {step}   distance {:.2} {unit}", self.distance)
    }
}

/// Films of some tasks, of those that there are; a film ends a moment after the goal is reached.
///
/// # Errors
/// As [`crate::evaluate`].
pub fn films(setup: &Setup<'_>, tasks: Range<usize>) -> Result<Vec<Film>, EvalError> {
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
    let (radius, budget) = (setup.protocol.radius()?, tasks.budget);
    let latched = setup.protocol.config.rule == Rule::Ever;
    let mut films: Vec<Film> = vec![Film::default(); tasks.count];
    let (mut held, mut ways) = (vec![0; tasks.count], vec![Ahead::default(); tasks.count]);
    tasks.watch(&mut actor, &mut |moment| {
        let envs = moment.envs;
        for ((task, film), (held, seen)) in films.iter_mut().enumerate().zip(held.iter_mut().zip(&mut ways)) {
            let distance = envs.envs()[task].distance();
            let there = distance < radius || latched && film.steps.is_some();
            *held = if there { *held + 1 } else { 0 };
            if *held <= HOLD {
                film.steps = film.steps.or((distance < radius).then_some(moment.step));
                film.distance = distance;
                // Plans are made of blocks: while one is being executed, the path is that of its beginning.
                if moment.step.is_multiple_of(setup.frameskip()) {
                    *seen = Ahead::of(envs, task, moment.actor.agent(), &world);
                }
                let verdict = match film.steps {
                    Some(steps) => Some((format!("reached after {steps}"), GREEN)),
                    None => (moment.step == budget).then(|| ("not reached".to_owned(), WARM)),
                };
                let told = film.told(moment.step, envs.envs()[task].spec().task.as_ref());
                let verdict = verdict.as_ref().map(|(words, colour)| (&words[..], *colour));
                film.frames.push(frame(envs.envs()[task].as_ref(), seen, &told, verdict));
            }
        }
    })?;
    Ok(films)
}

fn frame(env: &dyn Env, ahead: &Ahead, told: &str, verdict: Option<(&str, Colour)>) -> Picture {
    let (seen, goal) = (picture(env, false), picture(env, true));
    let (sharp, world) = match sharp(env) {
        Some(world) => (true, world),
        None => (false, seen.upscale((HEIGHT / seen.size().1.max(1)).max(1))),
    };
    let scale = world.size().1 as f32 / seen.size().1.max(1) as f32;
    let enlarged = |path: &Vec<(f32, f32)>| path.iter().map(|&(x, y)| (x * scale, y * scale)).collect();
    let paths: Vec<Vec<(f32, f32)>> = ahead.paths.iter().map(enlarged).collect();
    let mut views = vec![("goal", GREEN, &goal)];
    if sharp {
        views.insert(0, ("model sees", INK, &seen));
    }
    views.extend(ahead.end.as_ref().map(|end| ("imagines", COOL, end)));
    Scene { world, paths: &paths, views: &views, told, verdict }.draw()
}

/// The environment as it draws itself for people, if it does, with the goal shown through, if it can be told from the ground.
fn sharp(env: &dyn Env) -> Option<Picture> {
    let space = env.spec().observation.at_height(HEIGHT.max(env.spec().observation.height));
    let drawn = |show| {
        let pixels = env.sharp(show, space.height).filter(|pixels| pixels.len() == space.len())?;
        Some(Picture::from_observation(&pixels, space.channels, space.height, space.width))
    };
    let mut world = drawn(Show::Now)?;
    if let Some(ground) = drawn(Show::Ground)
        && let Some(goal) = drawn(Show::Goal)
    {
        world.ghost(&goal, &ground, GHOST);
    }
    Some(world)
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

/// The way ahead as the model imagines it.
#[derive(Clone, Default)]
struct Ahead {
    /// Places along the rest of the plan, and of other candidates, px of the picture: the first label, if it is a place and the model reads it.
    paths: Vec<Vec<(f32, f32)>>,
    /// The end of the plan, as the decoder draws it; a dark picture before there is a plan.
    end: Option<Picture>,
}

impl Ahead {
    fn of(envs: &Many, task: usize, agent: Option<(&Agent, &[usize])>, world: &LearnedWorld<'_>) -> Self {
        let env = &envs.envs()[task];
        let [channels, height, width] = world.model.spaces().pixels;
        let decoder = world.model.term::<Decoder>();
        let drawn = |pixels: &[u8]| Picture::from_observation(pixels, channels, height, width);
        let none = || Self { end: decoder.map(|_| drawn(&vec![0; channels * height * width])), paths: Vec::new() };
        let row = agent.and_then(|(agent, tasks)| Some((agent, tasks.iter().position(|&active| active == task)?)));
        let Some((agent, row)) = row else { return none() };
        let Some(plans) = agent.plans() else { return none() };
        let left = (plans.action * plans.horizon)
            .saturating_sub(agent.executed() * plans.filling.len())
            .div_ceil(plans.action);
        // Labels in px lie where they say; others only where the environment says so.
        let lies = |unit: &str| unit == "px" || env.in_picture([0.0; 2]) != [0.5; 2];
        let is_place = env.spec().labels.first().is_some_and(|label| label.size == 2 && lies(&label.unit))
            && ModelPart::Probe.of(world.model);
        if left == 0 || !is_place && decoder.is_none() {
            return none();
        }
        let first = world.present(&envs.select(&[task]));
        let mut actions = plans.remainder(row, agent.executed(), left);
        actions.extend(plans.alternatives(row, agent.executed(), left).concat());
        let count = actions.len() / (left * plans.action);
        let actions = Tensor::<1>::from_data(actions.as_slice(), world.device).reshape([count, left, plans.action]);
        let first = first.repeat_dim(0, count);
        let futures = Tensor::cat(vec![first.clone().unsqueeze_dim::<4>(1), world.rollout(first, actions)], 1);
        let end = decoder.map(|decoder| {
            let last = futures.clone().narrow(0, 0, 1).narrow(1, left, 1).squeeze_dim::<3>(1);
            let pixels = host(decoder.draw(last).flatten::<1>(0, 3));
            drawn(&world.statistics.pictures(&pixels, [channels, height, width]))
        });
        let mut paths = Vec::new();
        if is_place {
            let labels = Labels::Probed(world.model, world.statistics).read(futures.flatten::<3>(0, 1));
            let size = env.spec().label_len();
            let place = |row: &[f32]| env.in_picture([row[0], row[1]]).into();
            paths = labels.chunks(size * (left + 1)).map(|path| path.chunks(size).map(place).collect()).collect();
        }
        Self { paths, end }
    }
}

//! Recorded tasks: pieces of episodes, none of them twice.

use std::collections::BTreeSet;

use gedanken_data::Source;
use gedanken_env::{Env, derive_seed};
use rayon::prelude::*;

use crate::tasks::{ATTEMPTS, clear, no_place, reset};
use crate::{Draw, EvalConfig, EvalError};

/// A piece of a recorded episode as a task: it starts at the piece's first state, and the picture of the last is the goal.
pub struct Recorded {
    /// The episode's number in its source.
    pub episode: u64,
    /// The frame of the episode that is the start.
    pub frame: usize,
    /// The actions between them, f32 `[goal_offset, action]`.
    pub actions: Vec<f32>,
    pub(crate) env: Box<dyn Env>,
    /// The draw that it was of its task's.
    attempt: u64,
}

/// A purpose of derived seeds.
const RECORDED: u64 = 5;

/// Episode and frame.
pub(crate) type Place = (u64, usize);

/// The pieces that a source has.
pub(crate) struct Pieces<'a> {
    env: &'a dyn Env,
    config: &'a EvalConfig,
    source: &'a dyn Source,
    radius: f64,
    /// Of every episode of finitely many, the pieces that begin in it.
    starts: Option<Vec<usize>>,
    /// All of them.
    total: u64,
}

/// Pieces that cannot be tasks, or are some already.
#[derive(Default)]
struct Refused {
    longest: usize,
    solved: usize,
    forbidden: usize,
}

impl<'a> Pieces<'a> {
    pub fn of(env: &'a dyn Env, config: &'a EvalConfig, source: &'a dyn Source) -> Result<Self, EvalError> {
        let radius = config.radius.unwrap_or(env.spec().require_task()?.radius);
        let lengths = source.lengths();
        let starts =
            |lengths: Vec<usize>| lengths.iter().map(|frames| frames.saturating_sub(config.goal_offset)).collect();
        let starts: Option<Vec<usize>> = lengths.map(starts);
        let total = starts.iter().flatten().map(|&starts| starts as u64).sum();
        Ok(Self { env, config, source, radius, starts, total })
    }

    /// The first `count` tasks, or as many as there are, and what is to be said of them. Every task has its own draws; the first of them
    /// that no task before it has is taken.
    pub fn draw(&self, count: usize) -> Result<(Vec<Recorded>, Vec<String>), EvalError> {
        let none = BTreeSet::new();
        let first = (0..count as u64).into_par_iter().map(|task| self.next(task, 0, &none));
        let first = first.collect::<Result<Vec<_>, EvalError>>()?;
        let (mut drawn, mut taken) = (Vec::with_capacity(count), BTreeSet::new());
        // What is left when chance finds nothing any more.
        let mut rest: Option<std::vec::IntoIter<Place>> = None;
        for (task, first) in (0..).zip(first) {
            let new = match first {
                Ok(piece) if !taken.contains(&(piece.episode, piece.frame)) => Ok(piece),
                Ok(piece) if rest.is_none() => self.next(task, piece.attempt + 1, &taken)?,
                Ok(_) => Err(Refused::default()),
                Err(refused) => Err(refused),
            };
            let piece = match (new, &self.starts) {
                (Ok(piece), _) => piece,
                (Err(refused), None) => return Err(self.nothing(task, &refused)),
                (Err(refused), Some(starts)) => {
                    let rest = rest.get_or_insert_with(|| self.shuffled(starts).into_iter());
                    match self.first_of(rest, task, &taken)? {
                        Some(piece) => piece,
                        None if drawn.is_empty() => return Err(self.nothing(task, &refused)),
                        None => break,
                    }
                }
            };
            taken.insert((piece.episode, piece.frame));
            drawn.push(piece);
        }
        let remarks = self.remarks(drawn.len(), count);
        Ok((drawn, remarks))
    }

    /// The first of a task's draws from number `from` on that can be one and is not taken.
    fn next(&self, task: u64, from: u64, taken: &BTreeSet<Place>) -> Result<Result<Recorded, Refused>, EvalError> {
        let mut refused = Refused::default();
        for attempt in from..ATTEMPTS {
            let random = |what: u64| derive_seed(self.config.seed, &[task, RECORDED, attempt, what]);
            let place = match (&self.starts, self.config.draw) {
                (Some(starts), Draw::Frames) if self.total > 0 => located(starts, random(0) % self.total),
                (Some(starts), _) => (random(0) % starts.len().max(1) as u64, random(1) as usize),
                (None, _) => (random(0), random(1) as usize),
            };
            if let Some(piece) = self.take(task, attempt, place, taken, &mut refused)? {
                return Ok(Ok(piece));
            }
        }
        Ok(Err(refused))
    }

    /// All pieces, in an order of the seed's.
    fn shuffled(&self, starts: &[usize]) -> Vec<Place> {
        let of = |(episode, &starts): (u64, &usize)| (0..starts).map(move |frame| (episode, frame));
        let mut places: Vec<Place> = (0..).zip(starts).flat_map(of).collect();
        places
            .sort_by_cached_key(|&(episode, frame)| derive_seed(self.config.seed, &[RECORDED, episode, frame as u64]));
        places
    }

    fn first_of(
        &self,
        rest: &mut std::vec::IntoIter<Place>,
        task: u64,
        taken: &BTreeSet<Place>,
    ) -> Result<Option<Recorded>, EvalError> {
        let mut refused = Refused::default();
        for place in rest {
            if let Some(piece) = self.take(task, ATTEMPTS, place, taken, &mut refused)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The piece at a place, whose frame is counted round and round, if it can be a task.
    fn take(
        &self,
        task: u64,
        attempt: u64,
        (number, frame): Place,
        taken: &BTreeSet<Place>,
        refused: &mut Refused,
    ) -> Result<Option<Recorded>, EvalError> {
        let (state, action) = (self.env.spec().state.len(), self.env.spec().action.len());
        let known = self.starts.as_ref().and_then(|starts| starts.get(number as usize)).filter(|&&starts| starts > 0);
        if known.is_some_and(|starts| taken.contains(&(number, frame % starts))) {
            return Ok(None);
        }
        let (offset, episode) = (self.config.goal_offset, self.source.episode(number)?);
        refused.longest = refused.longest.max(episode.frames().saturating_sub(1));
        let Some(starts) = episode.frames().checked_sub(offset).filter(|&starts| starts > 0) else { return Ok(None) };
        let frame = frame % starts;
        if taken.contains(&(number, frame)) {
            return Ok(None);
        }
        // A reset may leave numbers by which the next one is drawn; everything else is in the state.
        let mut env = reset(self.env, self.config.seed, task);
        let at = |frame: usize| episode.states.get(frame * state..(frame + 1) * state).unwrap_or_default();
        env.set_state(at(frame))?;
        env.set_goal(at(frame + offset))?;
        if !clear(env.as_ref(), &self.config.guardrails) {
            refused.forbidden += 1;
            return Ok(None);
        }
        if self.config.skip_solved && env.distance() < self.radius {
            refused.solved += 1;
            return Ok(None);
        }
        let actions = episode.actions.get(frame * action..(frame + offset) * action).unwrap_or_default().to_vec();
        Ok(Some(Recorded { episode: number, frame, actions, env, attempt }))
    }

    /// The error of a task for which there is nothing.
    fn nothing(&self, task: u64, refused: &Refused) -> EvalError {
        let Refused { longest, solved, forbidden } = *refused;
        let EvalConfig { goal_offset: offset, .. } = self.config;
        EvalError::Mismatch(match solved {
            _ if forbidden > 0 => no_place(task),
            0 => format!(
                "eval.goal_offset: {offset}; expected at most {longest}, the control steps of the longest of {ATTEMPTS} \
                 episodes of the data"
            ),
            _ => format!(
                "eval.skip_solved: true; {solved} of {ATTEMPTS} recorded tasks drawn are solved at their start and the \
                 others too short; a longer eval.goal_offset than {offset} or a smaller eval.radius than {} may help",
                self.radius
            ),
        })
    }

    fn remarks(&self, drawn: usize, asked: usize) -> Vec<String> {
        let (mut remarks, offset) = (Vec::new(), self.config.goal_offset);
        if drawn < asked {
            remarks.push(format!(
                "{drawn} tasks and not {asked}: no other piece of {offset} control steps of these episodes can be one"
            ));
        }
        let short = self.starts.iter().flatten().filter(|&&starts| starts == 0).count();
        if let Some(all) = self.starts.as_ref().map(Vec::len).filter(|_| short > 0) {
            remarks.push(format!(
                "{short} of {all} episodes are no longer than {offset} control steps: no task is of them"
            ));
        }
        remarks
    }
}

/// Piece number `number` of all: its episode and frame.
pub(crate) fn located(starts: &[usize], number: u64) -> Place {
    let mut left = number as usize;
    for (episode, &starts) in (0..).zip(starts) {
        match left.checked_sub(starts) {
            Some(more) => left = more,
            None => return (episode, left),
        }
    }
    (0, 0)
}

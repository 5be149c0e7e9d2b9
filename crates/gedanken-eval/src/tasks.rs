//! The tasks of a protocol: where episodes start, and what their goals are.

use std::ops::Range;

use gedanken_data::Source;
use gedanken_env::{Env, Many, derive_seed};
use rayon::prelude::*;

use crate::pieces::{Pieces, Recorded};
use crate::{EvalConfig, EvalError, GuardrailConfig, Replay};

/// The tasks of a protocol.
pub struct Tasks<'a> {
    /// The environment, with the protocol's options.
    pub env: &'a dyn Env,
    /// Seed of the tasks.
    pub seed: u64,
    /// Number of the first task.
    pub first: usize,
    /// Number of tasks.
    pub count: usize,
    /// Control steps of an episode.
    pub budget: usize,
    /// Constraints on plans; no task starts or ends in a forbidden place.
    pub guardrails: &'a [GuardrailConfig],
    recorded: Option<Vec<Recorded>>,
    remarks: Vec<String>,
}

/// A purpose of derived seeds: tasks that are drawn again.
const DRAWN_AGAIN: u64 = 7;
/// Draws for one task before there is none.
pub(crate) const ATTEMPTS: u64 = 1000;

impl<'a> Tasks<'a> {
    /// The first `count` tasks of a protocol whose tasks are drawn by [`Env::reset`].
    pub fn of(env: &'a dyn Env, config: &'a EvalConfig, count: usize) -> Self {
        Self::among(env, config, 0..count)
    }

    /// These of the tasks of a protocol whose tasks are drawn by [`Env::reset`]: task `i` is the same in every range.
    pub fn among(env: &'a dyn Env, config: &'a EvalConfig, tasks: Range<usize>) -> Self {
        let EvalConfig { seed, budget, ref guardrails, .. } = *config;
        let (first, count) = (tasks.start, tasks.len());
        Self { env, seed, first, count, budget, guardrails, recorded: None, remarks: Vec::new() }
    }

    /// The first `count` tasks of a protocol whose tasks are pieces of recorded episodes, all of them different; fewer where the source
    /// has no more. Task `i` follows from `config.seed`, the source and the tasks before it: an episode (or, with
    /// [`Draw::Frames`](crate::Draw), an episode by its length), in it a frame that is uniform over those with `config.goal_offset`
    /// control steps after it, and the goal that many later.
    ///
    /// # Errors
    /// An error of the source, a recorded state that the environment refuses, or no episode that is long enough (or, with
    /// `config.skip_solved`, none whose piece is not solved at its start).
    pub fn recorded(
        env: &'a dyn Env,
        config: &'a EvalConfig,
        count: usize,
        source: &dyn Source,
    ) -> Result<Self, EvalError> {
        Self::recorded_among(env, config, 0..count, source)
    }

    /// These of the tasks of [`Tasks::recorded`]: task `i` is the same in every range.
    ///
    /// # Errors
    /// As [`Tasks::recorded`].
    pub fn recorded_among(
        env: &'a dyn Env,
        config: &'a EvalConfig,
        tasks: Range<usize>,
        source: &dyn Source,
    ) -> Result<Self, EvalError> {
        let (mut recorded, remarks) = Pieces::of(env, config, source)?.draw(tasks.end)?;
        let recorded = recorded.split_off(tasks.start.min(recorded.len()));
        let tasks = tasks.start..tasks.start + recorded.len();
        Ok(Self { recorded: Some(recorded), remarks, ..Self::among(env, config, tasks) })
    }

    /// Warnings to the reader of their results, each a sentence: fewer than were asked for.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The pieces that recorded tasks are; none where tasks are drawn by resets.
    pub fn pieces(&self) -> Option<&[Recorded]> {
        self.recorded.as_deref()
    }

    /// The actor that does again what was recorded.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] where tasks are drawn by resets.
    pub fn replay(&self) -> Result<Replay<'_>, EvalError> {
        let nothing = || EvalError::Mismatch("there is nothing to replay: the tasks were not recorded".to_owned());
        let pieces = self.pieces().ok_or_else(nothing)?;
        Ok(Replay(pieces.iter().map(|piece| piece.actions.as_slice()).collect()))
    }

    /// The environments at the start of their tasks; task `i` is a function of the seed and `i`.
    pub fn start(&self) -> Many {
        let start = |task: usize| match &self.recorded {
            Some(recorded) => recorded[task].env.boxed_clone(),
            None => self.drawn((self.first + task) as u64),
        };
        Many::new((0..self.count).into_par_iter().map(start).collect())
    }

    /// Checks that all tasks start and end clear of the guardrails.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] names the first for which no such start and goal was drawn.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        let start = self.start();
        match start.envs().iter().position(|env| !clear(env.as_ref(), self.guardrails)) {
            Some(task) => Err(EvalError::Mismatch(no_place((self.first + task) as u64))),
            None => Ok(()),
        }
    }

    /// A task drawn by a reset: the first draw that is clear of the guardrails, or the very first where none is.
    fn drawn(&self, task: u64) -> Box<dyn Env> {
        let first = reset(self.env, self.seed, task);
        if clear(first.as_ref(), self.guardrails) {
            return first;
        }
        let mut again = (0..ATTEMPTS).map(|attempt| {
            let mut env = self.env.boxed_clone();
            env.reset(derive_seed(self.seed, &[task, DRAWN_AGAIN, attempt]));
            env
        });
        again.find(|env| clear(env.as_ref(), self.guardrails)).unwrap_or(first)
    }
}

pub(crate) fn no_place(task: u64) -> String {
    format!(
        "eval.guardrails: of {ATTEMPTS} starts and goals drawn for task {task}, none keeps clear of them; a smaller region or \
         margin.clearance may help"
    )
}

/// True where start and goal are clear of all guardrails.
pub(crate) fn clear(env: &dyn Env, guardrails: &[GuardrailConfig]) -> bool {
    let spec = env.spec();
    let (mut start, mut goal) = (vec![0.0; spec.label_len()], vec![0.0; spec.label_len()]);
    env.labels(&mut start);
    env.goal_labels(&mut goal);
    guardrails.iter().all(|guardrail| [&start, &goal].iter().all(|labels| guardrail.clear_of(spec, labels)))
}

pub(crate) fn reset(env: &dyn Env, seed: u64, task: u64) -> Box<dyn Env> {
    let mut env = env.boxed_clone();
    env.reset(derive_seed(seed, &[task]));
    env
}

//! The episode loop, and the record of episodes.

use std::collections::BTreeMap;

use gedanken_env::{Many, OtherRule};

use crate::worlds::labels_of;
use crate::{Actor, EvalError, GuardrailConfig, Planned, Tasks};

/// A moment of some episodes: before a control step, or the end.
pub struct Moment<'a, A: ?Sized> {
    /// Control steps taken.
    pub step: usize,
    /// The environments.
    pub envs: &'a Many,
    /// The actions that led here, f32 `[envs, action]`; zeros at the start.
    pub taken: &'a [f32],
    /// The actor.
    pub actor: &'a A,
}

/// Lets an actor that has begun take `steps` control steps in all environments. `watch` is shown `steps + 1` moments.
pub(crate) fn play<A: Actor + ?Sized>(
    actor: &mut A,
    envs: &mut Many,
    steps: usize,
    watch: &mut dyn FnMut(&Moment<'_, A>),
) -> Result<(), EvalError> {
    let size = envs.envs().first().map_or(0, |env| env.spec().action.len());
    let mut actions = vec![0.0; envs.len() * size];
    for step in 0..steps {
        watch(&Moment { step, envs, taken: &actions, actor });
        let rows = envs.envs().iter().zip(actions.chunks_mut(size.max(1)));
        rows.for_each(|(env, action)| env.rest(action));
        actor.act(envs, step, &mut actions)?;
        envs.step(&actions);
        envs.whole()?;
    }
    watch(&Moment { step: steps, envs, taken: &actions, actor });
    Ok(())
}

/// A record of the episodes of all tasks.
#[derive(Clone, Debug, Default)]
pub struct Episodes {
    /// Distance to the goal of every task, before the first step and after every one, `[tasks][budget + 1]`.
    pub distances: Vec<Vec<f64>>,
    /// The same by every other rule of success that the environment knows.
    pub others: Vec<Other>,
    /// The protocol's guardrails.
    pub guardrails: Vec<GuardrailConfig>,
    /// Greatest true violation of any of them, `[tasks]`; 0 where all were kept.
    pub broken: Vec<f64>,
    /// Cost of the plans; none where nobody planned.
    pub planned: Option<Planned>,
}

/// Distances by a rule of success beside the task's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Other {
    /// The rule's name.
    pub name: String,
    /// A distance below this is success.
    pub radius: f64,
    /// `[tasks][budget + 1]`.
    pub distances: Vec<Vec<f64>>,
}

impl Tasks<'_> {
    /// Runs the episodes.
    ///
    /// # Errors
    /// An actor that cannot act here, or found no plan.
    pub fn run<A: Actor + ?Sized>(&self, actor: &mut A) -> Result<Episodes, EvalError> {
        self.watch(actor, &mut |_| {})
    }

    /// The same, shown to `watch`: every moment before a control step, and the end.
    ///
    /// # Errors
    /// As [`Tasks::run`].
    pub fn watch<A: Actor + ?Sized>(
        &self,
        actor: &mut A,
        watch: &mut dyn FnMut(&Moment<'_, A>),
    ) -> Result<Episodes, EvalError> {
        let mut envs = self.start();
        // On copies: a protocol's tasks start where they start.
        actor.begin(&mut envs.clone(), self.budget, self.seed)?;
        let mut episodes = Episodes::of(&envs, self.guardrails);
        play(actor, &mut envs, self.budget, &mut |moment| {
            episodes.note(moment.envs, moment.taken);
            watch(moment);
        })?;
        episodes.planned = actor.planned();
        Ok(episodes)
    }
}

impl Episodes {
    /// These and after them others of the same protocol.
    #[must_use]
    pub(crate) fn and(mut self, more: Self) -> Self {
        if self.distances.is_empty() {
            return more;
        }
        self.distances.extend(more.distances);
        for (other, more) in self.others.iter_mut().zip(more.others) {
            other.distances.extend(more.distances);
        }
        self.broken.extend(more.broken);
        self.planned = self.planned.zip(more.planned).map(|(planned, more)| planned.and(more));
        self
    }

    /// An empty record.
    fn of(envs: &Many, guardrails: &[GuardrailConfig]) -> Self {
        let rules = envs.envs().first().map(|env| env.other_rules()).unwrap_or_default();
        let none = vec![Vec::new(); envs.len()];
        let other = |rule: OtherRule| Other { name: rule.name.into(), radius: rule.radius, distances: none.clone() };
        let others = rules.into_iter().map(other).collect();
        let broken = vec![0.0; envs.len()];
        Self { distances: none, others, guardrails: guardrails.to_vec(), broken, planned: None }
    }

    /// Takes in where these actions, `[tasks, action]`, have led.
    fn note(&mut self, envs: &Many, taken: &[f32]) {
        self.note_broken(envs, taken);
        for (distances, distance) in self.distances.iter_mut().zip(envs.distances()) {
            distances.push(distance);
        }
        if self.others.is_empty() {
            return;
        }
        for (task, env) in envs.envs().iter().enumerate() {
            for (other, rule) in self.others.iter_mut().zip(env.other_rules()) {
                other.distances[task].push(rule.distance);
            }
        }
    }

    fn note_broken(&mut self, envs: &Many, taken: &[f32]) {
        if self.guardrails.is_empty() {
            return;
        }
        let labels = labels_of(envs);
        let [numbers, size] = [labels.len(), taken.len()].map(|all| all / envs.len().max(1));
        for (task, (env, broken)) in envs.envs().iter().zip(&mut self.broken).enumerate() {
            let (labels, action) = (&labels[task * numbers..][..numbers], &taken[task * size..][..size]);
            let depths = self.guardrails.iter().map(|guardrail| guardrail.broken(env.spec(), labels, action));
            *broken = depths.fold(*broken, f64::max);
        }
    }
}

/// Names and numbers, in order.
pub(crate) type Numbers = BTreeMap<String, f64>;

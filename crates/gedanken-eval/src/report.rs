//! A report: one row per policy or planner, all under one protocol.

use std::fmt;

use gedanken_planner::PlannerConfig;
use serde::Serialize;

use crate::episodes::{Episodes, Numbers};
use crate::search_round::SearchRound;
use crate::{Blame, Checks, EvalConfig, GuardrailConfig, Rule, Setup, TasksFrom, Worthiness, wilson};

/// One policy's or planner's results.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The actor.
    pub name: String,
    /// The actor in a sentence.
    pub about: String,
    /// Success rate by the protocol's rule.
    pub success: f64,
    /// Its Wilson 95 % interval.
    pub interval: [f64; 2],
    /// Success rate at the end of the episode.
    pub success_final: f64,
    /// Success rate at any moment.
    pub success_ever: f64,
    /// The same by the environment's other rules of success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherRate>,
    /// Mean distance at the end.
    pub mean_final_distance: f64,
    /// Median number of control steps until the distance was first below the radius, over the tasks where it was.
    pub median_steps: Option<f64>,
    /// Milliseconds per plan of one task: all tasks that have not arrived are planned at once.
    pub milliseconds_per_plan: Option<f64>,
    /// Imagined steps per task.
    pub evaluations_per_task: Option<f64>,
    /// The same of the nearest, the middle and the farthest third of the tasks, by the distance at their start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluations_by_distance: Option<[f64; 3]>,
    /// Share of the episodes in which the truth broke a guardrail; none where there are no guardrails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violated: Option<f64>,
    /// Share of the plans that break a guardrail, none being found that keeps them all: the agent kept still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<f64>,
    /// Seconds for all episodes.
    pub seconds: f64,
    /// The first plan's search, round by round, the mean over the tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<SearchRound>,
    /// Success rate of every seed of the evaluation, where there are several; the other numbers are over the tasks of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<SeedRate>,
    /// Standard deviation of these rates (with n - 1), where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds_std: Option<f64>,
    /// Every episode, seed by seed.
    pub episodes: Vec<EpisodeRow>,
}

/// Success with one seed of tasks and agent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedRate {
    /// The seed.
    pub seed: u64,
    /// Success rate by the protocol's rule.
    pub success: f64,
}

/// Success by a rule beside the task's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OtherRate {
    /// The rule's name.
    pub name: String,
    /// A distance below this is success.
    pub radius: f64,
    /// Success rate at the moments that the protocol's rule looks at.
    pub success: f64,
    /// Its Wilson 95 % interval.
    pub interval: [f64; 2],
    /// Success rate at the end of the episode.
    pub success_final: f64,
    /// Success rate at any moment.
    pub success_ever: f64,
}

/// One episode.
#[derive(Clone, Debug, Serialize)]
pub struct EpisodeRow {
    /// The task; those of several seeds are counted on.
    pub task: usize,
    /// Distance at the start.
    pub start: f64,
    /// Distance at the end.
    pub end: f64,
    /// Least distance.
    pub least: f64,
    /// Control steps until the distance was first below the radius.
    pub steps: Option<usize>,
    /// Model evaluations of all its plans.
    pub evaluations: u64,
}

/// Everything about one evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The program's version.
    pub version: String,
    /// The environment's name.
    pub env: String,
    /// The model's updates.
    pub step: u64,
    /// The protocol, with the tasks that were run.
    pub protocol: EvalConfig,
    /// Warnings to the reader, each a sentence: fewer tasks than asked for, another dataset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The radius of success; none where there is no task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// The planner.
    pub planner: PlannerConfig,
    /// Control steps of one planned action.
    pub frameskip: usize,
    /// The learned model first, then floors and ceilings; of an environment without a task, none.
    pub rows: Vec<Row>,
    /// Checks of the model without planning.
    pub checks: Option<Checks>,
    /// Measures of whether it is worth planning with.
    pub worthiness: Option<Worthiness>,
    /// Which part of it holds it back; none where no row knows more than the model.
    pub blame: Option<Blame>,
}

impl Row {
    /// The results of some episodes.
    pub fn of(name: &str, about: &str, episodes: &Episodes, rule: Rule, radius: f64, seconds: f64) -> Self {
        let planned = episodes.planned.as_ref().filter(|planned| planned.effort.plans > 0);
        let rows: Vec<EpisodeRow> = episodes
            .distances
            .iter()
            .enumerate()
            .map(|(task, d)| EpisodeRow {
                task,
                start: d.first().copied().unwrap_or(f64::NAN),
                end: d.last().copied().unwrap_or(f64::NAN),
                least: d.iter().copied().fold(f64::INFINITY, f64::min),
                steps: d.iter().position(|&d| d < radius),
                evaluations: planned.and_then(|planned| planned.evaluations.get(task).copied()).unwrap_or(0),
            })
            .collect();
        let rate = |name: &str, radius: f64, distances: &[Vec<f64>]| {
            let at_end = distances.iter().filter(|d| d.last().is_some_and(|&d| d < radius)).count();
            let ever = distances.iter().filter(|d| d.iter().any(|&d| d < radius)).count();
            let (n, headline) = (distances.len(), if rule == Rule::Final { at_end } else { ever });
            let share = |count: usize| count as f64 / n.max(1) as f64;
            OtherRate {
                name: name.to_owned(),
                radius,
                success: share(headline),
                interval: wilson(headline, n),
                success_final: share(at_end),
                success_ever: share(ever),
            }
        };
        let own = rate(name, radius, &episodes.distances);
        let n = rows.len().max(1) as f64;
        let mut steps: Vec<usize> = rows.iter().filter_map(|row| row.steps).collect();
        steps.sort_unstable();
        // The truth cannot break a limit on what the model knows.
        let guarded = episodes.guardrails.iter().any(GuardrailConfig::is_of_the_world);
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            success: own.success,
            interval: own.interval,
            success_final: own.success_final,
            success_ever: own.success_ever,
            others: episodes.others.iter().map(|other| rate(&other.name, other.radius, &other.distances)).collect(),
            mean_final_distance: rows.iter().map(|row| row.end).sum::<f64>() / n,
            median_steps: (!steps.is_empty())
                .then(|| (steps[(steps.len() - 1) / 2] + steps[steps.len() / 2]) as f64 / 2.0),
            milliseconds_per_plan: planned.map(|planned| planned.effort.milliseconds_per_plan()),
            evaluations_per_task: planned.map(|planned| planned.effort.evaluations as f64 / n),
            evaluations_by_distance: planned.map(|_| by_distance(&rows)),
            violated: guarded.then(|| episodes.broken.iter().filter(|&&depth| depth > 0.0).count() as f64 / n),
            refused: planned
                .filter(|planned| planned.guarded)
                .map(|planned| planned.effort.broken as f64 / planned.effort.task_plans.max(1) as f64),
            seconds,
            trace: planned.map(|planned| planned.trace.iter().map(SearchRound::of).collect()).unwrap_or_default(),
            seeds: Vec::new(),
            seeds_std: None,
            episodes: rows,
        }
    }
}

impl Row {
    /// The same with the rates of these seeds, each with its number of episodes; with one seed there is nothing to add.
    pub(crate) fn over_seeds(mut self, seeds: &[(u64, usize)], rule: Rule, radius: f64) -> Self {
        if seeds.len() < 2 {
            return self;
        }
        let (mut done, n) = (self.done(rule, radius).into_iter(), seeds.len() as f64);
        let mut rate = |count: usize| {
            let successes = done.by_ref().take(count).filter(|&done| done).count();
            successes as f64 / count.max(1) as f64
        };
        self.seeds = seeds.iter().map(|&(seed, count)| SeedRate { seed, success: rate(count) }).collect();
        let mean = self.seeds.iter().map(|rate| rate.success).sum::<f64>() / n;
        let squares = self.seeds.iter().map(|rate| (rate.success - mean).powi(2)).sum::<f64>();
        self.seeds_std = Some((squares / (n - 1.0)).sqrt());
        self
    }

    /// Which episodes were successes.
    pub(crate) fn done(&self, rule: Rule, radius: f64) -> Vec<bool> {
        let done = |episode: &EpisodeRow| match rule {
            Rule::Final => episode.end < radius,
            Rule::Ever => episode.steps.is_some(),
        };
        self.episodes.iter().map(done).collect()
    }
}

/// Mean model evaluations of the thirds of some episodes, by the distance at their start.
fn by_distance(rows: &[EpisodeRow]) -> [f64; 3] {
    let mut rows: Vec<&EpisodeRow> = rows.iter().collect();
    rows.sort_by(|a, b| a.start.total_cmp(&b.start));
    [0, 1, 2].map(|third| {
        let part = &rows[third * rows.len() / 3..(third + 1) * rows.len() / 3];
        part.iter().map(|row| row.evaluations as f64).sum::<f64>() / part.len().max(1) as f64
    })
}

impl Report {
    /// Of a model in an environment without a task, before anything is measured.
    pub(crate) fn without_tasks(setup: &Setup<'_>, step: u64) -> Self {
        let protocol = setup.protocol;
        Self {
            version: protocol.blueprint.version.clone(),
            env: protocol.env.spec().name.clone(),
            step,
            protocol: protocol.config.clone(),
            remarks: protocol.remarks.clone(),
            radius: None,
            planner: protocol.planner.config(),
            frameskip: setup.frameskip(),
            rows: Vec::new(),
            checks: None,
            worthiness: None,
            blame: None,
        }
    }

    /// The learned model's own row.
    pub fn headline(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// Every row's success and its interval, `final/ROW/success`, `…/low` and `…/high`; without rows, the imagination's numbers, `final/…`.
    pub fn results(&self) -> Vec<(String, f64)> {
        let of = |row: &Row| {
            let values = [("success", row.success), ("low", row.interval[0]), ("high", row.interval[1])];
            values.map(|(name, value)| (format!("final/{}/{name}", row.name), value))
        };
        let imagined = self.worthiness.iter().filter(|_| self.rows.is_empty()).flat_map(Worthiness::results);
        self.rows.iter().flat_map(of).chain(imagined).collect()
    }

    /// The numbers worth a curve.
    pub(crate) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new();
        for row in &self.rows {
            numbers.insert(format!("eval/{}/success", row.name), row.success);
            numbers.insert(format!("eval/{}/final_distance", row.name), row.mean_final_distance);
            for other in &row.others {
                numbers.insert(format!("eval/{}/success_{}", row.name, other.name), other.success);
            }
        }
        numbers
    }
}

impl fmt::Display for OtherRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.interval.map(|x| 100.0 * x);
        write!(f, "{} {:.1} % ({low:.0}-{high:.0})", self.name, 100.0 * self.success)
    }
}

impl Report {
    /// The protocol in a line.
    pub(crate) fn protocol_in_words(&self) -> String {
        let p = &self.protocol;
        let rule = if p.rule == Rule::Final { "at the end" } else { "at any moment" };
        let tasks = match p.tasks_from {
            TasksFrom::Reset => "tasks".to_owned(),
            TasksFrom::Recorded => format!("recorded tasks of {} control steps", p.goal_offset),
        };
        let seeds = match p.seeds {
            0 | 1 => format!("seed {}", p.seed),
            seeds => format!("of each of {seeds} seeds from {} on", p.seed),
        };
        let Some(radius) = self.radius else {
            return format!("{}: no task; what is measured is imagination", self.env);
        };
        let skip = if self.frameskip > 1 { format!(" in blocks of {}", self.frameskip) } else { String::new() };
        format!(
            "{}: {} {tasks} ({seeds}), {} control steps{skip}, success = distance below {} {rule}",
            self.env, p.tasks, p.budget, radius
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.protocol_in_words())?;
        self.remarks.iter().try_for_each(|remark| writeln!(f, "note: {remark}"))?;
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let heading = |f: &mut fmt::Formatter<'_>| {
            writeln!(
                f,
                "{:width$}  {:>7}  {:>13}  {:>6}  {:>6}  {:>8}  {:>5}  {:>8}  {:>10}",
                "", "success", "95 % interval", "final", "ever", "distance", "steps", "ms/plan", "evals/task"
            )
        };
        if !self.rows.is_empty() {
            heading(f)?;
        }
        let percent = |x: f64| format!("{:.1} %", 100.0 * x);
        let or_dash = |x: Option<f64>, digits: usize| x.map_or("-".to_owned(), |x| format!("{x:.digits$}"));
        for row in &self.rows {
            let [low, high] = row.interval;
            writeln!(
                f,
                "{:width$}  {:>7}  {:>13}  {:>6}  {:>6}  {:>8.2}  {:>5}  {:>8}  {:>10}",
                row.name,
                percent(row.success),
                format!("{:.1}-{:.1} %", 100.0 * low, 100.0 * high),
                percent(row.success_final),
                percent(row.success_ever),
                row.mean_final_distance,
                or_dash(row.median_steps, 0),
                or_dash(row.milliseconds_per_plan, 2),
                or_dash(row.evaluations_per_task, 0),
            )?;
            if let Some(std) = row.seeds_std {
                let rates: Vec<String> = row.seeds.iter().map(|rate| percent(rate.success)).collect();
                writeln!(f, "{:width$}  seed by seed: {}; standard deviation {}", "", rates.join(", "), percent(std))?;
            }
            if let Some([near, middle, far]) = row.evaluations_by_distance.filter(|_| self.planner.plan.tolerance > 0.0)
            {
                writeln!(
                    f,
                    "{:width$}  evaluations by distance at the start: {near:.0} near, {middle:.0} further, {far:.0} far",
                    ""
                )?;
            }
            if let Some(violated) = row.violated {
                let refused = row.refused.map_or(String::new(), |r| format!(", {} of plans refused", percent(r)));
                writeln!(f, "{:width$}  guardrails broken in {} of episodes{refused}", "", percent(violated))?;
            }
            if !row.others.is_empty() {
                let others: Vec<String> = row.others.iter().map(OtherRate::to_string).collect();
                writeln!(f, "{:width$}  also: {}", "", others.join(", "))?;
            }
        }
        if let Some(checks) = &self.checks {
            write!(f, "{checks}")?;
        }
        if let Some(worthiness) = &self.worthiness {
            write!(f, "{worthiness}")?;
        }
        match &self.blame {
            Some(blame) => write!(f, "{blame}"),
            None => Ok(()),
        }
    }
}

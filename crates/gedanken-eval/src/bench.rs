//! All planners on one checkpoint: what each reaches for how many model evaluations.

use std::fmt;
use std::time::Instant;

use gedanken_planner::{Kind, PlannerConfig, Returned};
use gedanken_run::{Picture, Plot};
use serde::Serialize;

use crate::{CostRule, EvalError, LabelCost, Labels, Planning, Row, Setup, Thinker, TrueWorld};

/// What is compared, and on what.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Model evaluations that a plan of one task may cost.
    pub budgets: Vec<u64>,
    /// Names of planners, of [`contenders`]; all where empty.
    pub planners: Vec<String>,
    /// Tasks of the protocol.
    pub tasks: usize,
    /// Whether they plan on the true simulator, with the environment's plain distance, in the model's place.
    pub simulator: bool,
}

/// What one planner reached with one budget.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The planner.
    pub planner: String,
    /// The budget of a plan.
    pub budget: u64,
    /// How it planned.
    pub config: PlannerConfig,
    /// Mean energy of the tasks' first plans: all planners plan from the same states.
    pub first_energy: f64,
    /// Mean model evaluations of a plan of one task.
    pub evaluations_per_plan: f64,
    /// The episodes.
    #[serde(flatten)]
    pub row: Row,
}

/// All planners on one checkpoint, under one protocol.
#[derive(Clone, Debug, Serialize)]
pub struct Standings {
    /// The environment.
    pub env: String,
    /// What was planned on: the model or the simulator.
    pub world: String,
    /// Tasks of every row.
    pub tasks: usize,
    /// One row for every planner and budget.
    pub rows: Vec<Standing>,
}

/// Every planner at a budget of `evaluations` of a plan: the experiment's horizon, bounds and noise, and the budget shared out as
/// suits the planner. No plan is of fewer than eight futures.
pub fn contenders(base: &PlannerConfig, evaluations: u64) -> Vec<(&'static str, PlannerConfig)> {
    let futures = ((evaluations / base.horizon.max(1) as u64) as usize).clamp(8, MOST_FUTURES);
    let base = PlannerConfig {
        kind: Kind::Cem,
        keep: 1,
        elites: None,
        update_std: true,
        polish: 0,
        tolerance: 0.0,
        max_evaluations: None,
        max_milliseconds: None,
        max_rows: 4096,
        ..base.clone()
    };
    // Few rounds of many samples: 2 for a handful of futures, 6 for hundreds, 8 for thousands. The mean is imagined too.
    let rounds = ((futures as f64).log2() / 1.6).round().clamp(2.0, 10.0) as usize;
    let cem = PlannerConfig { iterations: rounds, samples: ((futures - 1) / rounds).max(3), ..base.clone() };
    let sampling = |kind| PlannerConfig { kind, ..cem.clone() };
    let decayed: f64 = (0..rounds).map(|round| f64::from(base.decay).powi(-(round as i32))).sum();
    let icem = PlannerConfig {
        samples: ((futures as f64 / decayed) as usize).max(4),
        elites: Some(2.max(futures / rounds / 8)),
        returns: Returned::Best,
        keep: 2,
        ..sampling(Kind::Icem)
    };
    let mppi = PlannerConfig { min_std: base.min_std.max(0.2 * base.init_std), ..sampling(Kind::Mppi) };
    let fixed = PlannerConfig { update_std: false, init_std: 0.5 * base.init_std, ..sampling(Kind::Mppi) };
    // One look more than there are steps, each at the price of two futures.
    let steps = |futures: usize, starts: usize| (futures / (2 * starts)).max(2) - 1;
    let starts = (futures / 8).clamp(1, 4);
    let slides = |kind| PlannerConfig {
        kind,
        samples: starts,
        iterations: steps(futures, starts),
        min_std: 0.0,
        ..base.clone()
    };
    // Half for the search, half for Adam on a few of the best.
    let (polished, searched) = ((futures / 8).clamp(2, 4), rounds.div_ceil(2));
    let hybrid = PlannerConfig {
        iterations: searched,
        samples: (futures / 2 / searched).max(polished),
        elites: Some(polished),
        polish: steps(futures / 2, polished),
        ..base.clone()
    };
    vec![
        ("random", PlannerConfig { iterations: 1, samples: futures, ..sampling(Kind::Random) }),
        ("cem", cem.clone()),
        ("icem", icem),
        ("mppi", mppi),
        ("mppi-fixed", fixed),
        ("gradient", slides(Kind::Gradient)),
        ("adam", slides(Kind::Adam)),
        ("hybrid", hybrid),
    ]
}

/// Futures of a plan, at most.
const MOST_FUTURES: usize = 1 << 18;

/// Runs the comparison; `say` hears of every row.
///
/// # Errors
/// A name that is no planner's, or what an evaluation may say.
pub fn compare(setup: &Setup<'_>, contest: &Contest, say: &mut dyn FnMut(&str)) -> Result<Standings, EvalError> {
    let protocol = setup.protocol;
    let known = contenders(&protocol.planner, 1);
    for name in &contest.planners {
        match known.iter().find(|(known, _)| known == name) {
            None => {
                let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(EvalError::Mismatch(format!("no planner `{name}`; there are {}", known.join(", "))));
            }
            Some((_, config)) if contest.simulator && config.needs_gradient() => {
                let why = "needs a gradient, which the simulator does not have";
                return Err(EvalError::Mismatch(format!("`{name}` {why}")));
            }
            Some(_) => {}
        }
    }
    let tasks = protocol.tasks(contest.tasks)?;
    let (world, simulator) = (setup.world(), TrueWorld::default());
    let cost = LabelCost { env: protocol.env.as_ref(), labels: Labels::Simulated, rule: CostRule::Plain };
    let objective = setup.objective()?;
    let kept = if contest.simulator { setup.true_guardrails()? } else { setup.guardrails()? };
    let mut rows = Vec::new();
    for &budget in &contest.budgets {
        for (name, config) in contenders(&protocol.planner, budget) {
            let left_out = !contest.planners.is_empty() && contest.planners.iter().all(|planner| planner != name);
            if left_out || (contest.simulator && config.needs_gradient()) {
                continue;
            }
            say(&format!("{name}, {budget} evaluations a plan"));
            let model = Thinker {
                world: &world,
                objective: objective.as_ref(),
                guardrails: &kept,
                planner: &config,
                frameskip: setup.frameskip(),
                arrived: protocol.config.arrived,
            };
            let true_one = Thinker { world: &simulator, objective: &cost, arrived: None, ..model };
            let thinker = if contest.simulator { true_one } else { model };
            let (mut first, start) = (None, Instant::now());
            let episodes = tasks.watch(&mut Planning::new(thinker), &mut |moment| {
                if let (None, Some(plans)) = (first, moment.actor.agent().and_then(|(agent, _)| agent.plans())) {
                    first = Some(plans.energy.iter().map(|&e| f64::from(e)).sum::<f64>() / plans.tasks.max(1) as f64);
                }
            })?;
            let (effort, seconds) =
                (episodes.planned.as_ref().map(|p| p.effort).unwrap_or_default(), start.elapsed().as_secs_f64());
            rows.push(Standing {
                planner: name.to_owned(),
                budget,
                config: config.clone(),
                first_energy: first.unwrap_or(f64::NAN),
                evaluations_per_plan: effort.evaluations as f64 / effort.task_plans.max(1) as f64,
                row: Row::of(name, "", &episodes, protocol.config.rule, protocol.radius(), seconds),
            });
        }
    }
    let world = if contest.simulator { "the true simulator" } else { "the learned model" }.to_owned();
    Ok(Standings { env: protocol.env.spec().name.clone(), world, tasks: contest.tasks, rows })
}

impl Standings {
    /// Success against model evaluations of a plan.
    pub fn plot(&self) -> Picture {
        let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        for row in &self.rows {
            let point = (row.evaluations_per_plan, row.row.success);
            match lines.iter_mut().find(|(name, _)| *name == row.planner) {
                Some((_, points)) => points.push(point),
                None => lines.push((row.planner.clone(), vec![point])),
            }
        }
        lines.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
        let title = format!("{} on {}, n = {}", self.env, self.world, self.tasks);
        Plot { title: &title, x: "model evaluations of a plan", y: "success", lines }.draw()
    }
}

impl fmt::Display for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, {} tasks", self.env, self.world, self.tasks)?;
        let head = ["budget", "success", "95 % interval", "first energy", "evals/plan", "ms/plan"];
        let [budget, success, interval, energy, evaluations, ms] = head;
        writeln!(f, "{:10}  {budget:>8}  {success:>7}  {interval:>13}  {energy:>12}  {evaluations:>10}  {ms:>8}", "")?;
        for row in &self.rows {
            let [low, high] = row.row.interval.map(|x| 100.0 * x);
            writeln!(
                f,
                "{:10}  {:>8}  {:>5.1} %  {:>13}  {:>12.4}  {:>10.0}  {:>8.3}",
                row.planner,
                row.budget,
                100.0 * row.row.success,
                format!("{low:.1}-{high:.1} %"),
                row.first_energy,
                row.evaluations_per_plan,
                row.row.milliseconds_per_plan.unwrap_or(f64::NAN),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_is_valid_and_keeps_its_budget() {
        for (horizon, keep) in [(1, 0), (5, 1), (12, 4), (90, 8)] {
            let elites = Some(keep + 20);
            let base = PlannerConfig { horizon, keep, elites, replan_every: 1, kind: Kind::Adam, ..Default::default() };
            for budget in [1, 100, 400, 1600, 100_000, u64::MAX] {
                for (name, config) in contenders(&base, budget) {
                    assert_eq!(config.validate(), Ok(()), "{name}, {budget}, horizon {horizon}");
                    let slides = matches!(config.kind, Kind::Gradient | Kind::Adam);
                    let rounds = |round: usize| {
                        let decay = if config.kind == Kind::Icem { f64::from(config.decay) } else { 1.0 };
                        ((config.samples as f64 * decay.powi(-(round as i32))) as usize).max(2 * config.elites())
                    };
                    let spent = match slides {
                        true => 2 * config.samples * (config.iterations + 1),
                        false if config.polish > 0 => {
                            config.samples * config.iterations + 2 * config.elites() * (config.polish + 1)
                        }
                        false if config.kind == Kind::Icem => (0..config.iterations).map(rounds).sum(),
                        false => config.samples * config.iterations,
                    };
                    let futures = (budget / horizon as u64).clamp(8, MOST_FUTURES as u64) as f64;
                    assert!(spent as f64 <= 1.5 * futures, "{name} spends {spent} of {futures}");
                    assert!(
                        futures < 64.0 || (spent as f64 - futures).abs() < 0.15 * futures,
                        "{name}: {spent} of {futures}"
                    );
                }
            }
        }
    }
}

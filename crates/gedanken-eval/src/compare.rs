//! All planners on one model: success against model evaluations.

use std::fmt;
use std::time::Instant;

use gedanken_env::EnvError;
use gedanken_planner::{Catalog, Cem, Mppi, PlanConfig, PlanError, Planner, PlannerConfig, Sampling, Strategy, Table};
use gedanken_run::{Picture, Plot};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{CostRule, EvalError, LabelCost, Labels, Planning, Protocol, Row, Setup, Tasks, Thinker, TrueWorld};

/// A comparison to make.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Model evaluations that a plan of one task may cost.
    pub budgets: Vec<u64>,
    /// All strategies.
    pub strategies: Catalog<dyn Strategy>,
    /// Names of planners, of [`contenders`]; all where empty.
    pub planners: Vec<String>,
    /// Tasks of the protocol.
    pub tasks: usize,
    /// Plan on the true simulator, by the environment's plain distance, in the model's place.
    pub simulator: bool,
}

/// Results of one planner with one budget.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The planner.
    pub planner: String,
    /// The budget of a plan.
    pub budget: u64,
    /// Its keys.
    pub config: PlannerConfig,
    /// Mean energy of the tasks' first plans: all planners plan from the same states.
    pub first_energy: f64,
    /// Mean model evaluations of a plan of one task.
    pub evaluations_per_plan: f64,
    /// The episodes.
    #[serde(flatten)]
    pub row: Row,
}

/// Results of all planners on one model, under one protocol.
#[derive(Clone, Debug, Serialize)]
pub struct Standings {
    /// The environment.
    pub env: String,
    /// The model or the simulator.
    pub world: String,
    /// Tasks of every row.
    pub tasks: usize,
    /// One row for every planner and budget.
    pub rows: Vec<Standing>,
}

/// Every strategy at a budget of `evaluations` of a plan, with the experiment's horizon, bounds and noise: the planner's own keys where the
/// strategy has them too, then [`Strategy::budgeted`]. Beside them `mppi-fixed`, whose deviation stays half of `init_std`, and `hybrid`, CEM for
/// half of the budget and then Adam on its elites. No plan is of fewer than eight futures.
///
/// # Errors
/// A strategy that cannot be made.
pub fn contenders(
    base: &Planner,
    strategies: &Catalog<dyn Strategy>,
    evaluations: u64,
) -> Result<Vec<(&'static str, Planner)>, PlanError> {
    let futures = ((evaluations / base.settings().horizon.max(1) as u64) as usize).clamp(8, MOST_FUTURES);
    let (max_evaluations, max_milliseconds, settings) = (None, None, base.settings().clone());
    let plan = PlanConfig { polish: 0, tolerance: 0.0, max_evaluations, max_milliseconds, max_rows: 4096, ..settings };
    let shared = base.strategy().table().keys;
    let mut found = Vec::new();
    for entry in strategies.entries() {
        let schema = entry.schema();
        let mut keys = shared.clone();
        keys.retain(|key, _| schema["properties"].get(key).is_some());
        let own = |keys| strategies.make(&Table { kind: entry.name().to_owned(), keys });
        // A key of the same name may mean another thing.
        let strategy = own(keys).or_else(|_| own(Map::new()))?;
        let strategy = strategy.budgeted(futures).unwrap_or(strategy);
        found.push((entry.name(), Planner::new(strategy, plan.clone())?));
    }
    let mut fixed: Mppi = serde_json::from_value(Value::Object(shared.clone())).unwrap_or_default();
    fixed.update_std = false;
    fixed.sampling.init_std = fixed.sampling.init_std.times(0.5);
    let fixed = fixed.budgeted(futures).unwrap_or(Box::new(fixed));
    found.push(("mppi-fixed", Planner::new(fixed, plan.clone())?));

    let cem: Cem = serde_json::from_value(Value::Object(shared)).unwrap_or_default();
    let (polished, searched) =
        ((futures / 8).clamp(2, 4), cem.budgeted(futures).map_or(2, |cem| cem.style().rounds).div_ceil(2));
    let sampling = Sampling {
        iterations: searched,
        samples: (futures / 2 / searched).max(polished),
        elites: Some(polished),
        keep: 1,
        ..cem.sampling
    };
    // One look more than there are steps, each at the price of two futures.
    let polish = (futures / 2 / (2 * polished)).max(2) - 1;
    found.push(("hybrid", Planner::new(Box::new(Cem { sampling, ..cem }), PlanConfig { polish, ..plan })?));
    Ok(found)
}

/// Futures of a plan, at most.
const MOST_FUTURES: usize = 1 << 18;

/// Runs the comparison; `say` hears of every row.
///
/// # Errors
/// An unknown name of a planner, or what [`evaluate`](crate::evaluate) says.
pub fn compare(setup: &Setup<'_>, contest: &Contest, say: &mut dyn FnMut(&str)) -> Result<Standings, EvalError> {
    let protocol = setup.protocol;
    contest.check(protocol)?;
    let tasks = protocol.tasks(contest.tasks)?;
    protocol.remarks.iter().chain(tasks.remarks()).for_each(|remark| say(remark));
    let (world, simulator) = (setup.world(), TrueWorld::default());
    let cost = LabelCost { env: protocol.env.as_ref(), labels: Labels::Simulated, rule: CostRule::Plain };
    let objective = setup.objective()?;
    let guardrails = if contest.simulator { setup.true_guardrails()? } else { setup.guardrails()? };
    let mut rows = Vec::new();
    for &budget in &contest.budgets {
        for (name, planner) in contenders(&protocol.planner, &contest.strategies, budget)? {
            let left_out = !contest.planners.is_empty() && contest.planners.iter().all(|planner| planner != name);
            if left_out || (contest.simulator && planner.needs_gradient()) {
                continue;
            }
            say(&format!("{name}, {budget} evaluations a plan"));
            let model = Thinker {
                world: &world,
                objective: objective.as_ref(),
                guardrails: &guardrails,
                planner: &planner,
                frameskip: setup.frameskip(),
                arrived: protocol.config.arrived,
            };
            let truth = Thinker { world: &simulator, objective: &cost, arrived: None, ..model };
            rows.push(standing(protocol, &tasks, (name, budget), if contest.simulator { truth } else { model })?);
        }
    }
    let world = if contest.simulator { "the true simulator" } else { "the learned model" }.to_owned();
    Ok(Standings { env: protocol.env.spec().name.clone(), world, tasks: tasks.count, rows })
}

/// One planner's episodes.
fn standing(
    protocol: &Protocol,
    tasks: &Tasks<'_>,
    (name, budget): (&str, u64),
    thinker: Thinker<'_>,
) -> Result<Standing, EvalError> {
    let (mut first, start) = (None, Instant::now());
    let episodes = tasks.watch(&mut Planning::new(thinker), &mut |moment| {
        if let (None, Some(plans)) = (first, moment.actor.agent().and_then(|(agent, _)| agent.plans())) {
            first = Some(plans.energy.iter().map(|&e| f64::from(e)).sum::<f64>() / plans.tasks.max(1) as f64);
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let effort = episodes.planned.as_ref().map(|planned| planned.effort).unwrap_or_default();
    Ok(Standing {
        planner: name.to_owned(),
        budget,
        config: thinker.planner.config(),
        first_energy: first.unwrap_or(f64::NAN),
        evaluations_per_plan: effort.evaluations as f64 / effort.task_plans.max(1) as f64,
        row: Row::of(name, "", &episodes, protocol.config.rule, protocol.radius()?, seconds),
    })
}

impl Contest {
    /// Checks that there are such planners, and that they can plan there.
    fn check(&self, protocol: &Protocol) -> Result<(), EvalError> {
        if self.simulator && !CostRule::Plain.known(protocol.env.as_ref()) {
            let what = "plain distance of labels, by which plans on the simulator go";
            return Err(EnvError::missing(protocol.env.spec(), what).into());
        }
        let known = contenders(&protocol.planner, &self.strategies, 1)?;
        for name in &self.planners {
            let Some((_, planner)) = known.iter().find(|(known, _)| known == name) else {
                let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(EvalError::Mismatch(format!("no planner `{name}`; there are {}", known.join(", "))));
            };
            if self.simulator && planner.needs_gradient() {
                let why = "needs a gradient, which the simulator does not have";
                return Err(EvalError::Mismatch(format!("`{name}` {why}")));
            }
        }
        Ok(())
    }
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
    use gedanken_planner::strategies;

    #[test]
    fn every_contender_is_valid_and_keeps_its_budget() {
        for (horizon, keep) in [(1, 0), (5, 1), (12, 4), (90, 8)] {
            let sampling = Sampling { keep, elites: Some(keep + 20), ..Sampling::default() };
            let plan = PlanConfig { horizon, replan_every: 1, ..PlanConfig::default() };
            let base = Planner::new(Box::new(Cem { sampling, ..Cem::default() }), plan).unwrap();
            for budget in [1, 100, 400, 1600, 100_000, u64::MAX] {
                for (name, planner) in contenders(&base, &strategies(), budget).unwrap() {
                    let (strategy, polish) = (planner.strategy(), planner.settings().polish);
                    let style = strategy.style();
                    let tried: usize = (0..style.rounds).map(|round| strategy.samples(round)).sum();
                    let polished = if polish > 0 { 2 * style.elites * (polish + 1) } else { 0 };
                    let spent = tried * (1 + usize::from(style.gradient)) + polished;
                    let futures = (budget / horizon as u64).clamp(8, MOST_FUTURES as u64) as f64;
                    assert!(spent as f64 <= 1.5 * futures, "{name} spends {spent} of {futures}");
                    // One that has no budget is compared as it is.
                    let spends = strategy.budgeted(8).is_some();
                    assert!(
                        futures < 64.0 || !spends || (spent as f64 - futures).abs() < 0.15 * futures,
                        "{name}: {spent} of {futures}"
                    );
                }
            }
        }
    }
}

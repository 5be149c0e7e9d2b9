//! The learned model under a protocol, and its floors and ceilings under the same one.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::{
    Actor, Blame, Episodes, EvalConfig, EvalError, Nobody, Planning, Protocol, Report, Row, Scripted, Setup, Tasks,
    Thinker,
};

/// Runs the first `tasks` tasks with the learned model, and, if the `whole` protocol is asked for, those of all its seeds, with its floors,
/// its ceilings and its ladder; `say` hears of each. In an environment without a task there are none.
///
/// # Errors
/// A model that does not go with the environment or the protocol, or no plan.
pub fn evaluate(
    setup: &Setup<'_>,
    step: u64,
    tasks: usize,
    whole: bool,
    say: &mut dyn FnMut(&str),
) -> Result<Report, EvalError> {
    fits(setup)?;
    let protocol = setup.protocol;
    if protocol.env.spec().task.is_none() {
        return Ok(Report::without_tasks(setup, step));
    }
    let seeds = if whole { protocol.config.seeds.max(1) } else { 1 };
    let of_seed = |seed| EvalConfig { seed, seeds, tasks, ..protocol.config.clone() };
    let configs: Vec<EvalConfig> = protocol.config.task_seeds().take(seeds).map(of_seed).collect();
    let drawn: Vec<Tasks<'_>> =
        configs.iter().map(|config| protocol.tasks_of(config, 0..tasks)).collect::<Result<_, _>>()?;
    let mut rows = Rows { protocol, tasks: &drawn, rows: Vec::new(), say };
    let remarks = drawn.iter().flat_map(Tasks::remarks).chain(&protocol.remarks);
    let remarks: BTreeSet<String> = remarks.cloned().collect();
    let (objective, guardrails) = (setup.objective()?, setup.guardrails()?);
    let model = Thinker {
        world: &setup.world(),
        objective: objective.as_ref(),
        guardrails: &guardrails,
        planner: &protocol.planner,
        frameskip: setup.frameskip(),
        arrived: protocol.config.arrived,
    };
    rows.add("model", "the learned model and the protocol's objective", &mut Planning::new(model))?;
    if !guardrails.is_empty() {
        let free = Thinker { guardrails: &[], ..model };
        rows.add("unguarded", "the same without guardrails", &mut Planning::new(free))?;
    }
    let EvalConfig { baselines, ladder, rule, .. } = protocol.config;
    if whole && baselines {
        rows.scripted()?;
    }
    if whole && (baselines || ladder) {
        rows.rungs(setup, model)?;
    }
    let radius = protocol.radius()?;
    Ok(Report {
        protocol: EvalConfig {
            tasks: drawn.iter().map(|tasks| tasks.count).min().unwrap_or(tasks),
            seeds,
            ..protocol.config.clone()
        },
        remarks: remarks.into_iter().collect(),
        radius: Some(radius),
        blame: Blame::of(&rows.rows, rule, radius),
        rows: rows.rows,
        ..Report::without_tasks(setup, step)
    })
}

/// Checks that the model sees what the environment shows, and acts in blocks of its actions.
fn fits(setup: &Setup<'_>) -> Result<(), EvalError> {
    let (spec, spaces) = (setup.protocol.env.spec(), setup.model.spaces());
    let (space, actions) = (spec.observation, spec.action.len());
    let shown = [space.channels, space.height, space.width];
    if spaces.pixels == shown && spaces.action > 0 && spaces.action.is_multiple_of(actions.max(1)) {
        return Ok(());
    }
    Err(EvalError::Mismatch(format!(
        "the model sees {:?} and acts with {} numbers, {} shows {shown:?} and takes {actions}",
        spaces.pixels, spaces.action, spec.name
    )))
}

/// The rows of a report, one actor after the other.
pub(crate) struct Rows<'a> {
    pub protocol: &'a Protocol,
    /// Those of every seed.
    tasks: &'a [Tasks<'a>],
    rows: Vec<Row>,
    pub say: &'a mut dyn FnMut(&str),
}

impl Rows<'_> {
    pub fn add(&mut self, name: &str, about: &str, actor: &mut dyn Actor) -> Result<(), EvalError> {
        self.played(name, about, &mut |tasks| tasks.run(actor))
    }

    /// A row of the episodes that `play` makes of every seed's tasks.
    fn played(
        &mut self,
        name: &str,
        about: &str,
        play: &mut dyn FnMut(&Tasks<'_>) -> Result<Episodes, EvalError>,
    ) -> Result<(), EvalError> {
        (self.say)(name);
        let start = Instant::now();
        let mut all = Episodes::default();
        for tasks in self.tasks {
            all = all.and(play(tasks)?);
        }
        let (rule, radius) = (self.protocol.config.rule, self.protocol.radius()?);
        let row = Row::of(name, about, &all, rule, radius, start.elapsed().as_secs_f64());
        let seeds: Vec<(u64, usize)> = self.tasks.iter().map(|tasks| (tasks.seed, tasks.count)).collect();
        self.rows.push(row.over_seeds(&seeds, rule, radius));
        Ok(())
    }

    /// Floors that know nothing, and policies that know all. Only recorded goals may be near the start: others tell nothing of
    /// keeping still.
    fn scripted(&mut self) -> Result<(), EvalError> {
        let recorded = self.tasks.iter().all(|tasks| tasks.pieces().is_some());
        if recorded {
            self.add("noop", "floor: keeps still", &mut Nobody)?;
        }
        self.policy("uniform", "floor: random actions")?;
        self.policy("straight", "floor: straight at the goal, blind to walls")?;
        if recorded {
            self.played("replay", "ceiling: the recorded actions", &mut |tasks| tasks.run(&mut tasks.replay()?))?;
        }
        self.policy("expert", "ceiling: the scripted expert")
    }

    /// A scripted policy, where the environment has it.
    fn policy(&mut self, name: &str, about: &str) -> Result<(), EvalError> {
        if self.protocol.env.spec().policies.iter().all(|policy| policy.name != name) {
            return Ok(());
        }
        self.add(name, about, &mut Scripted::new([name]))
    }
}

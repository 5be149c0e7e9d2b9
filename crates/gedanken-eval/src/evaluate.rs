//! The learned model under a protocol, and its floors and ceilings under the same one.

use std::time::Instant;

use crate::{
    Actor, Blame, EvalConfig, EvalError, Nobody, Planning, Protocol, Report, Row, Scripted, Setup, Tasks, Thinker,
};

/// Runs the first `tasks` tasks with the learned model, and, if the `whole` protocol is asked for, with its floors, its ceilings and its
/// ladder; `say` hears of each.
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
    let tasks = protocol.tasks(tasks)?;
    let mut rows = Rows { protocol, tasks: &tasks, rows: Vec::new(), say };
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
        version: protocol.blueprint.version.clone(),
        env: protocol.env.spec().name.clone(),
        step,
        protocol: EvalConfig { tasks: tasks.count, ..protocol.config.clone() },
        remarks: [&protocol.remarks, tasks.remarks()].concat(),
        radius,
        planner: protocol.planner.config(),
        frameskip: setup.frameskip(),
        blame: Blame::of(&rows.rows, rule, radius),
        rows: rows.rows,
        checks: None,
        worthiness: None,
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
    tasks: &'a Tasks<'a>,
    rows: Vec<Row>,
    pub say: &'a mut dyn FnMut(&str),
}

impl Rows<'_> {
    pub fn add(&mut self, name: &str, about: &str, actor: &mut dyn Actor) -> Result<(), EvalError> {
        (self.say)(name);
        let start = Instant::now();
        let episodes = self.tasks.run(actor)?;
        let (rule, radius) = (self.protocol.config.rule, self.protocol.radius()?);
        self.rows.push(Row::of(name, about, &episodes, rule, radius, start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Floors that know nothing, and policies that know all. Only recorded goals may be near the start: others tell nothing of
    /// keeping still.
    fn scripted(&mut self) -> Result<(), EvalError> {
        let recorded = self.tasks.pieces().is_some();
        if recorded {
            self.add("noop", "floor: keeps still", &mut Nobody)?;
        }
        self.policy("uniform", "floor: random actions")?;
        self.policy("straight", "floor: straight at the goal, blind to walls")?;
        if recorded {
            self.add("replay", "ceiling: the recorded actions", &mut self.tasks.replay()?)?;
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

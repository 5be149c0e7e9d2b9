//! The learned model under a protocol, and its floors and ceilings under the same one.

use std::time::Instant;

use burn::tensor::Device;
use gedanken_data::Source;
use gedanken_env::Env;
use gedanken_model::{Blueprint, WorldModel};
use gedanken_planner::{ActionCost, Guardrail, LatentDistance, Norm, Objective, PlannerConfig, WeightedSum};

use crate::episodes::{Driver, Thinker};
use crate::{
    Ahead, EvalConfig, EvalError, LabelCost, Labels, LearnedDistance, LearnedWorld, Measure, ObjectiveKind,
    ProbeDistance, Report, Row, Simulator, Tasks, TasksFrom, Uncertainty, Worthiness, guardrails,
};

/// A floor or a ceiling: what it is compared with tells which of model, distance and planner is the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Actions that keep still; under recorded tasks, whose goal may be near.
    Noop,
    /// The recorded actions of recorded tasks.
    Replay,
    /// A scripted policy of the environment, where it has it.
    Policy(&'static str, &'static str),
    /// The same planner on the true simulator.
    Simulator(Measure),
    /// The learned model under the true cost of the positions that its probe reads.
    ModelTrueCost,
}

impl Baseline {
    /// The cost of labels that the environment must know.
    fn cost(self) -> Option<Measure> {
        match self {
            Self::Simulator(measure) => Some(measure),
            Self::ModelTrueCost => Some(Measure::True),
            _ => None,
        }
    }

    /// Whether it only tells something about tasks that were recorded.
    fn needs_recorded(self) -> bool {
        matches!(self, Self::Noop | Self::Replay)
    }
}

/// Floors first, then ceilings.
pub const BASELINES: [Baseline; 8] = [
    Baseline::Noop,
    Baseline::Policy("uniform", "floor: random actions"),
    Baseline::Policy("straight", "floor: straight at the goal, blind to walls"),
    Baseline::Replay,
    Baseline::Policy("expert", "ceiling: the scripted expert"),
    Baseline::Simulator(Measure::Plain),
    Baseline::Simulator(Measure::True),
    Baseline::ModelTrueCost,
];

/// What [`evaluate`] needs.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// The environment, with the protocol's options.
    pub env: &'a dyn Env,
    /// The protocol.
    pub config: &'a EvalConfig,
    /// What recorded tasks are cut from; needed by protocols that ask for them.
    pub source: Option<&'a dyn Source>,
    /// How to plan.
    pub planner: &'a PlannerConfig,
    /// The model, without autodiff, and what it is made of.
    pub model: &'a WorldModel,
    /// What the model is made of.
    pub blueprint: &'a Blueprint,
    /// Where the model lives.
    pub device: &'a Device,
}

/// Control steps of one of a model's actions in an environment: the model takes blocks of the actions of so many.
pub(crate) fn frameskip(model: &WorldModel, env: &dyn Env) -> usize {
    (model.spaces().action / env.spec().action.len().max(1)).max(1)
}

impl<'a> Setup<'a> {
    /// The first `count` tasks of the protocol.
    ///
    /// # Errors
    /// What [`Tasks::recorded`] says, recorded tasks without a source, or an environment without a task.
    pub fn tasks(&self, count: usize) -> Result<Tasks<'a>, EvalError> {
        self.env.spec().require_task()?;
        match (self.config.tasks_from, self.source) {
            (TasksFrom::Reset, _) => {
                let tasks = Tasks::of(self.env, self.config, count);
                tasks.check()?;
                Ok(tasks)
            }
            (TasksFrom::Recorded, Some(source)) => Tasks::recorded(self.env, self.config, count, source),
            (TasksFrom::Recorded, None) => {
                Err(EvalError::Mismatch("eval.tasks_from is \"recorded\", but there are no episodes".to_owned()))
            }
        }
    }

    /// Control steps of one of the model's actions.
    pub fn frameskip(&self) -> usize {
        frameskip(self.model, self.env)
    }

    /// The model's objective by the protocol.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] when the protocol wants a learned distance or an ensemble and the model has none.
    pub fn objective(&self) -> Result<Box<dyn Objective + '_>, EvalError> {
        let latent = |norm| Box::new(LatentDistance { norm });
        let one = |kind: ObjectiveKind| -> Result<Box<dyn Objective + '_>, EvalError> {
            Ok(match kind {
                ObjectiveKind::Latent => latent(Norm::L2),
                ObjectiveKind::LatentL1 => latent(Norm::L1),
                ObjectiveKind::LatentCosine => latent(Norm::Cosine),
                ObjectiveKind::Probe => {
                    self.env.spec().require_labels()?;
                    Box::new(ProbeDistance { model: self.model, felt: false })
                }
                ObjectiveKind::Proprioception if self.model.spaces().proprioception.is_empty() => {
                    let why =
                        "plans are to go by proprioception, but the model was trained without (proprioception.labels)";
                    return Err(EvalError::Mismatch(why.to_owned()));
                }
                ObjectiveKind::Proprioception => Box::new(ProbeDistance { model: self.model, felt: true }),
                ObjectiveKind::Learned => Box::new(LearnedDistance(self.model.distance().ok_or_else(|| {
                    EvalError::Mismatch(
                        "eval.objective is \"learned\", but the model has no learned distance; use \"latent\""
                            .to_owned(),
                    )
                })?)),
            })
        };
        let kinds = self.config.weighted();
        let weights = &self.config.objectives;
        let [effort, smoothness, unsure] = [weights.effort, weights.smoothness, weights.uncertainty].map(|w| w as f32);
        match kinds.as_slice() {
            [(kind, 1.0)] if [effort, smoothness, unsure] == [0.0; 3] => one(*kind),
            _ => {
                let dims = self.env.spec().action.len();
                let terms = kinds.iter().map(|&(kind, weight)| Ok((weight as f32, one(kind)?)));
                let mut terms = terms.collect::<Result<Vec<_>, EvalError>>()?;
                terms.push((1.0, Box::new(ActionCost { effort, smoothness, dims })));
                if unsure > 0.0 {
                    terms.push((unsure, Box::new(Uncertainty::of(self.model, &self.blueprint.statistics)?)));
                }
                Ok(Box::new(WeightedSum(terms)))
            }
        }
    }

    /// The model as a planner sees it.
    pub fn world(&self) -> LearnedWorld<'_> {
        LearnedWorld { model: self.model, statistics: &self.blueprint.statistics, device: self.device }
    }

    /// The protocol's guardrails on the model.
    ///
    /// # Errors
    /// What [`guardrails`](crate::guardrails) says.
    pub fn guardrails(&self) -> Result<Vec<Box<dyn Guardrail + 'a>>, EvalError> {
        let labels = Labels::Probed(self.model, &self.blueprint.statistics);
        guardrails(&self.config.guardrails, &self.world(), labels, self.env, self.ahead(), self.config.seed)
    }

    /// The same on the true simulator, which is never uncertain.
    ///
    /// # Errors
    /// What [`guardrails`](crate::guardrails) says.
    pub fn true_guardrails(&self) -> Result<Vec<Box<dyn Guardrail + 'a>>, EvalError> {
        let kept = self.config.guardrails.iter().filter(|guardrail| guardrail.is_of_the_world());
        let kept: Vec<_> = kept.cloned().collect();
        guardrails(&kept, &Simulator::new(), Labels::Simulated, self.env, self.ahead(), self.config.seed)
    }

    /// What lies further ahead than the next look is seen nearer before it is done.
    fn ahead(&self) -> Ahead {
        Ahead { look: self.planner.replan_every, horizon: self.planner.horizon, frameskip: self.frameskip() }
    }

    /// Whether the model is worth planning with; none where the environment has no policies to compare with.
    ///
    /// # Errors
    /// What [`Setup::objective`] and [`Worthiness::of`] say.
    pub fn worthiness(&self) -> Result<Option<Worthiness>, EvalError> {
        if self.env.spec().policies.is_empty() {
            return Ok(None);
        }
        let frameskip = self.frameskip();
        let plan = [self.planner.horizon.min(self.config.budget.div_ceil(frameskip)).max(1), frameskip];
        Worthiness::of(&self.world(), self.objective()?.as_ref(), self.env, plan, self.config.seed).map(Some)
    }

    /// The radius of success.
    ///
    /// # Errors
    /// An environment without a task.
    pub fn radius(&self) -> Result<f64, EvalError> {
        Ok(self.config.radius.unwrap_or(self.env.spec().require_task()?.radius))
    }

    /// Whether the environment knows a cost of its labels.
    pub(crate) fn knows(&self, measure: Measure) -> bool {
        let mut labels = vec![0.0; self.env.spec().label_len()];
        self.env.labels(&mut labels);
        let cost = match measure {
            Measure::Plain => self.env.plain_distance(&labels, &labels),
            Measure::True => self.env.cost_to_go(&labels, &labels),
        };
        !labels.is_empty() && cost.is_some()
    }
}

/// Runs the first `tasks` tasks with the learned model, and with floors and ceilings if asked; `say` hears of each.
///
/// # Errors
/// A model that does not go with the environment or the protocol, or no plan.
pub fn evaluate(
    setup: &Setup<'_>,
    step: u64,
    tasks: usize,
    baselines: bool,
    say: &mut dyn FnMut(&str),
) -> Result<Report, EvalError> {
    let spec = setup.env.spec();
    let (space, spaces) = (spec.observation, setup.model.spaces());
    let blocks = spaces.action.is_multiple_of(spec.action.len().max(1)) && spaces.action > 0;
    if spaces.pixels != [space.channels, space.height, space.width] || !blocks {
        return Err(EvalError::Mismatch(format!(
            "the model sees {:?} and acts with {} numbers, {} shows {:?} and takes {}",
            spaces.pixels,
            spaces.action,
            spec.name,
            [space.channels, space.height, space.width],
            spec.action.len()
        )));
    }
    let (tasks, radius) = (setup.tasks(tasks)?, setup.radius()?);
    let (frameskip, recorded) = (setup.frameskip(), tasks.pieces().is_some());
    let mut rows = Vec::new();
    let mut row = |name: &str, about: &str, driver: &Driver<'_>| {
        say(name);
        let start = Instant::now();
        let episodes = tasks.run(driver, &mut |_, _, _| {})?;
        rows.push(Row::of(name, about, &episodes, setup.config.rule, radius, start.elapsed().as_secs_f64()));
        Ok::<(), EvalError>(())
    };
    let (world, planner, arrived) = (setup.world(), setup.planner, setup.config.arrived);
    let objective = setup.objective()?;
    let objective = objective.as_ref();
    let kept = setup.guardrails()?;
    let model = Thinker { world: &world, simulator: None, objective, guardrails: &kept, planner, frameskip, arrived };
    row("model", "the learned model and the protocol's objective", &Driver::Planner(model))?;
    if !kept.is_empty() {
        let free = Thinker { guardrails: &[], ..model };
        row("unguarded", "the same without guardrails", &Driver::Planner(free))?;
    }
    // What has no gradient is planned with by CEM.
    let sampling = planner.without_gradient();
    let who = if sampling == *planner { "the same planner" } else { "CEM in the planner's place" };
    let truly_kept = setup.true_guardrails()?;
    let runs = |baseline: &&Baseline| {
        let known = baseline.cost().is_none_or(|measure| setup.knows(measure));
        baselines && known && (recorded || !baseline.needs_recorded())
    };
    for baseline in BASELINES.iter().filter(runs) {
        match *baseline {
            Baseline::Noop => row("noop", "floor: keeps still", &Driver::Noop)?,
            Baseline::Replay => row("replay", "ceiling: the recorded actions", &Driver::Replay)?,
            Baseline::Policy(name, about) => {
                if spec.policies.iter().any(|policy| policy.name == name) {
                    row(name, about, &Driver::Policy(name))?;
                }
            }
            Baseline::Simulator(measure) => {
                let (name, cost) = match measure {
                    Measure::Plain => ("simulator-plain", "plain distance"),
                    Measure::True => ("simulator-true", "true cost-to-go"),
                };
                let about = format!("{who} on the true simulator, {cost}");
                let simulator = Simulator::new();
                let cost = LabelCost { env: setup.env, labels: Labels::Simulated, measure };
                let thinker = Thinker {
                    world: &simulator,
                    simulator: Some(&simulator),
                    objective: &cost,
                    guardrails: &truly_kept,
                    planner: &sampling,
                    frameskip,
                    arrived: None,
                };
                row(name, &about, &Driver::Planner(thinker))?;
            }
            Baseline::ModelTrueCost => {
                let labels = Labels::Probed(setup.model, &setup.blueprint.statistics);
                let cost = LabelCost { env: setup.env, labels, measure: Measure::True };
                row(
                    "model-true-cost",
                    &format!("{who} on the learned model, the true cost of probed positions"),
                    &Driver::Planner(Thinker {
                        objective: &cost,
                        planner: &sampling,
                        arrived: arrived.map(|_| 1.0),
                        ..model
                    }),
                )?;
            }
        }
    }
    Ok(Report {
        version: setup.blueprint.version.clone(),
        env: spec.name.clone(),
        step,
        protocol: EvalConfig { tasks: tasks.count, ..setup.config.clone() },
        radius,
        planner: planner.clone(),
        frameskip,
        rows,
        checks: None,
        worthiness: None,
    })
}

//! Rows with the truth in the place of parts of a model: the rungs of the ladder of blame.

use crate::blame::rung;
use crate::evaluate::Rows;
use crate::{
    CostRule, EvalError, LabelCost, Labels, ModelPart, Planning, Practice, PrivilegedWorld, Protocol, Setup, Thinker,
    TrueDynamics, TrueWorld, Unnumbered,
};

impl Rows<'_> {
    /// All rungs that the environment and the protocol have, the truest first. What has no gradient is planned with by CEM.
    pub fn rungs(&mut self, setup: &Setup<'_>, model: Thinker<'_>) -> Result<(), EvalError> {
        let Protocol { planner, config, .. } = self.protocol;
        let who = if planner.needs_gradient() { "CEM in the planner's place" } else { "the same planner" };
        let planner = &planner.without_gradient();
        let model = Thinker { planner, ..model };
        // A plan on a simulator of another process takes seconds.
        if config.ladder || !self.protocol.env.spec().outside {
            self.simulated(setup, model, who)?;
        }
        if config.ladder {
            self.true_dynamics(setup, model, who)?;
            self.privileged(setup, model, who)?;
        }
        self.known_cost(setup, model, who)
    }

    /// The true simulator in the model's place, under each cost that the environment knows: the planner is the limit.
    fn simulated(&mut self, setup: &Setup<'_>, model: Thinker<'_>, who: &str) -> Result<(), EvalError> {
        let env = self.protocol.env.as_ref();
        let guardrails = setup.true_guardrails()?;
        for (name, cost, rule) in [
            (rung::SIMULATOR_PLAIN, "plain distance", CostRule::Plain),
            (rung::SIMULATOR_TRUE, "true cost-to-go", CostRule::ToGo),
        ] {
            if !rule.known(env) {
                continue;
            }
            let thinker = Thinker {
                world: &TrueWorld::default(),
                objective: &LabelCost { env, labels: Labels::Simulated, rule },
                guardrails: &guardrails,
                arrived: None,
                ..model
            };
            self.add(name, &format!("{who} on the true simulator, {cost}"), &mut Planning::new(thinker))?;
        }
        Ok(())
    }

    /// The true simulator in the place of the model's dynamics alone: encoder, objective and planner are the limit.
    fn true_dynamics(&mut self, setup: &Setup<'_>, model: Thinker<'_>, who: &str) -> Result<(), EvalError> {
        let guardrails = model.guardrails.iter().map(|kept| Box::new(Unnumbered(kept.as_ref())) as _);
        let thinker = Thinker {
            world: &TrueDynamics::new(setup.world()),
            objective: &Unnumbered(model.objective),
            guardrails: &guardrails.collect::<Vec<_>>(),
            ..model
        };
        let about = format!("{who} on the true simulator as the model sees it, the protocol's objective");
        self.add(rung::TRUE_DYNAMICS, &about, &mut Planning::new(thinker))
    }

    /// A predictor of true labels, trained on the model's own data: how well they can be predicted is the limit.
    fn privileged(&mut self, setup: &Setup<'_>, model: Thinker<'_>, who: &str) -> Result<(), EvalError> {
        let Protocol { env, config, practice, blueprint, device, .. } = self.protocol;
        let env = env.as_ref();
        let rule = if CostRule::ToGo.known(env) { CostRule::ToGo } else { CostRule::Plain };
        let Some(practice) = practice.as_ref().filter(|_| rule.known(env)) else { return Ok(()) };
        let how = Practice { updates: config.privileged_updates, ..Practice::default() };
        (self.say)(&format!("{}: training its predictor", rung::PRIVILEGED));
        let world = PrivilegedWorld::train(practice.as_ref(), &blueprint.statistics, &how, device)?;
        let thinker = Thinker {
            world: &world,
            objective: &LabelCost { env, labels: Labels::Simulated, rule },
            guardrails: &setup.true_guardrails()?,
            arrived: None,
            ..model
        };
        let cost = if rule == CostRule::ToGo { "true cost-to-go" } else { "plain distance" };
        let about = format!("{who} on a predictor of true labels after {} updates, {cost}: privileged", how.updates);
        self.add(rung::PRIVILEGED, &about, &mut Planning::new(thinker))
    }

    /// A cost that the environment knows, of probed labels, in the objective's place: encoder, predictor and planner are the limit.
    fn known_cost(&mut self, setup: &Setup<'_>, model: Thinker<'_>, who: &str) -> Result<(), EvalError> {
        let env = self.protocol.env.as_ref();
        let (name, cost, rule, near) = if CostRule::ToGo.known(env) {
            (rung::MODEL_TRUE_COST, "true cost", CostRule::ToGo, 1.0)
        } else {
            // Half of the radius leaves room for what the probe misreads.
            (rung::MODEL_PLAIN_COST, "plain distance", CostRule::Plain, self.protocol.radius()? / 2.0)
        };
        if !rule.known(env) || !ModelPart::Probe.of(setup.model) {
            return Ok(());
        }
        let thinker = Thinker {
            objective: &LabelCost { env, labels: setup.labels(), rule },
            arrived: model.arrived.map(|_| near),
            ..model
        };
        let about = format!("{who} on the learned model, the {cost} of probed positions");
        self.add(name, &about, &mut Planning::new(thinker))
    }
}

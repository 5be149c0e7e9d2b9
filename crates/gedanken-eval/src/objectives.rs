//! Objectives by name: their list, and a protocol's weights of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn::tensor::Tensor;
use gedanken_model::{Probe, WorldModel};
use gedanken_planner::{ActionCost, LatentDistance, Norm, Objective, WeightedSum};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{EvalError, LearnedDistance, ProbeDistance, Setup, Uncertainty};

/// An objective that experiments can name.
pub struct ListedObjective {
    /// Its name.
    pub name: &'static str,
    /// Its energy, with the unit.
    pub about: &'static str,
    /// True for a distance to the goal, false for a cost of the way there.
    pub to_goal: bool,
    /// Parts that the model must have.
    pub needs: &'static [ModelPart],
    /// The objective on a model that has the part.
    make: Make,
}

/// A part that not every model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPart {
    /// The learned goal distance.
    Distance,
    /// Labels that the agent feels.
    Proprioception,
    /// The ensemble of predictors.
    Ensemble,
    /// The probe, where the environment has labels.
    Probe,
}

type Make = for<'a> fn(&Setup<'a>) -> Option<Box<dyn Objective + 'a>>;

/// All objectives, in the order in which they are summed.
pub static OBJECTIVES: [ListedObjective; 10] = [
    goal("learned", "Learned goal distance, control steps.", &[ModelPart::Distance], |on| {
        Some(Box::new(LearnedDistance(on.model.distance()?)))
    }),
    goal("latent", "Mean squared difference of latents.", &[], |_| Some(Box::new(LatentDistance { norm: Norm::L2 }))),
    goal(
        "seen",
        "Mean squared difference of latents without the numbers that proprioception appends (`append`, `raw`): what PLDM and DINO-WM plan by.",
        &[],
        |on| Some(Box::new(SeenDistance { appended: on.model.appended() })),
    ),
    goal("latent-l1", "Mean absolute difference of latents.", &[], |_| {
        Some(Box::new(LatentDistance { norm: Norm::L1 }))
    }),
    goal("latent-cosine", "1 minus the cosine of latents.", &[], |_| {
        Some(Box::new(LatentDistance { norm: Norm::Cosine }))
    }),
    goal(
        "probe",
        "Mean squared difference of the labels that the probe reads, in standard deviations. It needs labels: not for a \
         result from pixels alone.",
        &[ModelPart::Probe],
        |on| Some(Box::new(ProbeDistance { model: on.model, felt: false })),
    ),
    goal(
        "proprioception",
        "The same of the labels that the agent feels: DINO-WM plans by it beside the picture.",
        &[ModelPart::Proprioception, ModelPart::Probe],
        |on| Some(Box::new(ProbeDistance { model: on.model, felt: true })),
    ),
    cost("effort", "Mean square of the actions, in the environment's units.", &[], |on| action_cost(on, 1.0, 0.0)),
    cost("smoothness", "Mean square of the actions' change from one control step to the next.", &[], |on| {
        action_cost(on, 0.0, 1.0)
    }),
    cost(
        "uncertainty",
        "Disagreement of the model's ensemble (variance of latents), the mean over a plan's steps.",
        &[ModelPart::Ensemble],
        |on| Some(Box::new(Uncertainty::of(on.model, &on.protocol.blueprint.statistics)?)),
    ),
];

/// [`LatentDistance`] without the last numbers of every token.
struct SeenDistance {
    appended: usize,
}

impl Objective for SeenDistance {
    fn energy(&self, futures: Tensor<4>, goals: Tensor<3>) -> Tensor<2> {
        let seen = goals.dims()[2] - self.appended;
        LatentDistance::default().energy(futures.narrow(3, 0, seen), goals.narrow(2, 0, seen))
    }
}

/// A distance to the goal.
const fn goal(name: &'static str, about: &'static str, needs: &'static [ModelPart], make: Make) -> ListedObjective {
    ListedObjective { name, about, to_goal: true, needs, make }
}

/// A cost of the way there.
const fn cost(name: &'static str, about: &'static str, needs: &'static [ModelPart], make: Make) -> ListedObjective {
    ListedObjective { name, about, to_goal: false, needs, make }
}

fn action_cost<'a>(on: &Setup<'a>, effort: f32, smoothness: f32) -> Option<Box<dyn Objective + 'a>> {
    Some(Box::new(ActionCost { effort, smoothness, dims: on.protocol.env.spec().action.len() }))
}

impl ModelPart {
    /// True for a model that has it.
    pub fn of(self, model: &WorldModel) -> bool {
        match self {
            Self::Distance => model.distance().is_some(),
            Self::Proprioception => !model.spaces().proprioception.is_empty(),
            Self::Ensemble => model.ensemble().is_some(),
            Self::Probe => model.term::<Probe>().is_some(),
        }
    }

    /// The keys by which an experiment asks for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Distance => "[loss.distance]",
            Self::Proprioception => "proprioception.labels = [\"…\"]",
            Self::Ensemble => "[loss.ensemble]",
            Self::Probe => "[loss.probe] on an environment that has labels",
        }
    }
}

/// The energy that plans minimise: one objective by its name, or a table of weights, as `{ latent = 1.0, effort = 0.01 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Objectives {
    /// One of those that measure the distance to a goal.
    One(String),
    /// A weighted sum.
    Sum(BTreeMap<String, f64>),
}

impl Default for Objectives {
    fn default() -> Self {
        Self::One("learned".to_owned())
    }
}

impl Objectives {
    /// The objectives whose weight is not 0, with their weights, in the order of the list.
    fn weighted(&self) -> Vec<(&'static ListedObjective, f64)> {
        let weight = |listed: &ListedObjective| match self {
            Self::One(name) => f64::from(u8::from(name == listed.name)),
            Self::Sum(weights) => weights.get(listed.name).copied().unwrap_or(0.0),
        };
        OBJECTIVES.iter().map(|listed| (listed, weight(listed))).filter(|(_, weight)| *weight != 0.0).collect()
    }

    /// The first reason, if any, why plans cannot minimise it on a model that has such parts.
    pub fn problem(&self, has: &dyn Fn(ModelPart) -> bool) -> Option<String> {
        let known = |name: &str| OBJECTIVES.iter().any(|listed| listed.name == name);
        let unknown = match self {
            Self::One(name) => Some(name).filter(|name| !known(name)),
            Self::Sum(weights) => weights.keys().find(|name| !known(name)),
        };
        if let Some(name) = unknown {
            let names: Vec<&str> = OBJECTIVES.iter().map(|listed| listed.name).collect();
            return Some(format!("no objective `{name}`; there are {}", names.join(", ")));
        }
        let weighted = self.weighted();
        if let Some((listed, part)) =
            weighted.iter().find_map(|(listed, _)| Some((listed, listed.needs.iter().find(|part| !has(**part))?)))
        {
            let or = if listed.to_goal { "; or use `latent`" } else { "" };
            return Some(format!("`{}` needs a model with {}{or}", listed.name, part.key()));
        }
        let names = || OBJECTIVES.iter().filter(|listed| listed.to_goal).map(|listed| listed.name).collect::<Vec<_>>();
        (!weighted.iter().any(|(listed, _)| listed.to_goal))
            .then(|| format!("nothing leads to a goal; expected a weight of {}", names().join(" or ")))
    }

    /// The objective on a model.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] where the model lacks a part that it needs.
    pub fn on<'a>(&self, setup: &Setup<'a>) -> Result<Box<dyn Objective + 'a>, EvalError> {
        if let Some(problem) = self.problem(&|part| part.of(setup.model)) {
            return Err(EvalError::Mismatch(format!("eval.objective: {problem}")));
        }
        let mut terms: Vec<(f32, Box<dyn Objective + 'a>)> = self
            .weighted()
            .into_iter()
            .filter_map(|(listed, weight)| Some((weight as f32, (listed.make)(setup)?)))
            .collect();
        match terms.as_slice() {
            [(1.0, _)] => Ok(terms.remove(0).1),
            _ => Ok(Box::new(WeightedSum(terms))),
        }
    }
}

impl JsonSchema for Objectives {
    fn schema_name() -> Cow<'static, str> {
        "Objectives".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let weight = |listed: &ListedObjective| {
            let schema = serde_json::json!({
                "type": "number", "format": "double", "minimum": 0.0, "default": 0.0, "description": listed.about
            });
            (listed.name.to_owned(), schema)
        };
        let weights: serde_json::Map<String, serde_json::Value> = OBJECTIVES.iter().map(weight).collect();
        let names: Vec<&str> = OBJECTIVES.iter().filter(|listed| listed.to_goal).map(|listed| listed.name).collect();
        json_schema!({
            "description": "The energy that plans minimise: one objective by its name, or a table of weights.",
            "anyOf": [
                { "type": "string", "enum": names },
                { "type": "object", "properties": weights, "additionalProperties": false },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: serde_json::Value) -> Objectives {
        serde_json::from_value(toml).unwrap()
    }

    #[test]
    fn a_name_is_a_weight_of_one_and_weights_of_zero_are_left_out() {
        let names = |objectives: Objectives| {
            objectives.weighted().iter().map(|(listed, weight)| (listed.name, *weight)).collect::<Vec<_>>()
        };
        assert_eq!(names(read("latent".into())), [("latent", 1.0)]);
        assert_eq!(names(Objectives::default()), [("learned", 1.0)]);
        let sum = serde_json::json!({ "uncertainty": 0.5, "latent": 2.0, "learned": 0.0 });
        assert_eq!(names(read(sum)), [("latent", 2.0), ("uncertainty", 0.5)]);
    }

    #[test]
    fn what_cannot_be_minimised_says_why() {
        let problem = |toml, has: bool| read(toml).problem(&|_| has).unwrap_or_default();
        assert_eq!(problem("latent".into(), false), "");
        assert_eq!(problem("learned".into(), true), "");
        assert!(problem("learned".into(), false).contains("[loss.distance]; or use `latent`"));
        assert!(problem("latnet".into(), true).contains("no objective `latnet`; there are learned, latent,"));
        assert!(problem(serde_json::json!({ "effort": 1.0 }), true).starts_with("nothing leads to a goal"));
        assert!(problem(serde_json::json!({ "latent": 0.0 }), true).starts_with("nothing leads to a goal"));
        let uncertain = serde_json::json!({ "latent": 1.0, "uncertainty": 1.0 });
        assert!(problem(uncertain, false).contains("`uncertainty` needs a model with [loss.ensemble]"));
    }

    #[test]
    fn what_is_felt_counts_for_nothing_in_what_is_seen() {
        let device = burn::tensor::Device::flex();
        // Two imagined steps of two tokens, two numbers seen and one appended.
        let futures =
            Tensor::from_data([[[[1.0f32, 2.0, 9.0], [3.0, 4.0, 9.0]], [[1.0, 4.0, 5.0], [3.0, 4.0, 5.0]]]], &device);
        let goals = Tensor::from_data([[[1.0f32, 2.0, 0.0], [3.0, 4.0, 0.0]]], &device);
        let energies = |appended| {
            SeenDistance { appended }.energy(futures.clone(), goals.clone()).into_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(energies(1), [0.0, 1.0]);
        assert_eq!(energies(0), [27.0, 9.0]);
    }

    #[test]
    fn every_name_stands_in_the_schema_once() {
        let schema = serde_json::to_value(schemars::schema_for!(Objectives)).unwrap();
        let weights = schema["anyOf"][1]["properties"].as_object().unwrap();
        assert_eq!(weights.len(), OBJECTIVES.len());
        assert!(weights.values().all(|weight| !weight["description"].as_str().unwrap().is_empty()));
    }
}

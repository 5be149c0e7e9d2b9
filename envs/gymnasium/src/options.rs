//! The keys of the `[env]` table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The name of the environment.
pub const NAME: &str = "gymnasium";

/// An environment of Gymnasium.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Its id, as `gymnasium.make` takes it. Default `CartPole-v1`.
    pub id: String,
    /// Modules that are imported before: packages that register environments.
    pub imports: Vec<String>,
    /// Further arguments of `gymnasium.make`.
    pub kwargs: Map<String, Value>,
    /// Wrappers, from the inside out, each as `module.Class`.
    pub wrappers: Vec<String>,
    /// Where pictures come from.
    pub pixels: Pixels,
    /// Side of the pictures that the model sees, px. Default 64.
    #[schemars(range(min = 8, max = 1024))]
    pub size: usize,
    /// Attributes of the unwrapped environment that are its state, in the order in which they are set. Default none: of a MuJoCo environment
    /// what decides its next step; any other is started anew from its seed and its actions are taken again.
    pub state: Vec<String>,
    /// Labels: for each name a Python expression of `env` (unwrapped), `obs`, `info`, `sin`, `cos`, `arctan2`, `sqrt`, `array`.
    pub labels: BTreeMap<String, String>,
    /// The labels that count for the distance to a goal, by name. Default all.
    pub goal_labels: Vec<String>,
    /// A distance of labels below this is success; 0 for no task. Default 0.
    #[schemars(range(min = 0.0))]
    pub radius: f64,
    /// Random steps from another start to the goal that a reset draws. Default 50.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub goal_steps: usize,
    /// Steps after which a world whose actions have to be taken again stands still. Default 200.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_steps: usize,
    /// Bound of every number of an action that has none of its own. Default 1.
    #[schemars(range(min = 0.0))]
    pub action_bound: f32,
    /// The Python that has the environment. Default `python3`.
    #[schemars(extend("x-same-world" = true))]
    pub python: String,
    /// Processes; 0 for one a core. Default 0.
    #[schemars(range(min = 0, max = 1024), extend("x-same-world" = true))]
    pub workers: usize,
    /// Seconds that an answer may take. Default 60.
    #[schemars(range(min = 0.1), extend("x-same-world" = true))]
    pub timeout: f64,
}

/// Where pictures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pixels {
    /// `env.render()`.
    #[default]
    Render,
    /// The observation itself, u8 `[height, width, channels]`.
    Observation,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            id: "CartPole-v1".to_owned(),
            imports: Vec::new(),
            kwargs: Map::new(),
            wrappers: Vec::new(),
            pixels: Pixels::Render,
            size: 64,
            state: Vec::new(),
            labels: BTreeMap::new(),
            goal_labels: Vec::new(),
            radius: 0.0,
            goal_steps: 50,
            max_steps: 200,
            action_bound: 1.0,
            python: "python3".to_owned(),
            workers: 0,
            timeout: 60.0,
        }
    }
}

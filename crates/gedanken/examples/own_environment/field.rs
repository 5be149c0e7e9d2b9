//! An environment of one's own: a dot on an open field walks to a goal.

use gedanken::env::{
    ActionSpace, Entry, Env, EnvError, Field, Label, ObservationSpace, Policy, PolicyInfo, Rng, Spec, rng,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The field's side in pixels.
const SIDE: usize = 16;
/// The name in experiments: `[env] name = "field"`.
const NAME: &str = "field";

/// The keys of the `[env]` table beside `name` and `factors`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A distance to the goal below this is success, px.
    #[schemars(range(min = 0.1, max = 16.0))]
    pub success_radius: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { success_radius: 1.5 }
    }
}

/// A dot on a field: the state is `[x, y, goal_x, goal_y]` in px, an action moves the dot by up to 1 px along each axis.
#[derive(Clone)]
pub struct OpenField {
    spec: Spec,
    options: Options,
    state: [f64; 4],
}

impl OpenField {
    fn new(options: Options) -> Self {
        let field = |name: &str| Field { name: name.into(), unit: "px".into() };
        let spec = Spec {
            name: NAME.into(),
            about: "A dot on an open field walks to a goal.".into(),
            observation: ObservationSpace { channels: 1, height: SIDE, width: SIDE },
            action: ActionSpace { low: vec![-1.0; 2], high: vec![1.0; 2], max_norm: None, unit: "px".into() },
            state: ["x", "y", "goal_x", "goal_y"].map(field).to_vec(),
            labels: vec![Label { name: "agent".into(), size: 2, unit: "px".into() }],
            factors: vec![],
            policies: vec![PolicyInfo { name: "wander".into(), about: "a new random action at every step".into() }],
        };
        Self { spec, options, state: [0.0; 4] }
    }

    fn draw(&self, [x, y]: [f64; 2], pixels: &mut [u8]) {
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (dx, dy) = ((at % SIDE) as f64 - x, (at / SIDE) as f64 - y);
            *pixel = (255.0 * (-(dx * dx + dy * dy) / 2.0).exp()) as u8;
        }
    }
}

impl Env for OpenField {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    // There is no layout to draw, so a new episode is all there is.
    fn reset(&mut self, seed: u64) {
        self.restart(seed);
    }

    fn restart(&mut self, seed: u64) {
        let mut rng = rng(seed, &[]);
        self.state = std::array::from_fn(|_| rng.random_range(0.0..=(SIDE - 1) as f64));
    }

    fn step(&mut self, action: &[f32]) {
        let mut action = [action[0], action[1]];
        self.spec.action.clip(&mut action);
        for (x, a) in self.state.iter_mut().zip(action) {
            *x = (*x + f64::from(a)).clamp(0.0, (SIDE - 1) as f64);
        }
    }

    fn observe(&self, pixels: &mut [u8]) {
        self.draw([self.state[0], self.state[1]], pixels);
    }

    fn observe_goal(&self, pixels: &mut [u8]) {
        self.draw([self.state[2], self.state[3]], pixels);
    }

    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.state);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let inside = |state: &[f64; 4]| state.iter().all(|x| (0.0..=(SIDE - 1) as f64).contains(x));
        self.state = state.try_into().ok().filter(inside).ok_or_else(|| EnvError::State {
            env: NAME.into(),
            found: format!("{state:?}"),
            expected: format!("x, y, goal_x, goal_y, each from 0 to {}", SIDE - 1),
        })?;
        Ok(())
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let [x, y, ..] = self.state;
        self.set_state(state)?;
        self.state = [x, y, self.state[0], self.state[1]];
        Ok(())
    }

    fn labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.state[0] as f32, self.state[1] as f32]);
    }

    fn goal_labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.state[2] as f32, self.state[3] as f32]);
    }

    fn distance(&self) -> f64 {
        (self.state[0] - self.state[2]).hypot(self.state[1] - self.state[3])
    }

    fn success_radius(&self) -> f64 {
        self.options.success_radius
    }

    // Nobody has worked it out: evaluation leaves the ceilings out that need it.
    fn cost_to_go(&self, _: &[f32], _: &[f32]) -> Option<f64> {
        None
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> f64 {
        f64::from(labels[0] - goal[0]).hypot(f64::from(labels[1] - goal[1]))
    }

    fn eventful(&self) -> bool {
        false
    }

    fn set_factor(&mut self, name: &str, _: f64) -> Result<(), EnvError> {
        Err(none("factor", name))
    }

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        if name == "wander" { Ok(Box::new(Wander)) } else { Err(none("policy", name)) }
    }

    fn boxed_clone(&self) -> Box<dyn Env> {
        Box::new(self.clone())
    }
}

/// The policy that collects data.
struct Wander;

impl Policy for Wander {
    fn begin(&mut self, _: &mut dyn Env, _: &mut Rng) {}

    fn act(&mut self, _: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        action.fill_with(|| rng.random_range(-1.0..=1.0));
    }
}

fn none(what: &str, name: &str) -> EnvError {
    EnvError::option(NAME, what, name, "one of `envs`")
}

/// What the registry wants to know.
pub fn entry() -> Entry {
    Entry {
        name: NAME,
        make: |options| {
            let options = serde_json::from_value(options.clone())
                .map_err(|error| EnvError::option(NAME, "options", error, "the keys and types of the schema"))?;
            Ok(Box::new(OpenField::new(options)))
        },
        schema: || schemars::schema_for!(Options).to_value(),
        defaults: || serde_json::to_value(Options::default()).unwrap_or_default(),
    }
}

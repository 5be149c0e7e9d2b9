//! An environment of one's own: a dot on an open field walks to a goal.

use gedanken::env::{
    ActionSpace, Entry, Env, EnvError, Field, Label, ObservationSpace, Policy, PolicyInfo, Rng, Spec, TaskInfo, rng,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The field's side in pixels.
const SIDE: usize = 16;
/// The largest coordinate, px.
const LAST: f64 = (SIDE - 1) as f64;

/// The keys of the `[env]` table beside `name` and `factors`.
#[derive(Serialize, Deserialize, JsonSchema)]
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
    state: [f64; 4],
}

impl OpenField {
    fn new(options: Options) -> Self {
        let picture = ObservationSpace { channels: 1, height: SIDE, width: SIDE };
        let action = ActionSpace::cube(2, -1.0, 1.0, "px");
        let state = ["x", "y", "goal_x", "goal_y"].map(|name| Field::new(name, "px"));
        let spec = Spec {
            labels: vec![Label::new("agent", 2, "px")],
            task: Some(TaskInfo::new(options.success_radius, "px")),
            policies: vec![PolicyInfo::new("wander", "a new random action at every step")],
            ..Spec::new("field", "A dot on an open field walks to a goal.", picture, action, state)
        };
        Self { spec, state: [0.0; 4] }
    }

    fn draw(&self, x: f64, y: f64, pixels: &mut [u8]) {
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (dx, dy) = ((at % SIDE) as f64 - x, (at / SIDE) as f64 - y);
            *pixel = (255.0 * (-(dx * dx + dy * dy) / 2.0).exp()) as u8;
        }
    }
}

impl Env for OpenField {
    // What every environment has.

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) {
        let mut rng = rng(seed, &[]);
        self.state = std::array::from_fn(|_| rng.random_range(0.0..=LAST));
    }

    fn step(&mut self, action: &[f32]) {
        let mut action = [action[0], action[1]];
        self.spec.action.clip(&mut action);
        for (x, a) in self.state.iter_mut().zip(action) {
            *x = (*x + f64::from(a)).clamp(0.0, LAST);
        }
    }

    fn observe(&self, pixels: &mut [u8]) {
        self.draw(self.state[0], self.state[1], pixels);
    }

    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.state);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let inside = |state: &[f64; 4]| state.iter().all(|x| (0.0..=LAST).contains(x));
        let taken = state.try_into().ok().filter(inside);
        self.state = taken.ok_or_else(|| EnvError::state("field", state, "x, y, goal_x, goal_y, each from 0 to 15"))?;
        Ok(())
    }

    // Labels: probes read them, checks measure pushes by the first, films draw the imagined path through it.

    fn labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.state[0] as f32, self.state[1] as f32]);
    }

    // A task: plans go for the goal, an evaluation counts how often they reach it.

    fn observe_goal(&self, pixels: &mut [u8]) {
        self.draw(self.state[2], self.state[3], pixels);
    }

    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let [x, y, ..] = self.state;
        self.set_state(state)?;
        self.state = [x, y, self.state[0], self.state[1]];
        Ok(())
    }

    fn goal_labels(&self, out: &mut [f32]) {
        out.copy_from_slice(&[self.state[2] as f32, self.state[3] as f32]);
    }

    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(f64::from(labels[0] - goal[0]).hypot(f64::from(labels[1] - goal[1])))
    }

    // A policy: data is collected with it.

    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        if name == "wander" { Ok(Box::new(Wander)) } else { Err(self.spec.no_policy(name)) }
    }
}

struct Wander;

impl Policy for Wander {
    fn act(&mut self, _: &dyn Env, rng: &mut Rng, action: &mut [f32]) {
        action.fill_with(|| rng.random_range(-1.0..=1.0));
    }
}

/// The environment's place in the catalogue, `[env] name = "field"`.
pub fn entry() -> Entry<dyn Env> {
    gedanken::env::entry("field", |options| Ok(OpenField::new(options)))
}

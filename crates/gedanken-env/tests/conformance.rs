//! The conformance check accepts a good environment and names what is wrong with a bad one.

use gedanken_env::{
    ActionSpace, Env, EnvError, Factor, FactorKind, Field, Label, ObservationSpace, Policy, PolicyInfo, Rng, Spec,
    conformance, rng,
};
use rand::RngExt;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    SeedIgnored,
    HiddenState,
    StateUnchecked,
    PictureNotWhole,
    ActionUnclipped,
    LabelNan,
    CostAtGoal,
    GoalIgnored,
    FactorUnchecked,
    PolicyMissing,
}

/// A dot on a line of eight pixels.
#[derive(Clone)]
struct Line {
    spec: Spec,
    fault: Fault,
    state: [f64; 2],
    speed: f64,
    hidden: f64,
}

fn line(fault: Fault) -> Line {
    let name = |name: &str| name.to_owned();
    let field = |field: &str| Field { name: name(field), unit: name("px") };
    let spec = Spec {
        name: name("line"),
        about: name("A dot on a line."),
        observation: ObservationSpace { channels: 1, height: 1, width: 8 },
        action: ActionSpace { low: vec![-1.0], high: vec![1.0], max_norm: None, unit: name("px") },
        state: vec![field("x"), field("goal")],
        labels: vec![Label { name: name("x"), size: 1, unit: name("px") }],
        factors: vec![Factor {
            name: name("speed"),
            kind: FactorKind::Physical,
            default: 1.0,
            low: 0.5,
            high: 2.0,
            about: name("what an action is multiplied by"),
        }],
        policies: vec![PolicyInfo { name: name("still"), about: name("does nothing") }],
    };
    Line { spec, fault, state: [0.0; 2], speed: 1.0, hidden: 0.0 }
}

impl Line {
    fn error(&self) -> EnvError {
        EnvError::Option { env: "line".into(), what: "it".into(), found: "this".into(), expected: "that".into() }
    }
}

impl Env for Line {
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn reset(&mut self, seed: u64) {
        self.restart(seed);
    }
    fn restart(&mut self, seed: u64) {
        let mut rng = rng(if self.fault == Fault::SeedIgnored { 0 } else { seed }, &[]);
        self.state = [rng.random::<f64>() * 7.0, rng.random::<f64>() * 7.0];
    }
    fn step(&mut self, action: &[f32]) {
        let mut action = [action[0]];
        if self.fault != Fault::ActionUnclipped {
            self.spec.action.clip(&mut action);
        }
        if self.fault == Fault::HiddenState {
            self.hidden = 0.5 * self.hidden + f64::from(action[0]);
        }
        self.state[0] = (self.state[0] + self.speed * f64::from(action[0]) + self.hidden).clamp(0.0, 7.0);
    }
    fn observe(&self, pixels: &mut [u8]) {
        if self.fault != Fault::PictureNotWhole {
            pixels.fill(0);
        }
        pixels[self.state[0] as usize] = 255;
    }
    fn observe_goal(&self, pixels: &mut [u8]) {
        pixels.fill(0);
        pixels[self.state[1] as usize] = 255;
    }
    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.state);
    }
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let good = state.iter().all(|x| (0.0..=7.0).contains(x)) || self.fault == Fault::StateUnchecked;
        self.state = state.try_into().ok().filter(|_| good).ok_or_else(|| EnvError::State {
            env: "line".into(),
            found: format!("{state:?}"),
            expected: "two numbers in 0..=7".into(),
        })?;
        Ok(())
    }
    fn set_goal(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let x = self.state[0];
        self.set_state(state)?;
        self.state = [x, self.state[usize::from(self.fault == Fault::GoalIgnored)]];
        Ok(())
    }
    fn labels(&self, out: &mut [f32]) {
        out[0] = if self.fault == Fault::LabelNan { f32::NAN } else { self.state[0] as f32 };
    }
    fn goal_labels(&self, out: &mut [f32]) {
        out[0] = self.state[1] as f32;
    }
    fn distance(&self) -> f64 {
        (self.state[0] - self.state[1]).abs()
    }
    fn success_radius(&self) -> f64 {
        0.5
    }
    fn cost_to_go(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(self.plain_distance(labels, goal) + f64::from(u8::from(self.fault == Fault::CostAtGoal)))
    }
    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> f64 {
        f64::from(labels[0] - goal[0]).abs()
    }
    fn eventful(&self) -> bool {
        false
    }
    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        let good = (0.5..=2.0).contains(&value) || self.fault == Fault::FactorUnchecked;
        if name != "speed" || !good {
            return Err(self.error());
        }
        self.speed = value;
        Ok(())
    }
    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        if name == "still" && self.fault != Fault::PolicyMissing { Ok(Box::new(Still)) } else { Err(self.error()) }
    }
    fn boxed_clone(&self) -> Box<dyn Env> {
        Box::new(self.clone())
    }
}

struct Still;

impl Policy for Still {
    fn begin(&mut self, _: &mut dyn Env, _: &mut Rng) {}
    fn act(&mut self, _: &dyn Env, _: &mut Rng, action: &mut [f32]) {
        action.fill(0.0);
    }
}

#[test]
fn a_good_environment_passes() {
    assert_eq!(conformance::check(&mut line(Fault::None)), Ok(()));
}

#[test]
fn each_broken_promise_is_named() {
    for (fault, name) in [
        (Fault::SeedIgnored, "different seeds"),
        (Fault::HiddenState, "state alone"),
        (Fault::StateUnchecked, "bad state"),
        (Fault::PictureNotWhole, "same seed"),
        (Fault::ActionUnclipped, "clipped one"),
        (Fault::LabelNan, "finite"),
        (Fault::CostAtGoal, "zero at the goal"),
        (Fault::GoalIgnored, "goal made of a state"),
        (Fault::FactorUnchecked, "factors"),
        (Fault::PolicyMissing, "policy"),
    ] {
        let error = conformance::check(&mut line(fault)).expect_err(name);
        assert!(error.contains(name), "expected `{name}`, got `{error}`");
    }
}

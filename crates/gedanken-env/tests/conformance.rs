//! The conformance check accepts a good environment and names what is wrong with a bad one.

use gedanken_env::{
    ActionSpace, Env, EnvError, Factor, FactorKind, Field, Label, ObservationSpace, Policy, PolicyInfo, Rng, Show,
    Spec, TaskInfo, conformance, rng,
};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    GoalUnseen,
    FactorUnchecked,
    PolicyMissing,
    SharpOfOneSize,
    SharpWithoutDot,
    SharpAndPale,
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
    let speed = Factor {
        name: "speed".into(),
        kind: FactorKind::Physical,
        default: 1.0,
        low: 0.5,
        high: 2.0,
        about: "what an action is multiplied by".into(),
    };
    let spec = Spec {
        labels: vec![Label::new("x", 1, "px")],
        task: Some(TaskInfo::new(0.5, "px")),
        factors: vec![speed],
        policies: vec![PolicyInfo::new("still", "does nothing")],
        ..bare_spec()
    };
    Line { spec, fault, state: [0.0; 2], speed: 1.0, hidden: 0.0 }
}

/// The line, without capabilities.
fn bare_spec() -> Spec {
    let observation = ObservationSpace { channels: 1, height: 1, width: 8 };
    let state = ["x", "goal"].map(|name| Field::new(name, "px"));
    Spec::new("line", "A dot on a line.", observation, ActionSpace::cube(1, -1.0, 1.0, "px"), state)
}

impl Env for Line {
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn reset(&mut self, seed: u64) {
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
        if self.fault != Fault::GoalUnseen {
            pixels[self.state[1] as usize] = 255;
        }
    }
    fn state(&self, out: &mut [f64]) {
        out.copy_from_slice(&self.state);
    }
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let good = state.iter().all(|x| (0.0..=7.0).contains(x)) || self.fault == Fault::StateUnchecked;
        let taken = state.try_into().ok().filter(|_| good);
        self.state = taken.ok_or_else(|| EnvError::state("line", state, "two numbers in 0..=7"))?;
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
    fn cost_to_go(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        let more = f64::from(u8::from(self.fault == Fault::CostAtGoal));
        self.plain_distance(labels, goal).map(|distance| distance + more)
    }
    fn plain_distance(&self, labels: &[f32], goal: &[f32]) -> Option<f64> {
        Some(f64::from(labels[0] - goal[0]).abs())
    }
    fn set_factor(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        if name != "speed" || self.fault != Fault::FactorUnchecked {
            self.spec.check_factor(name, value)?;
        }
        self.speed = value;
        Ok(())
    }
    fn sharp(&self, show: Show, height: usize) -> Option<Vec<u8>> {
        let height = if self.fault == Fault::SharpOfOneSize { 4 } else { height };
        let dot = match show {
            Show::Ground => None,
            _ if self.fault == Fault::SharpWithoutDot => None,
            Show::Now => Some(self.state[0] as usize),
            Show::Goal => Some(self.state[1] as usize),
        };
        let ground = if self.fault == Fault::SharpAndPale { 100 } else { 0 };
        let pixel = |at: usize| if Some(at % (8 * height) / height) == dot { 255 } else { ground };
        Some((0..8 * height * height).map(pixel).collect())
    }
    fn policy(&self, name: &str) -> Result<Box<dyn Policy>, EnvError> {
        if name == "still" && self.fault != Fault::PolicyMissing {
            Ok(Box::new(Still))
        } else {
            Err(self.spec.no_policy(name))
        }
    }
}

struct Still;

impl Policy for Still {
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
        (Fault::GoalUnseen, "picture of the goal"),
        (Fault::FactorUnchecked, "factors"),
        (Fault::PolicyMissing, "policy"),
        (Fault::SharpOfOneSize, "sharp picture shows what the observation shows: 128 bytes of 2 rows, not 32"),
        (Fault::SharpWithoutDot, "sharp picture shows what the observation shows: Now: a change of"),
        (Fault::SharpAndPale, "sharp picture shows what the observation shows: Now is off by 87.5"),
    ] {
        let error = conformance::check(&mut line(fault)).expect_err(name);
        assert!(error.contains(name), "expected `{name}`, got `{error}`");
    }
}

/// The six methods that every environment has.
#[derive(Clone)]
struct Bare(Line);

impl Env for Bare {
    fn spec(&self) -> &Spec {
        &self.0.spec
    }
    fn reset(&mut self, seed: u64) {
        self.0.reset(seed);
    }
    fn step(&mut self, action: &[f32]) {
        self.0.step(action);
    }
    fn observe(&self, pixels: &mut [u8]) {
        self.0.observe(pixels);
    }
    fn state(&self, out: &mut [f64]) {
        self.0.state(out);
    }
    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        self.0.set_state(state)
    }
}

#[test]
fn six_methods_are_an_environment_that_says_what_it_lacks() {
    let mut bare = Bare(Line { spec: bare_spec(), ..line(Fault::None) });
    assert_eq!(conformance::check(&mut bare), Ok(()));
    assert_eq!(bare.set_goal(&[1.0, 2.0]).unwrap_err().to_string(), "line has no task");
    assert_eq!(bare.spec().require_labels().unwrap_err().to_string(), "line has no labels");
    let error = bare.set_factor("speed", 1.0).unwrap_err().to_string();
    assert_eq!(error, "line: factor `speed`; expected none");
    let error = bare.policy("still").err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("line: policy `still`; expected one of uniform"));
}

#[test]
fn a_capability_that_is_declared_must_be_there() {
    let task = Some(TaskInfo::new(0.5, "px"));
    let labels = vec![Label::new("x", 1, "px")];
    let speed = line(Fault::None).spec.factors;
    for (spec, missing) in [
        (Spec { task, ..bare_spec() }, "the distance is not finite"),
        (Spec { labels, ..bare_spec() }, "a label is not finite"),
        (Spec { policies: vec![PolicyInfo::new("still", "does nothing")], ..bare_spec() }, "policy"),
        (Spec { policies: vec![], ..bare_spec() }, "no policy"),
        (Spec { factors: speed, ..bare_spec() }, "refused speed"),
    ] {
        let error = conformance::check(&mut Bare(Line { spec, ..line(Fault::None) })).expect_err(missing);
        assert!(error.contains(missing), "expected `{missing}`, got `{error}`");
    }
}

/// Options that keep all promises.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Good {
    /// Pixels.
    length: usize,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Undescribed {
    length: usize,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Careless {
    /// Pixels.
    length: usize,
}

#[test]
fn what_is_wrong_with_options_is_named() {
    let refused = || Err(EnvError::option("line", "option length", 0, "1 or more"));
    let good = gedanken_env::entry("line", |_: Good| Ok(line(Fault::None)));
    assert_eq!(conformance::check_options(&good), Ok(()));
    for (entry, named) in [
        (gedanken_env::entry("line", |_: Undescribed| Ok(line(Fault::None))), "length has no description"),
        (gedanken_env::entry("line", |_: Careless| Ok(line(Fault::None))), "deny_unknown_fields"),
        (
            gedanken_env::entry("line", move |_: Good| -> Result<Line, EnvError> { refused() }),
            "the defaults build nothing",
        ),
    ] {
        let error = conformance::check_options(&entry).expect_err(named);
        assert!(error.contains(named), "expected `{named}`, got `{error}`");
    }
}

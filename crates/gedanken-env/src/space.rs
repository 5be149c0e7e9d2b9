//! The spaces of an environment and its capabilities, by name, with units.

use serde::{Deserialize, Serialize};

use crate::{EnvError, Uniform};

/// Everything about an environment that does not change: `gedanken envs --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Spec {
    /// The name it is registered under.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The pictures.
    pub observation: ObservationSpace,
    /// The actions.
    pub action: ActionSpace,
    /// The numbers of the full state, in order.
    pub state: Vec<Field>,
    /// The named numbers that probes read, in order.
    pub labels: Vec<Label>,
    /// The task, if there is one.
    pub task: Option<TaskInfo>,
    /// The factors of variation.
    pub factors: Vec<Factor>,
    /// True if its worlds are in other processes: a step is a conversation, and none is too short for a thread of its own.
    pub outside: bool,
    /// The dataset that it replays, of an environment without a simulator: a step leads to the next recorded frame, whatever the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<std::path::PathBuf>,
    /// The scripted policies; data is collected with the first unless an experiment says otherwise.
    pub policies: Vec<PolicyInfo>,
}

impl Spec {
    /// The spec of an environment without capabilities, whose only policy is [`Uniform`].
    pub fn new(
        name: &str,
        about: &str,
        observation: ObservationSpace,
        action: ActionSpace,
        state: impl IntoIterator<Item = Field>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            observation,
            action,
            state: state.into_iter().collect(),
            labels: Vec::new(),
            task: None,
            factors: Vec::new(),
            outside: false,
            recorded: None,
            policies: vec![PolicyInfo::new(Uniform::NAME, "each number of the action uniform in its bounds")],
        }
    }

    /// The task.
    ///
    /// # Errors
    /// [`EnvError::Missing`] where there is none.
    pub fn require_task(&self) -> Result<&TaskInfo, EnvError> {
        self.task.as_ref().ok_or_else(|| EnvError::missing(self, "task"))
    }

    /// The labels, one or more.
    ///
    /// # Errors
    /// [`EnvError::Missing`] where there are none.
    pub fn require_labels(&self) -> Result<&[Label], EnvError> {
        if self.labels.is_empty() { Err(EnvError::missing(self, "labels")) } else { Ok(&self.labels) }
    }

    /// A factor of variation and a value for it.
    ///
    /// # Errors
    /// [`EnvError::Option`] when there is no such factor or the value is out of its range.
    pub fn check_factor(&self, name: &str, value: f64) -> Result<(), EnvError> {
        let Some(factor) = self.factors.iter().find(|factor| factor.name == name) else {
            return Err(self.unknown("factor", name, self.factors.iter().map(|factor| &factor.name)));
        };
        if (factor.low..=factor.high).contains(&value) {
            return Ok(());
        }
        let range = format!("{} to {}", factor.low, factor.high);
        Err(EnvError::option(&self.name, &format!("factor {name}"), value, range))
    }

    /// The error of a policy that there is not.
    pub fn no_policy(&self, name: &str) -> EnvError {
        self.unknown("policy", name, self.policies.iter().map(|policy| &policy.name))
    }

    fn unknown<'a>(&self, what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> EnvError {
        let known: Vec<&str> = known.map(String::as_str).collect();
        let expected = if known.is_empty() { "none".to_owned() } else { format!("one of {}", known.join(", ")) };
        EnvError::option(&self.name, what, format!("`{name}`"), expected)
    }

    /// The first thing that a model made for another environment would misread in this one, as a sentence: pictures, bounds and unit of the
    /// actions, or labels. A greatest norm only limits which actions are taken; the numbers mean the same.
    pub fn misread(&self, made_for: &Self) -> Option<String> {
        let pictures = |spec: &Self| {
            let ObservationSpace { channels, height, width } = spec.observation;
            format!("pictures of {channels} x {height} x {width}")
        };
        let labels = |spec: &Self| {
            let labels: Vec<String> = spec.labels.iter().map(Label::to_string).collect();
            format!("the labels {}", labels.join(", "))
        };
        let said = |spec: &Self| [pictures(spec), format!("actions {}", spec.action), labels(spec)];
        let mut pairs = said(self).into_iter().zip(said(made_for));
        let (found, expected) = pairs.find(|(found, expected)| found != expected)?;
        Some(format!("{found}; the model was made for {expected}"))
    }

    /// The columns of a label in one row of labels; none where there is no such label.
    pub fn label_columns(&self, name: &str) -> std::ops::Range<usize> {
        let mut first = 0;
        for label in &self.labels {
            if label.name == name {
                return first..first + label.size;
            }
            first += label.size;
        }
        0..0
    }

    /// Numbers in one row of labels.
    pub fn label_len(&self) -> usize {
        self.labels.iter().map(|label| label.size).sum()
    }
}

/// Pictures, u8 `[channels, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservationSpace {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ObservationSpace {
    /// Bytes of one picture.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// No pixel at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pictures of the same shape with so many rows.
    #[must_use]
    pub fn at_height(&self, height: usize) -> Self {
        Self { height, width: (self.width * height / self.height.max(1)).max(1), ..*self }
    }
}

/// Actions, f32 `[action]`: a box, and where it says so a ball inside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSpace {
    /// Least value of each number.
    pub low: Vec<f32>,
    /// Greatest value of each number.
    pub high: Vec<f32>,
    /// Greatest Euclidean norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f32>,
    /// Unit of the numbers.
    pub unit: String,
}

impl ActionSpace {
    /// `size` numbers, each from `low` to `high`.
    pub fn cube(size: usize, low: f32, high: f32, unit: &str) -> Self {
        Self { low: vec![low; size], high: vec![high; size], max_norm: None, unit: unit.to_owned() }
    }

    /// Numbers of one action.
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// No number at all.
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// Brings an action into the space: what is not finite becomes zero, then the box, then the ball. Clipping twice is
    /// clipping once: a norm within rounding of the greatest is left alone.
    pub fn clip(&self, action: &mut [f32]) {
        for ((a, &low), &high) in action.iter_mut().zip(&self.low).zip(&self.high) {
            *a = if a.is_finite() { a.clamp(low, high) } else { 0.0f32.clamp(low, high) };
        }
        if let Some(max) = self.max_norm {
            let norm = action.iter().map(|a| a * a).sum::<f32>().sqrt();
            if norm > max * (1.0 + 1e-6) {
                action.iter_mut().for_each(|a| *a *= max / norm);
            }
        }
    }
}

impl std::fmt::Display for ActionSpace {
    /// Bounds and unit.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "from {:?} to {:?} {}", self.low, self.high, self.unit)
    }
}

/// One number of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
}

impl Field {
    /// A number of the state.
    pub fn new(name: &str, unit: &str) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned() }
    }
}

/// One label: `size` consecutive numbers that a probe reads together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub size: usize,
    /// Their unit.
    pub unit: String,
}

impl Label {
    /// A label of `size` numbers.
    pub fn new(name: &str, size: usize, unit: &str) -> Self {
        Self { name: name.to_owned(), size, unit: unit.to_owned() }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} {})", self.name, self.size, self.unit)
    }
}

/// A goal to reach.
#[derive(Clone, Debug, Serialize)]
pub struct TaskInfo {
    /// A [distance](crate::Env::distance) below this is success, unless a protocol says otherwise.
    pub radius: f64,
    /// Unit of distances.
    pub unit: String,
}

impl TaskInfo {
    /// A task that is done below a distance of `radius`.
    pub fn new(radius: f64, unit: &str) -> Self {
        Self { radius, unit: unit.to_owned() }
    }
}

/// A factor of variation.
#[derive(Clone, Debug, Serialize)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// Look or physics.
    pub kind: FactorKind,
    /// The value when nobody sets it.
    pub default: f64,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// Its meaning, with its unit.
    pub about: String,
}

/// Look or physics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorKind {
    /// Changes only the picture.
    Visual,
    /// Changes the dynamics.
    Physical,
}

/// A scripted policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyInfo {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub about: String,
}

impl PolicyInfo {
    /// A policy.
    pub fn new(name: &str, about: &str) -> Self {
        Self { name: name.to_owned(), about: about.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_brings_any_action_into_the_box_and_the_ball_and_twice_is_once() {
        let space = ActionSpace { low: vec![-2.0, 0.5], high: vec![2.0, 2.0], max_norm: Some(2.2), unit: "px".into() };
        for raw in [[1e30, 1e30], [f32::NAN, f32::INFINITY], [-3.0, 1.0], [1.7, 1.9], [0.1, 0.7]] {
            let mut once = raw;
            space.clip(&mut once);
            let mut twice = once;
            space.clip(&mut twice);
            assert_eq!(once, twice, "{raw:?}");
            assert!(once[0].hypot(once[1]) <= 2.2 * 1.000_001, "{raw:?} became {once:?}");
        }
        let mut inside = [0.1, 0.7];
        space.clip(&mut inside);
        assert_eq!(inside, [0.1, 0.7]);
    }
}

//! What goes into an environment and what comes out of it, by name, with units.

use serde::Serialize;

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
    /// What can be varied, and how far.
    pub factors: Vec<Factor>,
    /// The scripted policies.
    pub policies: Vec<PolicyInfo>,
}

impl Spec {
    /// Where the numbers of a label stand in one row of labels; nowhere where there is no such label.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

    /// Whether a picture has no pixel at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Actions, f32 `[action]`: a box, and where it says so a ball inside it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionSpace {
    /// Least value of each number.
    pub low: Vec<f32>,
    /// Greatest value of each number.
    pub high: Vec<f32>,
    /// Greatest Euclidean norm.
    pub max_norm: Option<f32>,
    /// Unit of the numbers.
    pub unit: String,
}

impl ActionSpace {
    /// Numbers of one action.
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// Whether an action has no number at all.
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

/// One number of the state.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
}

/// One label: `size` consecutive numbers that a probe reads together.
#[derive(Clone, Debug, Serialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// How many numbers.
    pub size: usize,
    /// Their unit.
    pub unit: String,
}

/// Something that can be varied.
#[derive(Clone, Debug, Serialize)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// Whether it changes what is seen or what happens.
    pub kind: FactorKind,
    /// The value when nobody sets it.
    pub default: f64,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// What it is, with its unit.
    pub about: String,
}

/// What a factor changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorKind {
    /// Only the picture.
    Visual,
    /// What happens.
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

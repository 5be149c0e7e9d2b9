//! Bounds of actions.

use burn::tensor::{Tensor, TensorData};

use crate::PlanError;
use crate::scored::read;

/// The actions an environment takes, in its own units: a box, and where wanted the ball inside it.
///
/// A planner's action may be a block of several control steps (frameskip); each control step of it keeps the bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    low: Vec<f32>,
    high: Vec<f32>,
    max_norm: Option<f32>,
    frameskip: usize,
}

impl Bounds {
    /// The box from `low` to `high`, one number per dimension of a control step's action, infinities allowed; and the
    /// greatest Euclidean norm of such an action.
    ///
    /// # Errors
    /// No dimension at all, differing lengths, NaN, `low > high`, or what [`Bounds::max_norm`] says.
    pub fn new(low: Vec<f32>, high: Vec<f32>, max_norm: Option<f32>) -> Result<Self, PlanError> {
        if low.is_empty() || low.len() != high.len() {
            let reason = format!("{} lowest and {} highest values; expected one of each", low.len(), high.len());
            return Err(PlanError::Bounds(reason + " per dimension"));
        }
        for (dimension, (low, high)) in low.iter().zip(&high).enumerate() {
            let empty = low > high || *low == f32::INFINITY || *high == f32::NEG_INFINITY;
            if empty || low.is_nan() || high.is_nan() {
                return Err(PlanError::Bounds(format!("dimension {dimension} runs from {low} to {high}")));
            }
        }
        Bounds { low, high, max_norm: None, frameskip: 1 }.max_norm(max_norm)
    }

    /// No bound on any of `dims` numbers.
    ///
    /// # Errors
    /// `dims` is 0.
    pub fn unbounded(dims: usize) -> Result<Self, PlanError> {
        Bounds::new(vec![f32::NEG_INFINITY; dims], vec![f32::INFINITY; dims], None)
    }

    /// With this greatest Euclidean norm of a control step's action instead of the one so far.
    ///
    /// # Errors
    /// A norm that is not positive, or a box without the origin, in which no scaling can keep both bounds.
    pub fn max_norm(mut self, norm: Option<f32>) -> Result<Self, PlanError> {
        if let Some(norm) = norm {
            if !(norm.is_finite() && norm > 0.0) {
                return Err(PlanError::Bounds(format!("a greatest norm of {norm}; expected a positive number")));
            }
            if self.low.iter().any(|&low| low > 0.0) || self.high.iter().any(|&high| high < 0.0) {
                return Err(PlanError::Bounds("a greatest norm needs a box that holds the zero action".into()));
            }
        }
        self.max_norm = norm;
        Ok(self)
    }

    /// Actions that are blocks of `frameskip` control steps.
    ///
    /// # Errors
    /// `frameskip` is 0.
    pub fn frameskip(mut self, frameskip: usize) -> Result<Self, PlanError> {
        if frameskip == 0 {
            return Err(PlanError::Bounds("a frameskip of 0; expected 1 or more".into()));
        }
        self.frameskip = frameskip;
        Ok(self)
    }

    /// Numbers of one control step's action.
    pub fn dims(&self) -> usize {
        self.low.len()
    }

    /// Numbers of one planned action: those of `frameskip` control steps.
    pub fn action(&self) -> usize {
        self.dims() * self.frameskip
    }

    /// The middle of the box `[dims]`, where a search begins that knows nothing better; of a side without an end, what is nearest to zero.
    pub fn middle(&self) -> Vec<f32> {
        let ends = self.low.iter().zip(&self.high);
        let mut middle: Vec<f32> = ends
            .map(|(&low, &high)| match low.is_finite() && high.is_finite() {
                true => low / 2.0 + high / 2.0,
                false => 0f32.clamp(low, high),
            })
            .collect();
        self.apply(&mut middle);
        middle
    }

    /// Half the width of the box `[dims]`, no more than the greatest norm; 1 where neither ends.
    pub fn half_widths(&self) -> Vec<f32> {
        let ends = self.low.iter().zip(&self.high);
        let half = ends.map(|(&low, &high)| (high / 2.0 - low / 2.0).min(self.max_norm.unwrap_or(f32::INFINITY)));
        half.map(|half| if half.is_finite() { half } else { 1.0 }).collect()
    }

    /// Brings actions, one after the other in `actions`, into the bounds: scales each control step's to the greatest norm,
    /// which keeps its direction, then clamps it to the box.
    pub fn apply(&self, actions: &mut [f32]) {
        for action in actions.chunks_exact_mut(self.dims()) {
            if let Some(max) = self.max_norm {
                let norm = action.iter().map(|a| a * a).sum::<f32>().sqrt();
                if norm > max {
                    action.iter_mut().for_each(|a| *a *= max / norm);
                }
            }
            for ((a, &low), &high) in action.iter_mut().zip(&self.low).zip(&self.high) {
                *a = a.clamp(low, high);
            }
        }
    }

    /// [`Bounds::apply`] to sequences `[tasks, samples, length]`, on the host or where they lie.
    pub(crate) fn within(&self, sequences: Tensor<3>, on_host: bool) -> Result<Tensor<3>, PlanError> {
        // Far enough for any action, and finite: not every GPU keeps infinities.
        const FAR: f32 = 1e30;
        let (shape, dims, device) = (sequences.dims(), self.dims(), sequences.device());
        if on_host {
            let mut actions = read(sequences)?;
            self.apply(&mut actions);
            return Ok(Tensor::from_data(TensorData::new(actions, shape), &device));
        }
        let rows = shape.iter().product::<usize>() / dims;
        let mut actions = sequences.reshape([rows, dims]);
        if let Some(max) = self.max_norm {
            let norm = actions.clone().square().sum_dim(1).sqrt();
            actions = actions * (norm.clamp_min(max).recip() * max);
        }
        let side = |side: &[f32]| {
            let finite: Vec<f32> = side.iter().map(|bound| bound.clamp(-FAR, FAR)).collect();
            Tensor::<2>::from_data(TensorData::new(finite, [1, dims]), &device).expand([rows, dims])
        };
        Ok(actions.max_pair(side(&self.low)).min_pair(side(&self.high)).reshape(shape))
    }
}

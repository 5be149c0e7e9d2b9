//! Forbidden places, on labels that are read from imagined latents.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_planner::{Guardrail, Trajectory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Labels;

/// A place, read from the latent by the model's probe, stays outside a disc.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepOut {
    /// The label that is the place: `agent`, `block`.
    pub label: String,
    /// The disc's middle, in the label's unit, one number for each of the label's.
    #[schemars(length(min = 1, max = 16))]
    pub center: Vec<f64>,
    /// Its radius, in the label's unit.
    #[schemars(range(min = 0.0))]
    pub radius: f64,
    /// The plan's distance from it.
    #[serde(default)]
    pub margin: Margin,
}

/// A place, read from the latent by the model's probe, stays within a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StayWithin {
    /// The label that is the place.
    pub label: String,
    /// The least of each number, in the label's unit.
    #[schemars(length(min = 1, max = 16))]
    pub low: Vec<f64>,
    /// The greatest.
    #[schemars(length(min = 1, max = 16))]
    pub high: Vec<f64>,
    /// The plan's distance from its edge.
    #[serde(default)]
    pub margin: Margin,
}

/// Distance of imagined places from a forbidden one: imagination errs, and the further ahead the more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Margin {
    /// The same at every step, in the label's unit. Default: calibrated, step by step.
    #[schemars(range(min = 0.0))]
    pub fixed: Option<f64>,
    /// Calibrated: the share of imagined places, step by step, that are no further than the margin from the true ones (split
    /// conformal prediction, Vovk et al. 2005; Lindemann et al. 2023). Default 0.95.
    #[schemars(range(min = 0.0, max = 0.998))]
    pub confidence: f64,
    /// Tasks whose start or goal is no further than this from the forbidden place are drawn again. Default 0.
    #[schemars(range(min = 0.0))]
    pub clearance: f64,
}

impl Default for Margin {
    fn default() -> Self {
        Self { fixed: None, confidence: 0.95, clearance: 0.0 }
    }
}

/// A forbidden place: a disc, or all that is not in a box.
#[derive(Clone)]
pub(crate) enum Region {
    Disc(KeepOut),
    Outside(StayWithin),
}

impl Region {
    /// The label whose place it forbids.
    pub fn label(&self) -> &str {
        match self {
            Self::Disc(disc) => &disc.label,
            Self::Outside(within) => &within.label,
        }
    }

    /// The plan's distance from it.
    pub fn margin(&self) -> Margin {
        match self {
            Self::Disc(disc) => disc.margin,
            Self::Outside(within) => within.margin,
        }
    }

    /// The first reason, if any, why its numbers are impossible for a label of `size` numbers.
    pub fn problem(&self, size: usize) -> Option<String> {
        let lists: &[&[f64]] = match self {
            Self::Disc(KeepOut { center, .. }) => &[center],
            Self::Outside(StayWithin { low, high, .. }) => &[low, high],
        };
        match self {
            Self::Disc(KeepOut { radius, .. }) if *radius <= 0.0 => {
                return Some(format!("radius {radius}; expected more than 0"));
            }
            Self::Outside(StayWithin { low, high, .. }) if low.iter().zip(high).any(|(low, high)| low >= high) => {
                return Some(format!("low {low:?} and high {high:?}; expected each low below its high"));
            }
            _ => {}
        }
        let wrong = lists.iter().find(|list| list.len() != size)?;
        Some(format!("{wrong:?} has {} numbers; expected {size}, as many as `{}` has", wrong.len(), self.label()))
    }

    /// Depth of a place within it, in the label's unit: below 0 outside.
    pub fn depth(&self, place: &[f64]) -> f64 {
        match self {
            Self::Disc(KeepOut { center, radius, .. }) => {
                radius - place.iter().zip(center).map(|(x, c)| (x - c).powi(2)).sum::<f64>().sqrt()
            }
            Self::Outside(StayWithin { low, high, .. }) => {
                let bounds = place.iter().zip(low.iter().zip(high));
                bounds.map(|(x, (low, high))| (low - x).max(x - high)).fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }
}

/// Keeps labels of imagined latents away from a region.
pub(crate) struct KeepAway<'a> {
    pub labels: Labels<'a>,
    /// The label's places in a row of labels.
    pub columns: Range<usize>,
    pub region: Region,
    /// For the first steps of a plan; later ones have the last one's.
    pub margins: Vec<f32>,
}

impl Guardrail for KeepAway<'_> {
    fn violation(&self, way: &Trajectory) -> Tensor<2> {
        let ([rows, steps, _, _], device) = (way.latents.dims(), way.latents.device());
        let size = self.columns.len();
        let labels = self.labels.of(way.latents.clone().flatten::<3>(0, 1)).narrow(1, self.columns.start, size);
        let places = labels.reshape([rows, steps, size]);
        let row = |numbers: &[f64]| {
            let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
            Tensor::<3>::from_data(TensorData::new(numbers, [1, 1, size]), &device)
        };
        let depth: Tensor<2> = match &self.region {
            Region::Disc(KeepOut { center, radius, .. }) => {
                let distance = (places - row(center)).square().sum_dim(2).sqrt();
                -(distance - *radius).squeeze_dim::<2>(2)
            }
            Region::Outside(StayWithin { low, high, .. }) => {
                let outside = (row(low) - places.clone()).max_pair(places - row(high));
                outside.max_dim(2).squeeze_dim(2)
            }
        };
        depth + by_step(&self.margins, steps, &device)
    }
}

/// Numbers for the steps of a plan `[1, steps]`: those of the first ones, and the last again for those beyond.
pub(crate) fn by_step(numbers: &[f32], steps: usize, device: &Device) -> Tensor<2> {
    let last = numbers.last().copied().unwrap_or(0.0);
    let numbers: Vec<f32> = numbers.iter().copied().chain(std::iter::repeat(last)).take(steps).collect();
    Tensor::from_data(TensorData::new(numbers, [1, steps]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_how_far_inside_the_forbidden_a_place_is() {
        let margin = Margin::default();
        let disc = Region::Disc(KeepOut { label: "agent".into(), center: vec![3.0, 4.0], radius: 6.0, margin });
        assert_eq!(disc.depth(&[0.0, 0.0]), 1.0);
        let within = StayWithin { label: "agent".into(), low: vec![0.0, 0.0], high: vec![10.0, 4.0], margin };
        let outside = Region::Outside(within);
        assert_eq!([outside.depth(&[5.0, 1.0]), outside.depth(&[12.0, 2.0])], [-1.0, 2.0]);
    }

    #[test]
    fn steps_beyond_the_numbers_have_the_last() {
        let read = by_step(&[1.0, 3.0], 4, &Device::flex()).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(read, [1.0, 3.0, 3.0, 3.0]);
    }
}

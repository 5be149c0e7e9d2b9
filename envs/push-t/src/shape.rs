//! The blocks: rectangles that are stuck together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vector::{Vector, add, scale, sub};

/// The block that is pushed. `s` is its scale, 30 px for the T and 40 px for all others unless a factor says otherwise. Coordinates
/// are those of the body: x to the right, y down, at angle 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A bar of 4 s by s, a stem of s by 3 s.
    #[default]
    T,
    /// A column of s by 2 s beside a foot of 2 s by s.
    L,
    /// Two bars of 2 s by s, one shifted by s.
    Z,
    /// A bar of s by 4 s.
    I,
    /// A square of 2 s by 2 s.
    Square,
    /// A bar of 3 s by s, a stem of s by s.
    SmallTee,
    /// A bar of 3 s by s with a stub of s by s on both sides.
    Plus,
}

/// A rectangle with sides along the axes of the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    /// Its middle.
    pub center: Vector,
    /// Half its sides.
    pub half: Vector,
}

impl Rectangle {
    /// From `low` to `high`, in scales.
    fn new(s: f64, low: Vector, high: Vector) -> Self {
        Self { center: scale(add(low, high), 0.5 * s), half: scale(sub(high, low), 0.5 * s) }
    }

    /// Its corners in the order of Chipmunk's convex hull: from the lowest x and y along y's lowest side.
    pub fn corners(&self) -> [Vector; 4] {
        let [x, y] = self.half;
        [[-x, -y], [x, -y], [x, y], [-x, y]].map(|corner| add(self.center, corner))
    }

    /// Its area, px².
    pub fn area(&self) -> f64 {
        4.0 * self.half[0] * self.half[1]
    }

    /// Moment of inertia about the origin of the body for a mass of 1: `(w² + h²) / 12 + |center|²`.
    fn moment(&self) -> f64 {
        let [x, y] = self.half;
        let [cx, cy] = self.center;
        (x * x + y * y) / 3.0 + cx * cx + cy * cy
    }
}

/// Most boxes of a shape.
pub const MOST_BOXES: usize = 3;

/// A shape at a scale: what the physics and the picture are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// The boxes; they touch, but do not overlap.
    pub boxes: Vec<Rectangle>,
    /// The centre of gravity in the body's coordinates: the mean of the boxes' middles, as upstream has it, though it is
    /// not the centroid of the area.
    pub center: Vector,
    /// Moment of inertia for a mass of 1, as upstream has it.
    pub moment: f64,
    /// No corner is farther from the centre of gravity than this.
    pub reach: f64,
}

impl Shape {
    /// The scale in DINO-WM and stable-worldmodel, px.
    pub fn default_scale(self) -> f64 {
        if self == Self::T { 30.0 } else { 40.0 }
    }

    /// The angle after which the shape looks the same, radians.
    pub fn symmetry(self) -> f64 {
        use std::f64::consts::{FRAC_PI_2, PI, TAU};
        match self {
            Self::Square | Self::Plus => FRAC_PI_2,
            Self::I | Self::Z => PI,
            Self::T | Self::L | Self::SmallTee => TAU,
        }
    }

    /// The shape at a scale of `s` px.
    pub fn geometry(self, s: f64) -> Geometry {
        let new = |low, high| Rectangle::new(s, low, high);
        let boxes = match self {
            Self::T => vec![new([-2.0, 0.0], [2.0, 1.0]), new([-0.5, 1.0], [0.5, 4.0])],
            Self::L => vec![new([0.0, 0.0], [1.0, 2.0]), new([0.0, -1.0], [2.0, 0.0])],
            Self::Z => vec![new([-0.5, 0.0], [1.5, 1.0]), new([-1.5, -1.0], [0.5, 0.0])],
            Self::I => vec![new([-0.5, -2.0], [0.5, 2.0])],
            Self::Square => vec![new([-1.0, -1.0], [1.0, 1.0])],
            Self::SmallTee => vec![new([-1.5, 0.0], [1.5, 1.0]), new([-0.5, 1.0], [0.5, 2.0])],
            Self::Plus => {
                vec![new([-1.5, -0.5], [1.5, 0.5]), new([-0.5, 0.5], [0.5, 1.5]), new([-0.5, -1.5], [0.5, -0.5])]
            }
        };
        let count = boxes.len() as f64;
        let sum = boxes.iter().fold([0.0; 2], |sum, each| add(sum, each.center));
        let center = scale(sum, 1.0 / count);
        // Upstream takes the bar's moment for the other boxes of T and plus too, each box with the whole mass of 1.
        let moment = match self {
            Self::T | Self::Plus => count * boxes[0].moment(),
            _ => boxes.iter().map(Rectangle::moment).sum(),
        };
        let far = |each: &Rectangle| each.corners().map(|corner| crate::vector::length(sub(corner, center)));
        let reach = boxes.iter().flat_map(far).fold(0.0, f64::max);
        Geometry { boxes, center, moment, reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tee_has_the_mass_distribution_of_gym_pusht() {
        let tee = Shape::T.geometry(30.0);
        assert_eq!(tee.center, [0.0, 45.0]);
        assert_eq!(tee.moment, 3000.0);
        assert_eq!(tee.boxes.iter().map(Rectangle::area).collect::<Vec<_>>(), [3600.0, 2700.0]);
        assert_eq!(tee.boxes[1].corners(), [[-15.0, 30.0], [15.0, 30.0], [15.0, 120.0], [-15.0, 120.0]]);
    }
}

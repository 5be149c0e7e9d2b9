//! Bounding boxes.

use crate::vector::{Vector, add, sub};

/// Number of walls.
pub const WALLS: usize = 4;
/// Margins of a fat bounding box, as shares of the thing's size and of its velocity in a second.
const FAT: f64 = 0.100_000_001_490_116_12;

/// Bounds along x and y.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Least x and y, px.
    pub low: Vector,
    /// Greatest x and y, px.
    pub high: Vector,
}

impl Bounds {
    /// A circle's.
    #[inline]
    pub fn around(middle: Vector, radius: f64) -> Self {
        Self { low: sub(middle, [radius; 2]), high: add(middle, [radius; 2]) }
    }

    /// The least bounds around both.
    pub fn merge(&self, other: &Self) -> Self {
        Self {
            low: [self.low[0].min(other.low[0]), self.low[1].min(other.low[1])],
            high: [self.high[0].max(other.high[0]), self.high[1].max(other.high[1])],
        }
    }

    /// Their area, px².
    pub fn area(&self) -> f64 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }

    /// They have a point in common.
    #[inline]
    pub fn meets(&self, other: &Self) -> bool {
        (0..2).all(|i| self.low[i] <= other.high[i] && other.low[i] <= self.high[i])
    }

    /// The other lies inside.
    #[inline]
    pub fn contains(&self, other: &Self) -> bool {
        (0..2).all(|i| self.low[i] <= other.low[i] && self.high[i] >= other.high[i])
    }

    /// Twice the distance of the middles, along x and y together, px.
    pub fn apart(&self, other: &Self) -> f64 {
        let twice = |i: usize| (self.low[i] + self.high[i] - other.low[i] - other.high[i]).abs();
        twice(0) + twice(1)
    }

    /// Wider by shares of the size, and ahead by a share of the way of a second.
    pub fn fat(&self, velocity: Vector) -> Self {
        let size = [0, 1].map(|i| FAT * (self.high[i] - self.low[i]));
        let ahead = [0, 1].map(|i| FAT * velocity[i]);
        Self {
            low: [0, 1].map(|i| self.low[i] + (-size[i]).min(ahead[i])),
            high: [0, 1].map(|i| self.high[i] + size[i].max(ahead[i])),
        }
    }
}

/// The walls' bounds.
pub const WALL_BOUNDS: [Bounds; WALLS] = [
    Bounds { low: [3.0, 3.0], high: [7.0, 508.0] },
    Bounds { low: [3.0, 3.0], high: [508.0, 7.0] },
    Bounds { low: [504.0, 3.0], high: [508.0, 508.0] },
    Bounds { low: [3.0, 504.0], high: [508.0, 508.0] },
];

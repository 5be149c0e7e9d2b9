//! The walls, and the points and straight lines that are free of them.

use std::ops::RangeInclusive;

/// A point or a displacement, px: x to the right (column), y down (row).
pub type Point = [f64; 2];

/// Width and height of the picture, px.
pub const SIZE: usize = 65;
/// Columns and rows of the border walls, px.
pub const BORDER: [f64; 2] = [4.0, 60.0];
/// The inner wall covers `wall_x - HALF_WALL ..= wall_x + HALF_WALL`, px.
pub const HALF_WALL: f64 = 1.0;
/// Wall columns that a state may have.
pub const WALL_RANGE: RangeInclusive<f64> = 12.0..=52.0;
/// Door rows that a state may have.
pub const DOOR_RANGE: RangeInclusive<f64> = 10.0..=54.0;

/// The free region: inside the border, and left of, right of or in the door of the inner wall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rooms {
    /// Left and right face of the inner wall, px.
    pub faces: [f64; 2],
    /// Upper and lower end of the door, px.
    pub door: [f64; 2],
    /// First and last coordinate inside the border, px.
    pub border: [f64; 2],
}

impl Rooms {
    /// The rooms of a wall column, a door row and half the door's width, px.
    pub fn new(wall_x: f64, door_y: f64, door_half_width: f64) -> Self {
        Self {
            faces: [wall_x - HALF_WALL, wall_x + HALF_WALL],
            door: [door_y - door_half_width, door_y + door_half_width],
            border: BORDER,
        }
    }

    /// The same rooms with walls that are thicker by `margin` px on every side.
    pub fn shrunk(&self, margin: f64) -> Self {
        let ([left, right], [low, high], [first, last]) = (self.faces, self.door, self.border);
        Self {
            faces: [left - margin, right + margin],
            door: [low + margin, high - margin],
            border: [first + margin, last - margin],
        }
    }

    /// A dot can be here.
    pub fn free(&self, [x, y]: Point) -> bool {
        let inside = |c: f64| c > self.border[0] && c < self.border[1];
        inside(x) && inside(y) && (x < self.faces[0] || x > self.faces[1] || self.in_door(y))
    }

    /// The straight line between two points of the region goes through no wall (touching one is allowed).
    pub fn clear(&self, a: Point, b: Point) -> bool {
        let [left, right] = self.faces;
        let crosses_left = (a[0] <= left) != (b[0] <= left);
        let crosses_right = (a[0] >= right) != (b[0] >= right);
        (!crosses_left || self.through_door(a, b, left)) && (!crosses_right || self.through_door(a, b, right))
    }

    fn through_door(&self, a: Point, b: Point, face: f64) -> bool {
        self.in_door(at_x(a, b, face))
    }

    /// A row in the door; the width of a rounding error more is still in.
    pub fn in_door(&self, y: f64) -> bool {
        y >= self.door[0] - 1e-9 && y <= self.door[1] + 1e-9
    }

    /// The nearest point of the region (to either side of a wall, into the door or inside the border).
    pub fn project(&self, point: Point) -> Point {
        let [x, y] = point.map(|c| c.clamp(self.border[0], self.border[1]));
        let [left, right] = self.faces;
        if x <= left || x >= right || self.in_door(y) {
            return [x, y];
        }
        let in_door = y.clamp(self.door[0], self.door[1]);
        let face = if x - left <= right - x { left } else { right };
        if (y - in_door).abs() < (x - face).abs() { [x, in_door] } else { [face, y] }
    }
}

/// The row where the line through two points meets a column.
pub fn at_x(a: Point, b: Point, x: f64) -> f64 {
    if a[0] == b[0] { a[1] } else { a[1] + (b[1] - a[1]) * ((x - a[0]) / (b[0] - a[0])) }
}

/// The Euclidean distance, px.
pub fn distance(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projected_point_is_in_the_region_and_a_free_one_stays() {
        let rooms = Rooms::new(30.0, 20.0, 4.0);
        for i in 0..200 {
            for j in 0..200 {
                let p = [i as f64 * 0.4 - 8.0 + 1e-3, j as f64 * 0.4 - 8.0 + 1e-3];
                let q = rooms.shrunk(1e-6).project(p);
                assert!(rooms.free(q), "{p:?} went to {q:?}");
                if rooms.free(p) {
                    assert!(distance(p, q) < 1e-5, "{p:?} went to {q:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_is_clear_only_through_the_door() {
        let rooms = Rooms::new(30.0, 20.0, 4.0);
        assert!(rooms.clear([20.0, 20.0], [40.0, 20.0]));
        assert!(rooms.clear([20.0, 24.0], [40.0, 24.0]));
        assert!(!rooms.clear([20.0, 25.0], [40.0, 25.0]));
        assert!(!rooms.clear([30.0, 20.0], [33.0, 40.0]));
        assert!(rooms.clear([10.0, 5.0], [29.0, 59.0]));
    }
}

//! The shortest path: straight where it can be, else around the corners of the door.

use crate::rooms::{Point, Rooms, distance};

/// The corners of the door that the shortest path between two points of the rooms touches, in order; at most two.
///
/// A path around obstacles with corners is a chain of straight lines between corners (Lozano-Pérez and Wesley, 1979),
/// and with one door it needs at most one corner of each face.
pub fn corners(rooms: &Rooms, from: Point, to: Point) -> Vec<Point> {
    search(rooms, from, to).1.into_iter().flatten().collect()
}

/// The length of the shortest path, px.
pub fn length(rooms: &Rooms, from: Point, to: Point) -> f64 {
    search(rooms, from, to).0
}

fn search(rooms: &Rooms, from: Point, to: Point) -> (f64, [Option<Point>; 2]) {
    if rooms.clear(from, to) {
        return (distance(from, to), [None; 2]);
    }
    let mut best = (f64::INFINITY, [None; 2]);
    let mut offer = |length: f64, corners| {
        if length < best.0 {
            best = (length, corners);
        }
    };
    let [near, far] = if from[0] <= to[0] { rooms.faces } else { [rooms.faces[1], rooms.faces[0]] };
    for a in rooms.door {
        for one in [[near, a], [far, a]] {
            if rooms.clear(from, one) && rooms.clear(one, to) {
                offer(distance(from, one) + distance(one, to), [Some(one), None]);
            }
        }
        for b in rooms.door {
            let (one, two) = ([near, a], [far, b]);
            if rooms.clear(from, one) && rooms.clear(two, to) {
                offer(distance(from, one) + distance(one, two) + distance(two, to), [Some(one), Some(two)]);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: Rooms = Rooms { faces: [31.0, 33.0], door: [14.0, 22.0], border: [4.0, 60.0] };

    #[test]
    fn a_path_turns_at_the_corners_of_the_door() {
        assert_eq!(length(&ROOMS, [10.0, 18.0], [50.0, 18.0]), 40.0);
        assert_eq!(corners(&ROOMS, [10.0, 50.0], [54.0, 50.0]), [[31.0, 22.0], [33.0, 22.0]]);
        assert!((length(&ROOMS, [10.0, 50.0], [54.0, 50.0]) - (21f64.hypot(28.0) * 2.0 + 2.0)).abs() < 1e-12);
        assert_eq!(length(&ROOMS, [31.0, 50.0], [33.0, 50.0]), 58.0);
        assert_eq!(corners(&ROOMS, [32.0, 22.0], [50.0, 50.0]), [[33.0, 22.0]]);
        assert_eq!(length(&ROOMS, [32.0, 20.0], [32.0, 15.0]), 5.0);
    }
}

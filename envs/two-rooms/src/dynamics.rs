//! Moves at a wall: two rules, both without momentum. Away from walls a dot at `p` goes to `q`, whatever
//! the rule.

use crate::rooms::{BORDER, Point, Rooms, at_x};

/// Rule `stop`, of EB-JEPA's and PLDM's training data: a move through a wall or into one does not happen at all.
pub fn stop(rooms: &Rooms, p: Point, q: Point) -> Point {
    if rooms.free(q) && rooms.clear(p, q) { q } else { p }
}

/// Rule `bounce`, of EB-JEPA's planning environment: a move ends where it hits a wall, moved by `noise` ~ N(0, 0.5²)
/// px, whose part along the wall's normal leads away from the wall.
pub fn bounce(rooms: &Rooms, p: Point, q: Point, noise: impl Fn() -> Point) -> Point {
    let hit = jamb(rooms, p, q, &noise).or_else(|| wall(rooms, p, q, &noise)).unwrap_or(q);
    // A step longer than the wall is thick could pass it unseen.
    if rooms.free(hit) { hit } else { rooms.shrunk(0.3).project(hit) }
}

/// The ends of the door, met from inside it.
fn jamb(rooms: &Rooms, p: Point, q: Point, noise: impl Fn() -> Point) -> Option<Point> {
    let [low, high] = rooms.door;
    let (row, away) = if p[1] <= high && q[1] > high {
        (high, -1.0)
    } else if p[1] >= low && q[1] < low {
        (low, 1.0)
    } else {
        return None;
    };
    let x = at_x([p[1], p[0]], [q[1], q[0]], row);
    let inside = x >= rooms.faces[0] && x <= rooms.faces[1];
    inside.then(|| {
        let noise = noise();
        [x + noise[0], row + away * noise[1].abs()]
    })
}

/// The border, and the face of the inner wall on the dot's side.
fn wall(rooms: &Rooms, p: Point, q: Point, noise: impl Fn() -> Point) -> Option<Point> {
    let [left, right] = rooms.faces;
    let columns = if p[0] > 0.5 * (left + right) { [right, BORDER[1]] } else { [BORDER[0], left] };
    let is_door = |face: f64, y: f64| !BORDER.contains(&face) && rooms.in_door(y);
    let meets = |axis: usize, face: f64| (p[axis] - face) * (q[axis] - face) <= 0.0;

    // How far along the move each wall is met, of 1.
    let vertical = columns.into_iter().find(|&face| meets(0, face) && !is_door(face, at_x(p, q, face)));
    let horizontal = BORDER.into_iter().find(|&face| meets(1, face));
    let along = |axis: usize, face: f64| if q[axis] == p[axis] { 0.0 } else { (face - p[axis]) / (q[axis] - p[axis]) };
    let (axis, face) = match (vertical, horizontal) {
        (None, None) => return None,
        (Some(x), None) => (0, x),
        (None, Some(y)) => (1, y),
        (Some(x), Some(y)) => {
            if along(0, x) <= along(1, y) {
                (0, x)
            } else {
                (1, y)
            }
        }
    };
    let (t, noise) = (along(axis, face), noise());
    let mut hit = [p[0] + t * (q[0] - p[0]) + noise[0], p[1] + t * (q[1] - p[1]) + noise[1]];
    hit[axis] = face + noise[axis].abs() * if p[axis] >= face { 1.0 } else { -1.0 };
    let inside = |c: f64, [low, high]: [f64; 2]| {
        if c <= low {
            low + 0.3
        } else if c >= high {
            high - 0.3
        } else {
            c
        }
    };
    Some([inside(hit[0], columns), inside(hit[1], BORDER)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: Rooms = Rooms { faces: [31.0, 33.0], door: [14.0, 22.0], border: BORDER };

    #[test]
    fn a_blocked_move_stays_exactly_where_it_was() {
        for (p, q) in [
            ([30.0, 40.0], [31.0, 40.0]),
            ([30.0, 40.0], [34.0, 40.0]),
            ([5.0, 40.0], [3.9, 40.0]),
            ([10.0, 59.0], [10.5, 60.0]),
            ([32.0, 21.0], [32.0, 23.0]),
            ([30.5, 21.9], [31.5, 22.3]),
        ] {
            assert_eq!(stop(&ROOMS, p, q), p);
        }
        for (p, q) in [([30.0, 18.0], [34.0, 18.0]), ([32.0, 18.0], [32.5, 19.0]), ([30.0, 40.0], [29.0, 42.0])] {
            assert_eq!(stop(&ROOMS, p, q), q);
        }
    }

    #[test]
    fn a_bounce_ends_beside_the_wall_it_hit() {
        let noise = || [0.4, -0.2];
        assert_eq!(bounce(&ROOMS, [30.0, 40.0], [32.0, 42.0], noise), [30.6, 40.8]);
        assert_eq!(bounce(&ROOMS, [34.0, 40.0], [32.0, 42.0], noise), [33.4, 40.8]);
        assert_eq!(bounce(&ROOMS, [10.0, 59.0], [10.0, 61.0], noise), [10.4, 59.8]);
        assert_eq!(bounce(&ROOMS, [32.0, 21.0], [32.0, 23.0], noise), [32.4, 21.8]);
        assert_eq!(bounce(&ROOMS, [30.0, 18.0], [33.5, 18.0], noise), [33.5, 18.0]);
        assert_eq!(bounce(&ROOMS, [30.9, 40.0], [31.5, 40.0], || [0.0; 2]), [30.7, 40.0]);
    }
}

//! Contacts of two things: the narrow phase of Chipmunk 7, for a circle or a wall against a box.

use crate::bounds::Bounds;
use crate::shape::Rectangle;
use crate::vector::{Vector, add, cross, dot, length, lerp, perp, rotate, scale, sub, unrotate};

/// A place where the first thing touches the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contact {
    /// On the first, px.
    pub on_first: Vector,
    /// On the second, px.
    pub on_second: Vector,
    /// The features that meet: the same in the next substep means the same contact.
    pub key: u8,
}

/// All places where one thing touches another: at most two, with one normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Touch {
    /// Unit vector from the first to the second.
    pub normal: Vector,
    /// The places, `count` of them.
    pub contacts: [Contact; 2],
    /// Their number.
    pub count: usize,
}

/// A box where it is in the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placed {
    /// Middle, px.
    center: Vector,
    half: Vector,
    /// Cosine and sine of its angle.
    rotation: Vector,
}

impl Placed {
    /// A box of a body whose centre of gravity is at `position`; `center` is the centre of gravity in the body.
    #[inline]
    pub fn new(shape: &Rectangle, center: Vector, position: Vector, rotation: Vector) -> Self {
        let middle = add(position, rotate(sub(shape.center, center), rotation));
        Self { center: middle, half: shape.half, rotation }
    }

    /// Its bounds.
    #[inline]
    pub fn bounds(&self) -> Bounds {
        let [cos, sin] = self.rotation.map(f64::abs);
        let half = [self.half[0] * cos + self.half[1] * sin, self.half[0] * sin + self.half[1] * cos];
        Bounds { low: sub(self.center, half), high: add(self.center, half) }
    }

    /// A disc that sets out from `from` in a direction, for good, may touch it (where it passes a corner closely, this says so too).
    pub fn lies_ahead(&self, from: Vector, way: Vector, radius: f64) -> bool {
        let [from, way] = [sub(from, self.center), way].map(|vector| unrotate(vector, self.rotation));
        let (mut enters, mut leaves) = (0.0_f64, f64::INFINITY);
        for axis in 0..2 {
            let reach = self.half[axis] + radius;
            if way[axis] != 0.0 {
                let [one, other] = [-reach, reach].map(|side| (side - from[axis]) / way[axis]);
                (enters, leaves) = (enters.max(one.min(other)), leaves.min(one.max(other)));
            } else if from[axis].abs() > reach {
                return false;
            }
        }
        enters <= leaves
    }

    fn corner(&self, index: usize) -> Vector {
        let [x, y] = self.half;
        let corner = [[-x, -y], [x, -y], [x, y], [-x, y]][index];
        add(self.center, rotate(corner, self.rotation))
    }

    /// Outward normal of the side from corner `index - 1` to corner `index`.
    fn normal(&self, index: usize) -> Vector {
        rotate([[-1.0, 0.0], [0.0, -1.0], [1.0, 0.0], [0.0, 1.0]][index], self.rotation)
    }
}

/// A wall: a line with a radius.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    /// One end, px.
    pub from: Vector,
    /// The other end, px.
    pub to: Vector,
}

/// The radius of all walls, px.
pub const WALL_RADIUS: f64 = 2.0;

/// The contact of a circle with a box, if they touch.
#[inline]
pub fn circle(middle: Vector, radius: f64, shape: &Placed) -> Option<Touch> {
    let local = unrotate(sub(middle, shape.center), shape.rotation);
    // Far away, mostly: no root is needed to see that.
    let beyond = [0, 1].map(|axis| (local[axis].abs() - shape.half[axis]).max(0.0));
    if dot(beyond, beyond) > 1.001 * radius * radius {
        return None;
    }
    let (normal, distance, on_box) = point(local, shape.half);
    if distance > radius {
        return None;
    }
    let normal = rotate(normal, shape.rotation);
    let contact = Contact {
        on_first: add(middle, scale(normal, radius)),
        on_second: add(shape.center, rotate(on_box, shape.rotation)),
        key: 0,
    };
    Some(Touch { normal, contacts: [contact; 2], count: 1 })
}

/// From a point to a box around the origin: unit normal towards the box, distance (negative inside), the nearest point
/// of the box's boundary.
#[inline]
fn point(at: Vector, half: Vector) -> (Vector, f64, Vector) {
    let nearest = [at[0].clamp(-half[0], half[0]), at[1].clamp(-half[1], half[1])];
    let way = sub(nearest, at);
    let distance = length(way);
    if distance > 0.0 {
        return (scale(way, 1.0 / distance), distance, nearest);
    }
    let depth = [half[0] - at[0].abs(), half[1] - at[1].abs()];
    let axis = usize::from(depth[1] < depth[0]);
    let (mut normal, mut nearest) = ([0.0; 2], at);
    let side = if at[axis] < 0.0 { -1.0 } else { 1.0 };
    normal[axis] = -side;
    nearest[axis] = side * half[axis];
    (normal, -depth[axis], nearest)
}

/// The contacts of a wall with a box, if they touch.
pub fn wall(wall: &Wall, shape: &Placed) -> Option<Touch> {
    let [from, to] = [wall.from, wall.to].map(|end| unrotate(sub(end, shape.center), shape.rotation));
    let (normal, distance) = segment(from, to, shape.half);
    if distance > WALL_RADIUS {
        return None;
    }
    let normal = rotate(normal, shape.rotation);
    let across = perp(sub(wall.from, wall.to));
    let first = if dot(across, normal) > 0.0 { [(wall.from, 0), (wall.to, 1)] } else { [(wall.to, 1), (wall.from, 0)] };
    let touch = clip(normal, first, side(shape, scale(normal, -1.0)));
    (touch.count > 0).then_some(touch)
}

/// From a segment to a box around the origin: unit normal towards the box, distance (negative where they overlap).
fn segment(from: Vector, to: Vector, half: Vector) -> (Vector, f64) {
    let along = sub(to, from);
    let across = scale(perp(along), 1.0 / length(along));
    let offset = dot(across, from);
    // Separation along the only axes that can separate them, with the normal that belongs to it.
    let mut axes = [([0.0; 2], 0.0); 3];
    for axis in 0..2 {
        let (low, high) = (from[axis].min(to[axis]), from[axis].max(to[axis]));
        let (after, before) = (low - half[axis], -half[axis] - high);
        let mut normal = [0.0; 2];
        normal[axis] = if after > before { -1.0 } else { 1.0 };
        axes[axis] = (normal, after.max(before));
    }
    let reach = half[0] * across[0].abs() + half[1] * across[1].abs();
    axes[2] = (scale(across, -offset.signum()), offset.abs() - reach);
    let widest =
        axes.into_iter().fold(([0.0; 2], f64::NEG_INFINITY), |best, axis| if axis.1 > best.1 { axis } else { best });
    if widest.1 <= 0.0 {
        return widest;
    }
    // Apart: the nearest pair has an end of the segment or a corner of the box in it.
    let ends = [from, to].map(|end| {
        let (normal, distance, _) = point(end, half);
        (normal, distance)
    });
    let [x, y] = half;
    let corners = [[-x, -y], [x, -y], [x, y], [-x, y]].map(|corner| {
        let share = (dot(sub(corner, from), along) / dot(along, along)).clamp(0.0, 1.0);
        let way = sub(corner, lerp(from, to, share));
        let distance = length(way);
        (scale(way, 1.0 / distance.max(f64::MIN_POSITIVE)), distance)
    });
    let nearest = |best: (Vector, f64), next: (Vector, f64)| if next.1 < best.1 { next } else { best };
    ends.into_iter().chain(corners).fold(([0.0; 2], f64::INFINITY), nearest)
}

/// The side of a box that faces a direction, with the numbers of its corners.
fn side(shape: &Placed, direction: Vector) -> [(Vector, u8); 2] {
    let furthest = (1..4).fold(0, |best, index| {
        let better = dot(shape.corner(index), direction) > dot(shape.corner(best), direction);
        if better { index } else { best }
    });
    let (before, after) = ((furthest + 3) % 4, (furthest + 1) % 4);
    let corner = |index: usize| (shape.corner(index), index as u8);
    if dot(direction, shape.normal(furthest)) > dot(direction, shape.normal(after)) {
        [corner(before), corner(furthest)]
    } else {
        [corner(furthest), corner(after)]
    }
}

/// Clips the side of a wall and the side of a box against each other.
fn clip(normal: Vector, first: [(Vector, u8); 2], second: [(Vector, u8); 2]) -> Touch {
    let along = |(at, _): (Vector, u8)| cross(at, normal);
    let [first_from, first_to] = first.map(along);
    let [second_from, second_to] = second.map(along);
    let first_share = 1.0 / (first_to - first_from + f64::MIN_POSITIVE);
    let second_share = 1.0 / (second_to - second_from + f64::MIN_POSITIVE);
    let empty = Contact { on_first: [0.0; 2], on_second: [0.0; 2], key: 0 };
    let mut touch = Touch { normal, contacts: [empty; 2], count: 0 };
    for (from, to, on_first, on_second) in [(0, 1, second_to, first_from), (1, 0, second_from, first_to)] {
        let share = ((on_first - first_from) * first_share).clamp(0.0, 1.0);
        let on_first = add(lerp(first[0].0, first[1].0, share), scale(normal, WALL_RADIUS));
        let share = ((on_second - second_from) * second_share).clamp(0.0, 1.0);
        let on_second = lerp(second[0].0, second[1].0, share);
        if dot(sub(on_second, on_first), normal) <= 0.0 {
            touch.contacts[touch.count] = Contact { on_first, on_second, key: 4 * first[from].1 + second[to].1 };
            touch.count += 1;
        }
    }
    touch
}

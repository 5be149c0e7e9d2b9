//! Two numbers as a vector: x to the right, y down, px.

/// A point or a vector, px.
pub type Vector = [f64; 2];

/// a + b.
#[inline]
pub fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1]]
}

/// a - b.
#[inline]
pub fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1]]
}

/// k a.
#[inline]
pub fn scale(a: Vector, k: f64) -> Vector {
    [k * a[0], k * a[1]]
}

/// a . b.
#[inline]
pub fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// The third component of a x b.
#[inline]
pub fn cross(a: Vector, b: Vector) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// A quarter turn from x to y.
#[inline]
pub fn perp(a: Vector) -> Vector {
    [-a[1], a[0]]
}

/// |a|.
#[inline]
pub fn length(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

/// From a to b by a share of t.
#[inline]
pub fn lerp(a: Vector, b: Vector, t: f64) -> Vector {
    add(scale(a, 1.0 - t), scale(b, t))
}

/// Turned by the angle whose cosine and sine are `rotation`.
#[inline]
pub fn rotate(a: Vector, rotation: Vector) -> Vector {
    [a[0] * rotation[0] - a[1] * rotation[1], a[0] * rotation[1] + a[1] * rotation[0]]
}

/// Turned back by the angle whose cosine and sine are `rotation`.
#[inline]
pub fn unrotate(a: Vector, rotation: Vector) -> Vector {
    [a[0] * rotation[0] + a[1] * rotation[1], a[1] * rotation[0] - a[0] * rotation[1]]
}

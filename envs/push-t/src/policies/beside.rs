//! Places beside the block, and ways around it, in the block's coordinates about its centre of gravity, px.

use std::f64::consts::{PI, TAU};

use crate::physics::{Laws, Motion};
use crate::vector::{Vector, add, length, rotate, scale, sub, unrotate};

/// Distance of a push's start from the block, px beyond touching.
pub const CLEAR: f64 = 3.0;
/// Largest target on the way to a push, in units of 100 px. With it, actions have about the standard deviation of 0.2 that
/// the public data of DINO-WM have.
pub const FASTEST: f64 = 0.35;

/// A place of an agent beside the block.
#[derive(Clone, Copy)]
pub struct Start {
    /// The agent's middle.
    pub at: Vector,
    /// From the block's side towards it, of length 1.
    pub outward: Vector,
}

/// The place that an agent takes beside a side (0 to 3) of a box, at a share of its length; none where another box is in
/// the way.
pub fn start(laws: &Laws, number: usize, side: usize, share: f64) -> Option<Start> {
    let corners = laws.geometry.boxes[number].corners();
    let (from, to) = (corners[side], corners[(side + 1) % 4]);
    let along = scale(sub(to, from), 1.0 / length(sub(to, from)));
    let outward = [along[1], -along[0]];
    let at = add(from, scale(sub(to, from), share));
    let at = sub(add(at, scale(outward, laws.radius + CLEAR)), laws.geometry.center);
    (!inside(laws, at)).then_some(Start { at, outward })
}

/// An agent at this point would touch the block, or nearly.
pub fn inside(laws: &Laws, point: Vector) -> bool {
    clearance(laws, point) < laws.radius + 0.5 * CLEAR
}

/// Distance of a point from the block, px; 0 inside it.
pub fn clearance(laws: &Laws, point: Vector) -> f64 {
    let distances = laws.geometry.boxes.iter().map(|shape| {
        let way = sub(add(point, laws.geometry.center), shape.center);
        length([0, 1].map(|i| (way[i].abs() - shape.half[i]).max(0.0)))
    });
    distances.fold(f64::INFINITY, f64::min)
}

/// The place of the agent.
pub fn here(motion: &Motion) -> Vector {
    unrotate(sub(motion.agent, motion.center), motion.rotation())
}

/// The way of an agent at `from` to `to` without touching the block: straight where nothing is in between, else along a circle
/// around it.
pub fn around(laws: &Laws, from: Vector, to: Vector) -> Vector {
    let way = sub(to, from);
    let free = (0..=16).all(|i| !inside(laws, add(from, scale(way, f64::from(i) / 16.0))));
    if free || inside(laws, from) && length(way) < 2.0 * laws.radius {
        return to;
    }
    let circle = laws.geometry.reach + laws.radius + 2.0 * CLEAR;
    if length(from) < circle - 1.0 && inside(laws, scale(from, 1.0 + 20.0 / length(from).max(1.0))) {
        // In a corner of the block: straight out, away from the nearest side.
        return scale(from, circle / length(from).max(1.0));
    }
    let angle = |at: Vector| at[1].atan2(at[0]);
    let turn = (angle(to) - angle(from) + 3.0 * PI).rem_euclid(TAU) - PI;
    let next = angle(from) + turn.clamp(-0.5, 0.5);
    if turn.abs() < 0.15 { to } else { scale([next.cos(), next.sin()], circle.max(length(from).min(1.5 * circle))) }
}

/// The target, relative to the agent and in units of 100 px, on the way to a place.
pub fn go(motion: &Motion, to: Vector) -> Vector {
    let way = rotate(sub(to, here(motion)), motion.rotation());
    // The controller covers about 40 % of the way in a step.
    scale(way, 0.02_f64.min(FASTEST / length(way).max(1e-9)))
}

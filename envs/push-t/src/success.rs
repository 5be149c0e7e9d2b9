//! Distance to the goal, by every rule that the field uses.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::{Geometry, Rectangle};
use crate::vector::{Vector, add, cross, length, lerp, rotate, scale, sub, unrotate};

/// The rule of success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Success {
    /// Agent and block together within 20 px (one norm of four numbers) and the angle within 20° of the goal's: the rule of
    /// DINO-WM, stable-worldmodel and LeWM.
    #[default]
    Joint,
    /// The block alone: within 20 px and 20°.
    Block,
    /// More than 95 % of the goal covered by the block: gym-pusht's and Diffusion Policy's.
    Coverage,
}

/// Agent and block: what the rules compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Centre of the agent, px.
    pub agent: Vector,
    /// Origin of the block, px.
    pub block: Vector,
    /// Angle of the block, radians.
    pub angle: f64,
}

/// Radius of the rules on positions, px.
const RADIUS: f64 = 20.0;
/// Radius of the rules on the angle, radians.
const ANGLE: f64 = PI / 9.0;

impl Success {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Joint, Self::Block, Self::Coverage];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joint => "joint",
            Self::Block => "block",
            Self::Coverage => "coverage",
        }
    }

    /// A distance below this is success.
    pub fn radius(self) -> f64 {
        match self {
            Self::Joint | Self::Block => RADIUS,
            Self::Coverage => 0.05,
        }
    }

    /// Unit of its distances.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Joint | Self::Block => "px",
            Self::Coverage => "share of the goal",
        }
    }

    /// Distance of a pose from a goal. `Joint` and `Block`: px, where an angle counts 20 px for every 20° and the larger of
    /// the two decides; `Coverage`: the share of the goal that is not covered. `symmetry` is the angle after which the
    /// shape looks the same.
    pub fn distance(self, geometry: &Geometry, symmetry: f64, pose: &Pose, goal: &Pose) -> f64 {
        let block = sub(pose.block, goal.block);
        let turn = turn(pose.angle - goal.angle, symmetry) * RADIUS / ANGLE;
        match self {
            Self::Joint => length([length(block), length(sub(pose.agent, goal.agent))]).max(turn),
            Self::Block => length(block).max(turn),
            Self::Coverage => {
                let share = 1.0 - coverage(geometry, pose, goal);
                // Rounding is not a gap.
                if share < 1e-9 { 0.0 } else { share }
            }
        }
    }
}

/// The size of an angle, up to multiples of `symmetry`.
fn turn(angle: f64, symmetry: f64) -> f64 {
    let rest = angle.rem_euclid(symmetry);
    rest.min(symmetry - rest)
}

/// Share of the goal's area that the block covers. The boxes of a shape only touch, so their intersections add up.
pub fn coverage(geometry: &Geometry, pose: &Pose, goal: &Pose) -> f64 {
    let rotation = |pose: &Pose| [pose.angle.cos(), pose.angle.sin()];
    let (there, here) = (rotation(goal), rotation(pose));
    let mut covered = 0.0;
    for shape in &geometry.boxes {
        let world = shape.corners().map(|corner| add(pose.block, rotate(corner, here)));
        let corners = world.map(|corner| unrotate(sub(corner, goal.block), there));
        for target in &geometry.boxes {
            let centered = corners.map(|corner| sub(corner, target.center));
            covered += clipped_area(&centered, target.half);
        }
    }
    covered / geometry.boxes.iter().map(Rectangle::area).sum::<f64>()
}

/// Area of a convex polygon inside a box around the origin (Sutherland and Hodgman, 1974).
fn clipped_area(polygon: &[Vector; 4], half: Vector) -> f64 {
    let (mut points, mut count) = ([[0.0; 2]; 12], 4);
    points[..4].copy_from_slice(polygon);
    for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
        let inside = |point: Vector| half[axis] - sign * point[axis];
        let (before, mut kept) = (points, 0);
        for i in 0..count {
            let (from, to) = (before[(i + count - 1) % count], before[i]);
            let (a, b) = (inside(from), inside(to));
            if (a < 0.0) != (b < 0.0) {
                points[kept] = lerp(from, to, a / (a - b));
                kept += 1;
            }
            if b >= 0.0 {
                points[kept] = to;
                kept += 1;
            }
        }
        count = kept;
    }
    let doubled: f64 = (0..count).map(|i| cross(points[i], points[(i + 1) % count])).sum();
    length(scale([doubled, 0.0], 0.5))
}

//! A push tried out: what [`Motion`] does while the agent alone touches the block, at one place at a time, to the last bit.
//!
//! Then the order of contacts does not matter, so the tree of bounding boxes can be left out; and without friction and damping so
//! can most of the solver. A trial says when something else happens: then the push has to be simulated.

use crate::bounds::{Bounds, WALL_BOUNDS};
use crate::broadphase::TOUCHERS;
use crate::contact::{self, Placed, Touch};
use crate::physics::{DT, Laws, Motion, PERSISTENCE, SLOP, STILL, SWEEPS, UNDONE, push};
use crate::shape::MOST_BOXES;
use crate::vector::{Vector, add, cross, dot, perp, scale, sub};

/// The memory of the agent's contact with a box.
#[derive(Clone, Copy, Default)]
struct Held {
    /// Substeps since they touched, from 1; 0 if nothing is remembered.
    age: u8,
    /// Accumulated impulse along the normal.
    normal: f64,
}

/// An agent that goes straight on, and a block.
#[derive(Clone)]
pub struct Trial<'a> {
    laws: &'a Laws,
    /// Position of the agent, px.
    pub agent: Vector,
    velocity: Vector,
    /// Centre of gravity of the block, px.
    pub center: Vector,
    /// Cosine and sine of its angle.
    pub rotation: Vector,
    angle: f64,
    /// Velocities of the block, as in [`Motion`].
    moving: (Vector, f64),
    bias: (Vector, f64),
    boxes: [Placed; MOST_BOXES],
    held: [Held; MOST_BOXES],
}

impl<'a> Trial<'a> {
    /// The block as it moves, and an agent at rest at `agent`; none where the laws or what is remembered need the whole physics.
    pub fn new(laws: &'a Laws, motion: &Motion, agent: Vector) -> Option<Self> {
        let mut held = [Held::default(); MOST_BOXES];
        for (held, pair) in held.iter_mut().zip((0..).step_by(TOUCHERS)) {
            let memory = &motion.memory[pair];
            if memory.tangent[0] != 0.0 {
                return None;
            }
            *held = Held { age: motion.ages[pair], normal: memory.normal[0] };
        }
        let mut new = Self {
            laws,
            agent,
            velocity: [0.0; 2],
            center: motion.center,
            rotation: motion.rotation(),
            angle: motion.angle,
            moving: motion.velocity,
            bias: motion.bias,
            boxes: Default::default(),
            held,
        };
        (laws.friction == 0.0 && laws.damping == 0.0 && new.place()).then_some(new)
    }

    /// Puts the boxes where the block is now; false where one may touch a wall.
    #[inline]
    fn place(&mut self) -> bool {
        let geometry = &self.laws.geometry;
        for (placed, shape) in self.boxes.iter_mut().zip(&geometry.boxes) {
            *placed = Placed::new(shape, geometry.center, self.center, self.rotation);
        }
        // Far from the walls, mostly: no bounds are needed to see that.
        let [low, high] = [WALL_BOUNDS[0].high[0] + 1.0, WALL_BOUNDS[2].low[0] - 1.0];
        let far = |at: f64| at - geometry.reach > low && at + geometry.reach < high;
        self.center.into_iter().all(far)
            || self.boxes[..geometry.boxes.len()].iter().all(|placed| {
                let bounds = placed.bounds();
                WALL_BOUNDS.iter().all(|wall| !bounds.meets(wall))
            })
    }

    /// A substep towards a target; false where the whole physics is needed.
    #[inline]
    pub fn substep(&mut self, target: Vector) -> bool {
        let damping = 2.0 * self.laws.gain.sqrt();
        let pull = scale(sub(target, self.agent), self.laws.gain);
        let pull = sub(pull, scale(self.velocity, damping));
        self.velocity = add(self.velocity, scale(pull, DT));
        self.agent = add(self.agent, scale(self.velocity, DT));
        if !self.rests() {
            let (way, turn) = (add(self.moving.0, self.bias.0), self.moving.1 + self.bias.1);
            self.center = add(self.center, scale(way, DT));
            if turn != 0.0 {
                self.angle += turn * DT;
                self.rotation = [self.angle.cos(), self.angle.sin()];
            }
            if !self.place() {
                return false;
            }
        }
        (self.moving, self.bias) = (([0.0; 2], 0.0), ([0.0; 2], 0.0));
        let mut found: Option<(usize, Touch)> = None;
        for number in 0..self.laws.geometry.boxes.len() {
            if let Some(touch) = self.touch(number) {
                if found.is_some() {
                    return false;
                }
                found = Some((number, touch));
            }
        }
        let found = found.map(|(number, touch)| (number, self.solve(number, &touch)));
        for held in self.held.iter_mut().filter(|held| held.age > 0) {
            held.age += 1;
            if held.age > PERSISTENCE {
                *held = Held::default();
            }
        }
        if let Some((number, normal)) = found {
            self.held[number] = Held { age: 1, normal };
        }
        true
    }

    /// Where the agent touches a box.
    #[inline]
    fn touch(&self, number: usize) -> Option<Touch> {
        let placed = &self.boxes[number];
        contact::circle(self.agent, self.laws.radius, placed)
            .filter(|_| placed.bounds().meets(&Bounds::around(self.agent, self.laws.radius)))
    }

    /// Pushes the block until it does not approach the agent; the accumulated impulse.
    #[inline]
    fn solve(&mut self, number: usize, touch: &Touch) -> f64 {
        let ((mass, moment), contact, normal) = (self.laws.inverse(), &touch.contacts[0], touch.normal);
        let arm = sub(contact.on_second, self.center);
        let across = perp(arm);
        let normal_mass = 1.0 / (mass + moment * cross(arm, normal).powi(2));
        let depth = dot(sub(contact.on_second, contact.on_first), normal);
        let wanted = -UNDONE * (depth + SLOP).min(0.0) / DT;
        let Held { age, normal: mut total } = self.held[number];
        let (mut velocity, mut bias, mut undone) = (self.moving, self.bias, 0.0_f64);
        if age == 1 {
            push(&mut velocity, scale(normal, total), arm, mass, moment);
        }
        for _ in 0..SWEEPS {
            let leaving = dot(add(bias.0, scale(across, bias.1)), normal);
            let before = undone;
            undone = (before + (wanted - leaving) * normal_mass).max(0.0);
            let most = undone - before;
            push(&mut bias, scale(normal, most), arm, mass, moment);

            let relative = sub(add(velocity.0, scale(across, velocity.1)), self.velocity);
            let before = total;
            total = (before - dot(relative, normal) * normal_mass).max(0.0);
            push(&mut velocity, scale(normal, total - before), arm, mass, moment);
            if most.abs().max((total - before).abs()) <= STILL {
                break;
            }
        }
        (self.moving, self.bias) = (velocity, bias);
        total
    }

    /// The block will not move in the next substep.
    #[inline]
    pub fn rests(&self) -> bool {
        let (way, turn) = (add(self.moving.0, self.bias.0), self.moving.1 + self.bias.1);
        way == [0.0; 2] && turn == 0.0
    }

    /// The block rests, and an agent that goes on in a direction will not touch it.
    pub fn passed(&self, way: Vector) -> bool {
        self.rests()
            && !self.boxes[..self.laws.geometry.boxes.len()].iter().any(|placed| {
                // A pixel more than the radius: the way is straight but for rounding.
                placed.lies_ahead(self.agent, way, self.laws.radius + 1.0)
            })
    }
}

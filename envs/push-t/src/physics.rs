//! The physics: the part of Chipmunk 7 that push-T uses, step by step.
//!
//! One substep of 0.01 s, in this order: move everything by the velocities of the substep before; find the contacts; wipe
//! the block's velocity (the space is damped to a standstill, so the block never coasts); start from the impulses that
//! held the same contacts before; ten sweeps over the contacts, each of which pushes the block until nothing
//! approaches there (`v`), and out of what it is already in (`bias`). The agent is kinematic: nothing moves it but its
//! controller.

use arrayvec::ArrayVec;

use crate::bounds::{Bounds, WALL_BOUNDS};
use crate::broadphase::{Broadphase, MOST_LEAVES, MOST_PAIRS, TOUCHERS};
use crate::contact::{self, Contact, Placed, Touch, Wall};
use crate::shape::{Geometry, MOST_BOXES};
use crate::vector::{Vector, add, cross, dot, perp, rotate, scale, sub};

/// Length of a substep, s.
pub const DT: f64 = 0.01;
/// Substeps of a control step.
pub const SUBSTEPS: usize = 10;
/// Sweeps over the contacts in a substep.
pub(crate) const SWEEPS: usize = 10;
/// Depth of a contact that is left alone, px (0.1 in single precision).
pub(crate) const SLOP: f64 = 0.100_000_001_490_116_12;
/// Share of a penetration that is undone in a substep: `1 - b^0.01`, where b = 0.9^60 in single precision is left after one
/// second.
pub(crate) const UNDONE: f64 = 0.061_259_621_561_307_376;
/// Where no impulse of a sweep is larger, another sweep would not change the last digit of where the block goes (px/s for a
/// mass of 1).
pub(crate) const STILL: f64 = 1e-13;
/// Substeps for which a contact is remembered after it opened.
pub(crate) const PERSISTENCE: u8 = 3;

/// The walls.
pub const WALLS: [Wall; 4] = [
    Wall { from: [5.0, 506.0], to: [5.0, 5.0] },
    Wall { from: [5.0, 5.0], to: [506.0, 5.0] },
    Wall { from: [506.0, 5.0], to: [506.0, 506.0] },
    Wall { from: [5.0, 506.0], to: [506.0, 506.0] },
];

/// The laws of motion: all that it depends on beside the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Laws {
    /// The block.
    pub geometry: Geometry,
    /// Mass of the block.
    pub mass: f64,
    /// Share of the block's velocity that is left after one second.
    pub damping: f64,
    /// Friction of all contacts (the product of both sides').
    pub friction: f64,
    /// Radius of the agent, px.
    pub radius: f64,
    /// Stiffness of the agent's controller, 1/s²; its damping is critical.
    pub gain: f64,
}

impl Laws {
    /// Change of the block's velocity by an impulse of 1, and of its angle's at an arm of 1.
    pub(crate) fn inverse(&self) -> (f64, f64) {
        (1.0 / self.mass, 1.0 / (self.mass * self.geometry.moment))
    }
}

/// Agent and block in motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// Position of the agent, px.
    pub agent: Vector,
    /// Velocity of the agent, px/s.
    pub agent_velocity: Vector,
    /// Centre of gravity of the block, px.
    pub center: Vector,
    /// Angle of the block, radians.
    pub angle: f64,
    /// Velocity of the centre of gravity, px/s, and of the angle, rad/s.
    pub velocity: (Vector, f64),
    /// The velocity that only undoes penetration, in the same units: it lasts one substep.
    pub bias: (Vector, f64),
    /// Substeps since each pair touched, from 1; 0 if nothing is remembered of it. Box by box, the agent first.
    pub(crate) ages: [u8; MOST_PAIRS],
    /// The memory of each pair's contacts.
    pub(crate) memory: [Memory; MOST_PAIRS],
    /// The order of solving.
    pub(crate) broadphase: Broadphase,
}

/// Where gym-pusht makes the agent and the block, before it moves them to where an episode starts: the tree of bounding
/// boxes remembers.
const CRADLE: (Vector, Vector) = ([256.0, 400.0], [256.0, 300.0]);

/// The memory of a pair that touched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Number of contacts.
    pub count: u8,
    /// The features that met.
    pub key: [u8; 2],
    /// Accumulated impulses along the normal.
    pub normal: [f64; 2],
    /// Accumulated impulses along the surface.
    pub tangent: [f64; 2],
}

/// Places of the block's boxes, and the bounds of all that moves: of the agent, then box by box.
struct Placement {
    rotation: Vector,
    boxes: [Placed; MOST_BOXES],
    bounds: [Bounds; MOST_LEAVES],
}

impl Placement {
    #[inline]
    fn new(laws: &Laws, agent: Vector, center: Vector, rotation: Vector) -> Self {
        let mut new = Self { rotation, boxes: Default::default(), bounds: Default::default() };
        new.bounds[0] = Bounds::around(agent, laws.radius);
        new.turn(laws, center, rotation);
        new
    }

    /// Puts the boxes where the block is now.
    #[inline]
    fn turn(&mut self, laws: &Laws, center: Vector, rotation: Vector) {
        self.rotation = rotation;
        for (number, shape) in laws.geometry.boxes.iter().enumerate() {
            self.boxes[number] = Placed::new(shape, laws.geometry.center, center, rotation);
            self.bounds[1 + number] = self.boxes[number].bounds();
        }
    }
}

/// A contact while a substep is solved.
struct Solved {
    /// The pair that touches.
    pair: usize,
    /// The features that meet.
    key: u8,
    /// Unit vector towards the block.
    normal: Vector,
    /// From the centre of gravity to the contact on the block.
    arm: Vector,
    /// Velocity of what touches the block.
    other: Vector,
    normal_mass: f64,
    tangent_mass: f64,
    bias: f64,
    bias_impulse: f64,
    normal_impulse: f64,
    tangent_impulse: f64,
}

/// The contacts of a substep.
type Contacts = ArrayVec<Solved, { 2 * MOST_PAIRS }>;

impl Motion {
    /// At rest, touching nothing: the agent at `agent`, the origin of the block at `origin`.
    pub fn at_rest(laws: &Laws, agent: Vector, agent_velocity: Vector, origin: Vector, angle: f64) -> Self {
        let center = add(origin, rotate(laws.geometry.center, [angle.cos(), angle.sin()]));
        let cradle = Placement::new(laws, CRADLE.0, add(CRADLE.1, laws.geometry.center), [1.0, 0.0]);
        Self {
            agent,
            agent_velocity,
            center,
            angle,
            velocity: ([0.0; 2], 0.0),
            bias: ([0.0; 2], 0.0),
            ages: [0; MOST_PAIRS],
            memory: [Memory::default(); MOST_PAIRS],
            broadphase: Broadphase::new(&cradle.bounds[..1 + laws.geometry.boxes.len()]),
        }
    }

    /// Cosine and sine of the block's angle.
    pub fn rotation(&self) -> Vector {
        [self.angle.cos(), self.angle.sin()]
    }

    /// The origin of the block: the middle of the flat edge of a T's bar.
    pub fn origin(&self, laws: &Laws) -> Vector {
        sub(self.center, rotate(laws.geometry.center, self.rotation()))
    }

    /// One control step of 0.1 s towards a target; counts the contact points that were seen in its substeps.
    pub fn control(&mut self, laws: &Laws, target: Vector) -> usize {
        let damping = 2.0 * laws.gain.sqrt();
        let (mut placement, mut seen) = (self.placement(laws), 0);
        for _ in 0..SUBSTEPS {
            let pull = scale(sub(target, self.agent), laws.gain);
            let pull = sub(pull, scale(self.agent_velocity, damping));
            self.agent_velocity = add(self.agent_velocity, scale(pull, DT));
            seen += self.advance(laws, &mut placement);
        }
        seen
    }

    /// One substep of 0.01 s; the number of contact points.
    pub fn substep(&mut self, laws: &Laws) -> usize {
        self.advance(laws, &mut self.placement(laws))
    }

    fn placement(&self, laws: &Laws) -> Placement {
        Placement::new(laws, self.agent, self.center, self.rotation())
    }

    /// A substep from a known placement to the next.
    fn advance(&mut self, laws: &Laws, placement: &mut Placement) -> usize {
        self.agent = add(self.agent, scale(self.agent_velocity, DT));
        placement.bounds[0] = Bounds::around(self.agent, laws.radius);
        let (way, turn) = (add(self.velocity.0, self.bias.0), self.velocity.1 + self.bias.1);
        if way != [0.0; 2] || turn != 0.0 {
            self.center = add(self.center, scale(way, DT));
            self.angle += turn * DT;
            let rotation = if turn == 0.0 { placement.rotation } else { self.rotation() };
            placement.turn(laws, self.center, rotation);
        }
        self.bias = ([0.0; 2], 0.0);
        let mut contacts = Contacts::new();
        self.find(laws, placement, &mut contacts);
        let left = if laws.damping == 0.0 { 0.0 } else { laws.damping.powf(DT) };
        self.velocity = (scale(self.velocity.0, left), self.velocity.1 * left);
        if !contacts.is_empty() {
            self.solve(laws, &mut contacts);
        }
        self.remember(&contacts);
        contacts.len()
    }

    /// The contacts, in the order of solving, with the impulses that are remembered of them.
    #[inline]
    fn find(&mut self, laws: &Laws, placement: &Placement, contacts: &mut Contacts) {
        let bounds = &placement.bounds;
        let candidates = self.broadphase.update(bounds, [self.agent_velocity, self.velocity.0]);
        for &(number, toucher) in candidates.as_slice() {
            let (number, toucher) = (usize::from(number), usize::from(toucher));
            let with = if toucher == 0 { &bounds[0] } else { &WALL_BOUNDS[toucher - 1] };
            if !bounds[1 + number].meets(with) {
                continue;
            }
            if let Some(touch) = self.touch(laws, &placement.boxes[number], toucher) {
                let pair = number * TOUCHERS + toucher;
                for contact in &touch.contacts[..touch.count] {
                    contacts.push(self.prepare(laws, pair, &touch, contact));
                }
            }
        }
    }

    /// The constants of solving a contact.
    #[inline]
    fn prepare(&self, laws: &Laws, pair: usize, touch: &Touch, contact: &Contact) -> Solved {
        let (mass, moment) = laws.inverse();
        let normal = touch.normal;
        let arm = sub(contact.on_second, self.center);
        let inertia = |direction: Vector| mass + moment * cross(arm, direction).powi(2);
        let depth = dot(sub(contact.on_second, contact.on_first), normal);
        let memory = &self.memory[pair];
        let known = memory.key[..usize::from(memory.count)].iter().rposition(|key| *key == contact.key);
        Solved {
            pair,
            key: contact.key,
            normal,
            arm,
            other: if pair.is_multiple_of(TOUCHERS) { self.agent_velocity } else { [0.0; 2] },
            normal_mass: 1.0 / inertia(normal),
            tangent_mass: 1.0 / inertia(perp(normal)),
            bias: -UNDONE * (depth + SLOP).min(0.0) / DT,
            bias_impulse: 0.0,
            normal_impulse: known.map_or(0.0, |at| memory.normal[at]),
            tangent_impulse: known.map_or(0.0, |at| memory.tangent[at]),
        }
    }

    /// Pushes the block until nothing approaches it.
    fn solve(&mut self, laws: &Laws, contacts: &mut Contacts) {
        let (mass, moment) = laws.inverse();
        let (mut velocity, mut bias) = (self.velocity, self.bias);
        for contact in contacts.iter().filter(|contact| self.ages[contact.pair] == 1) {
            let impulse = rotate([contact.normal_impulse, contact.tangent_impulse], contact.normal);
            push(&mut velocity, impulse, contact.arm, mass, moment);
        }
        for _ in 0..SWEEPS {
            let mut most = 0.0_f64;
            for contact in contacts.iter_mut() {
                let (normal, arm) = (contact.normal, perp(contact.arm));
                let leaving = dot(add(bias.0, scale(arm, bias.1)), normal);
                let relative = sub(add(velocity.0, scale(arm, velocity.1)), contact.other);

                let before = contact.bias_impulse;
                contact.bias_impulse = (before + (contact.bias - leaving) * contact.normal_mass).max(0.0);
                let impulse = contact.bias_impulse - before;
                push(&mut bias, scale(normal, impulse), contact.arm, mass, moment);
                most = most.max(impulse.abs());

                let before = [contact.normal_impulse, contact.tangent_impulse];
                contact.normal_impulse = (before[0] - dot(relative, normal) * contact.normal_mass).max(0.0);
                let grip = laws.friction * contact.normal_impulse;
                let along = dot(relative, perp(normal));
                contact.tangent_impulse = (before[1] - along * contact.tangent_mass).clamp(-grip, grip);
                let impulse = [contact.normal_impulse - before[0], contact.tangent_impulse - before[1]];
                push(&mut velocity, rotate(impulse, normal), contact.arm, mass, moment);
                most = most.max(impulse[0].abs()).max(impulse[1].abs());
            }
            if most <= STILL {
                break;
            }
        }
        (self.velocity, self.bias) = (velocity, bias);
    }

    /// Remembers the contacts, and forgets those of pairs that parted long ago.
    #[inline]
    fn remember(&mut self, contacts: &Contacts) {
        if self.ages != [0; MOST_PAIRS] {
            for (age, memory) in self.ages.iter_mut().zip(&mut self.memory).filter(|(age, _)| **age > 0) {
                *age += 1;
                if *age > PERSISTENCE {
                    (*age, *memory) = (0, Memory::default());
                }
            }
        }
        let mut last = MOST_PAIRS;
        for contact in contacts {
            let memory = &mut self.memory[contact.pair];
            if contact.pair != last {
                (self.ages[contact.pair], *memory) = (1, Memory::default());
                last = contact.pair;
            }
            let at = usize::from(memory.count);
            (memory.key[at], memory.count) = (contact.key, memory.count + 1);
            (memory.normal[at], memory.tangent[at]) = (contact.normal_impulse, contact.tangent_impulse);
        }
    }

    /// Calls `found` with every place where the block touches something, as things are now.
    pub(crate) fn touches(&self, laws: &Laws, mut found: impl FnMut(Touch)) {
        for shape in &self.placement(laws).boxes[..laws.geometry.boxes.len()] {
            (0..TOUCHERS).filter_map(|toucher| self.touch(laws, shape, toucher)).for_each(&mut found);
        }
    }

    /// The agent touches the block, as things are now.
    pub fn touches_agent(&self, laws: &Laws) -> bool {
        let boxes = &self.placement(laws).boxes[..laws.geometry.boxes.len()];
        boxes.iter().any(|shape| self.touch(laws, shape, 0).is_some())
    }

    /// The contact of the agent (0) or a wall (from 1) with a box.
    #[inline]
    fn touch(&self, laws: &Laws, shape: &Placed, toucher: usize) -> Option<Touch> {
        match toucher.checked_sub(1) {
            None => contact::circle(self.agent, laws.radius, shape),
            Some(wall) => contact::wall(&WALLS[wall], shape),
        }
    }
}

/// Adds an impulse at an arm from the centre of gravity to a velocity.
#[inline]
pub(crate) fn push(velocity: &mut (Vector, f64), impulse: Vector, arm: Vector, mass: f64, moment: f64) {
    velocity.0 = add(velocity.0, scale(impulse, mass));
    velocity.1 += moment * cross(arm, impulse);
}

//! The physics: the part of Chipmunk 7 that push-T uses, step by step.
//!
//! One substep of 0.01 s, in this order: move everything by the velocities of the substep before; find the contacts; wipe
//! the block's velocity (the space is damped to a standstill, so the block never coasts); start from the impulses that
//! held the same contacts before; ten sweeps over the contacts, each of which pushes the block until nothing
//! approaches there (`v`), and out of what it is already in (`bias`). The agent is kinematic: nothing moves it but its
//! controller.

use arrayvec::ArrayVec;

use crate::broadphase::{Bounds, Broadphase, MOST_LEAVES};
use crate::contact::{self, Placed, Touch, Wall};
use crate::shape::{Geometry, MOST_BOXES};
use crate::vector::{Vector, add, cross, dot, perp, rotate, scale, sub};

/// Length of a substep, s.
pub const DT: f64 = 0.01;
/// Substeps of a control step.
pub const SUBSTEPS: usize = 10;
/// Sweeps over the contacts in a substep.
const SWEEPS: usize = 10;
/// Depth of a contact that is left alone, px (0.1 in single precision).
const SLOP: f64 = 0.100_000_001_490_116_12;
/// Share of a penetration that is undone in a substep: `1 - b^0.01`, where b = 0.9^60 in single precision is left after one
/// second.
const UNDONE: f64 = 0.061_259_621_561_307_376;
/// Substeps for which a contact is remembered after it opened.
const PERSISTENCE: u8 = 3;

/// The walls.
pub const WALLS: [Wall; 4] = [
    Wall { from: [5.0, 506.0], to: [5.0, 5.0] },
    Wall { from: [5.0, 5.0], to: [506.0, 5.0] },
    Wall { from: [506.0, 5.0], to: [506.0, 506.0] },
    Wall { from: [5.0, 506.0], to: [506.0, 506.0] },
];

/// What touches a box: the agent or one of the walls.
pub const TOUCHERS: usize = 1 + WALLS.len();
/// Pairs of things that may touch: a box with the agent or a wall.
pub const MOST_PAIRS: usize = MOST_BOXES * TOUCHERS;

/// What the motion depends on beside the state.
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

/// What moves.
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
    /// What is remembered of each pair's contacts: box by box, the agent first.
    pub(crate) memory: [Memory; MOST_PAIRS],
    /// The order of solving.
    pub(crate) broadphase: Broadphase,
}

/// Where gym-pusht makes the agent and the block, before it moves them to where an episode starts: the tree of bounding
/// boxes remembers.
const CRADLE: (Vector, Vector) = ([256.0, 400.0], [256.0, 300.0]);

/// What is remembered of a pair that touched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Substeps since they touched, from 1; 0 if there is nothing to remember.
    pub age: u8,
    /// How many contacts.
    pub count: usize,
    /// Which features met.
    pub key: [u8; 2],
    /// Accumulated impulses along the normal.
    pub normal: [f64; 2],
    /// Accumulated impulses along the surface.
    pub tangent: [f64; 2],
}

/// A touching pair while a substep is solved.
struct Pair {
    index: usize,
    touch: Touch,
    /// Velocity of what touches the block.
    other: Vector,
    first: bool,
    contacts: [Solved; 2],
}

/// A contact while a substep is solved.
#[derive(Clone, Copy, Default)]
struct Solved {
    /// From the centre of gravity to the contact on the block.
    arm: Vector,
    normal_mass: f64,
    tangent_mass: f64,
    bias: f64,
    bias_impulse: f64,
    normal: f64,
    tangent: f64,
}

impl Motion {
    /// At rest, touching nothing: the agent at `agent`, the origin of the block at `origin`.
    pub fn at_rest(laws: &Laws, agent: Vector, agent_velocity: Vector, origin: Vector, angle: f64) -> Self {
        let center = add(origin, rotate(laws.geometry.center, [angle.cos(), angle.sin()]));
        let mut cradle = [Bounds::default(); MOST_LEAVES];
        let cradle = bounds(laws, CRADLE.0, add(CRADLE.1, laws.geometry.center), [1.0, 0.0], &mut cradle);
        Self {
            agent,
            agent_velocity,
            center,
            angle,
            velocity: ([0.0; 2], 0.0),
            bias: ([0.0; 2], 0.0),
            memory: [Memory::default(); MOST_PAIRS],
            broadphase: Broadphase::new(cradle),
        }
    }

    /// Cosine and sine of the block's angle.
    pub fn rotation(&self) -> Vector {
        [self.angle.cos(), self.angle.sin()]
    }

    /// Where the origin of the block is: the middle of the flat edge of a T's bar.
    pub fn origin(&self, laws: &Laws) -> Vector {
        sub(self.center, rotate(laws.geometry.center, self.rotation()))
    }

    /// One control step of 0.1 s towards a target; counts the contact points that were seen in its substeps.
    pub fn control(&mut self, laws: &Laws, target: Vector) -> usize {
        let damping = 2.0 * laws.gain.sqrt();
        let (mut rotation, mut seen) = (self.rotation(), 0);
        for _ in 0..SUBSTEPS {
            let pull = scale(sub(target, self.agent), laws.gain);
            let pull = sub(pull, scale(self.agent_velocity, damping));
            self.agent_velocity = add(self.agent_velocity, scale(pull, DT));
            seen += self.advance(laws, &mut rotation);
        }
        seen
    }

    /// One substep of 0.01 s; the number of contact points.
    pub fn substep(&mut self, laws: &Laws) -> usize {
        self.advance(laws, &mut self.rotation())
    }

    /// A substep from a known rotation to the next.
    fn advance(&mut self, laws: &Laws, rotation: &mut Vector) -> usize {
        self.agent = add(self.agent, scale(self.agent_velocity, DT));
        self.center = add(self.center, scale(add(self.velocity.0, self.bias.0), DT));
        let turn = self.velocity.1 + self.bias.1;
        if turn != 0.0 {
            self.angle += turn * DT;
            *rotation = self.rotation();
        }
        let rotation = *rotation;
        self.bias = ([0.0; 2], 0.0);
        let damping = if laws.damping == 0.0 { 0.0 } else { laws.damping.powf(DT) };

        let mut pairs = ArrayVec::<Pair, MOST_PAIRS>::new();
        let mut touched = [false; MOST_PAIRS];
        let mut candidates = ArrayVec::<_, MOST_PAIRS>::new();
        let mut around = [Bounds::default(); MOST_LEAVES];
        let around = bounds(laws, self.agent, self.center, rotation, &mut around);
        let found = |candidate| candidates.push(candidate);
        self.broadphase.update(around, [self.agent_velocity, self.velocity.0], found);
        for (number, toucher) in candidates {
            if let Some(touch) = self.touch(laws, rotation, number, toucher) {
                let index = number * TOUCHERS + toucher;
                touched[index] = true;
                pairs.push(self.prepare(laws, index, touch));
            }
        }
        for (memory, touched) in self.memory.iter_mut().zip(touched) {
            if memory.age > 0 && !touched {
                memory.age += 1;
                if memory.age > PERSISTENCE {
                    *memory = Memory::default();
                }
            }
        }
        self.velocity = (scale(self.velocity.0, damping), self.velocity.1 * damping);
        if pairs.is_empty() {
            return 0;
        }

        let (mass, moment) = (1.0 / laws.mass, 1.0 / (laws.mass * laws.geometry.moment));
        for pair in pairs.iter().filter(|pair| !pair.first) {
            for contact in &pair.contacts[..pair.touch.count] {
                let impulse = rotate([contact.normal, contact.tangent], pair.touch.normal);
                push(&mut self.velocity, impulse, contact.arm, mass, moment);
            }
        }
        for _ in 0..SWEEPS {
            let mut still = true;
            for pair in &mut pairs {
                let (normal, other) = (pair.touch.normal, pair.other);
                for contact in &mut pair.contacts[..pair.touch.count] {
                    let arm = perp(contact.arm);
                    let leaving = dot(add(self.bias.0, scale(arm, self.bias.1)), normal);
                    let relative = sub(add(self.velocity.0, scale(arm, self.velocity.1)), other);

                    let before = contact.bias_impulse;
                    contact.bias_impulse = (before + (contact.bias - leaving) * contact.normal_mass).max(0.0);
                    let impulse = scale(normal, contact.bias_impulse - before);
                    push(&mut self.bias, impulse, contact.arm, mass, moment);
                    still &= impulse == [0.0; 2];

                    let before = [contact.normal, contact.tangent];
                    contact.normal = (contact.normal - dot(relative, normal) * contact.normal_mass).max(0.0);
                    let most = laws.friction * contact.normal;
                    let along = dot(relative, perp(normal));
                    contact.tangent = (contact.tangent - along * contact.tangent_mass).clamp(-most, most);
                    let impulse = rotate([contact.normal - before[0], contact.tangent - before[1]], normal);
                    push(&mut self.velocity, impulse, contact.arm, mass, moment);
                    still &= impulse == [0.0; 2];
                }
            }
            // Another sweep would find what this one did.
            if still {
                break;
            }
        }
        let mut seen = 0;
        for pair in &pairs {
            let memory = &mut self.memory[pair.index];
            *memory = Memory { age: 1, count: pair.touch.count, ..Memory::default() };
            for (i, contact) in pair.contacts[..pair.touch.count].iter().enumerate() {
                memory.key[i] = pair.touch.contacts[i].key;
                memory.normal[i] = contact.normal;
                memory.tangent[i] = contact.tangent;
            }
            seen += pair.touch.count;
        }
        seen
    }

    /// Calls `found` with every place where the block touches something, as things are now.
    pub(crate) fn touches(&self, laws: &Laws, mut found: impl FnMut(Touch)) {
        let rotation = self.rotation();
        for number in 0..laws.geometry.boxes.len() {
            (0..TOUCHERS).filter_map(|toucher| self.touch(laws, rotation, number, toucher)).for_each(&mut found);
        }
    }

    /// Whether the agent touches the block, as things are now.
    pub fn touches_agent(&self, laws: &Laws) -> bool {
        let rotation = self.rotation();
        (0..laws.geometry.boxes.len()).any(|number| self.touch(laws, rotation, number, 0).is_some())
    }

    /// Where the agent (0) or a wall (from 1) touches a box.
    #[inline]
    fn touch(&self, laws: &Laws, rotation: Vector, number: usize, toucher: usize) -> Option<Touch> {
        let Geometry { boxes, center, .. } = &laws.geometry;
        let shape = Placed::new(&boxes[number], *center, self.center, rotation);
        match toucher.checked_sub(1) {
            None => contact::circle(self.agent, laws.radius, &shape),
            Some(wall) => contact::wall(&WALLS[wall], &shape),
        }
    }

    /// What solving a touching pair needs.
    fn prepare(&self, laws: &Laws, index: usize, touch: Touch) -> Pair {
        let memory = &self.memory[index];
        let (mass, moment) = (1.0 / laws.mass, 1.0 / (laws.mass * laws.geometry.moment));
        let other = if index.is_multiple_of(TOUCHERS) { self.agent_velocity } else { [0.0; 2] };
        let mut contacts = [Solved::default(); 2];
        for (solved, contact) in contacts.iter_mut().zip(&touch.contacts[..touch.count]) {
            let arm = sub(contact.on_second, self.center);
            let inertia = |direction: Vector| mass + moment * cross(arm, direction).powi(2);
            let depth = dot(sub(contact.on_second, contact.on_first), touch.normal);
            *solved = Solved {
                arm,
                normal_mass: 1.0 / inertia(touch.normal),
                tangent_mass: 1.0 / inertia(perp(touch.normal)),
                bias: -UNDONE * (depth + SLOP).min(0.0) / DT,
                ..Solved::default()
            };
            for old in 0..memory.count {
                if memory.key[old] == contact.key {
                    (solved.normal, solved.tangent) = (memory.normal[old], memory.tangent[old]);
                }
            }
        }
        Pair { index, touch, other, first: memory.age != 1, contacts }
    }
}

/// The bounds of the agent and of the boxes.
#[inline]
fn bounds<'a>(
    laws: &Laws,
    agent: Vector,
    center: Vector,
    rotation: Vector,
    out: &'a mut [Bounds; MOST_LEAVES],
) -> &'a [Bounds] {
    let reach = [laws.radius; 2];
    out[0] = Bounds { low: sub(agent, reach), high: add(agent, reach) };
    for (bounds, shape) in out[1..].iter_mut().zip(&laws.geometry.boxes) {
        *bounds = Placed::new(shape, laws.geometry.center, center, rotation).bounds();
    }
    &out[..1 + laws.geometry.boxes.len()]
}

/// What an impulse at an arm from the centre of gravity does to a velocity.
#[inline]
fn push(velocity: &mut (Vector, f64), impulse: Vector, arm: Vector, mass: f64, moment: f64) {
    velocity.0 = add(velocity.0, scale(impulse, mass));
    velocity.1 += moment * cross(arm, impulse);
}

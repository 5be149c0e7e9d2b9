//! The picture: gym-pusht's, drawn at 512 x 512 px and resampled.
//!
//! Most of it never changes, so it is drawn and resampled once ([`Backdrop`]); a frame draws the block and the agent
//! over it and resamples only where they are.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contact::Touch;
use crate::physics::WALLS;
use crate::shape::Geometry;
use crate::surface::{Color, Pixel, SIDE, Surface};
use crate::vector::{Vector, add, rotate, scale, sub};

/// Colours, and the T on the floor.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Behind everything.
    pub background: Color,
    /// The T on the floor.
    pub target: Color,
    /// A T on the floor, or none.
    pub show_target: bool,
    /// Its origin, px, and its angle, radians.
    pub target_pose: (Vector, f64),
    /// The walls.
    pub wall: Color,
    /// The block's outline; inside it is lighter.
    pub block: Color,
    /// The agent's rim; inside it is lighter.
    pub agent: Color,
}

/// Reach of the outlines of block, agent and walls beyond their shapes, px.
const MARGIN: f64 = 6.0;

/// The red of contact marks.
const MARK: Color = Color([231, 76, 60, 0]);

/// A destination row or column as a mean of two source rows or columns.
#[derive(Clone, Copy, Debug)]
struct Tap {
    first: usize,
    second: usize,
    /// Weight of the second, of 2048.
    weight: i32,
}

/// The part of the picture that is the same in every frame.
pub struct Backdrop {
    id: u64,
    look: Look,
    radius: i64,
    geometry: Geometry,
    size: usize,
    taps: Vec<Tap>,
    surface: Surface,
    /// The surface resampled, `[3, size, size]`.
    picture: Vec<u8>,
}

impl std::fmt::Debug for Backdrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backdrop {{ size: {}, look: {:?} }}", self.size, self.look)
    }
}

/// The content of a frame.
pub struct Scene<'a> {
    /// Centre of the agent, px.
    pub agent: Vector,
    /// Centre of gravity of the block, px.
    pub center: Vector,
    /// Cosine and sine of its angle.
    pub rotation: Vector,
    /// Places of the marks.
    pub touches: &'a [Touch],
}

fn whole([x, y]: Vector) -> Pixel {
    [x, y].map(|at| at.round_ties_even() as i64)
}

impl Backdrop {
    /// Draws what does not change, for pictures of `size` x `size` px of a block and an agent of a radius.
    pub fn new(look: Look, geometry: &Geometry, radius: f64, size: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut surface = Surface::new(look.background);
        if look.show_target {
            let (origin, angle) = look.target_pose;
            let rotation = [angle.cos(), angle.sin()];
            for shape in &geometry.boxes {
                let corners = shape.corners().map(|corner| whole(add(origin, rotate(corner, rotation))));
                surface.polygon(&corners, look.target);
            }
        }
        WALLS.iter().for_each(|wall| surface.rod(whole(wall.from), whole(wall.to), look.wall));
        let taps = taps(size);
        let mut backdrop = Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            look,
            radius: radius.round_ties_even() as i64,
            geometry: geometry.clone(),
            size,
            surface: surface.fresh(taps.iter().flat_map(|tap| [tap.first, tap.second])),
            taps,
            picture: Vec::new(),
        };
        let mut picture = vec![0; 3 * size * size];
        backdrop.resample(&surface, &mut picture);
        backdrop.picture = picture;
        backdrop
    }

    /// The picture without block and agent, u8 `[3, size, size]`.
    pub fn picture(&self) -> &[u8] {
        &self.picture
    }

    /// Draws a frame, u8 `[3, size, size]`.
    pub fn draw(&self, scene: &Scene, pixels: &mut [u8]) {
        // One surface per thread, which holds the backdrop of the environment that drew last.
        thread_local!(static SURFACE: RefCell<(u64, Option<Surface>)> = const { RefCell::new((0, None)) });
        SURFACE.with_borrow_mut(|(id, kept)| {
            if *id != self.id {
                *kept = Some(self.surface.clone());
                *id = self.id;
            }
            let surface = kept.get_or_insert_with(|| self.surface.clone());
            pixels.copy_from_slice(&self.picture);
            self.block(surface, scene);
            let agent = whole(scene.agent);
            surface.disc(agent, self.radius, self.look.agent);
            surface.disc(agent, self.radius - 4, self.look.agent.lighter());
            let shown = [(scene.center, self.geometry.reach), (scene.agent, self.radius as f64)];
            for wall in &WALLS {
                let [low, high] = [f64::min, f64::max].map(|pick| [0, 1].map(|i| pick(wall.from[i], wall.to[i])));
                let over = |(middle, reach): &(Vector, f64)| {
                    (0..2).all(|i| middle[i] + reach + MARGIN > low[i] && middle[i] - reach - MARGIN < high[i])
                };
                if shown.iter().any(over) {
                    surface.rod(whole(wall.from), whole(wall.to), self.look.wall);
                }
            }
            for touch in scene.touches {
                for contact in &touch.contacts[..touch.count] {
                    let from = sub(contact.on_first, scale(touch.normal, 2.0));
                    let to = add(contact.on_second, scale(touch.normal, 2.0));
                    surface.soft_line(whole(from), whole(to), MARK);
                }
            }
            self.resample(surface, pixels);
            surface.restore(&self.surface);
        });
    }

    fn block(&self, surface: &mut Surface, scene: &Scene) {
        for shape in &self.geometry.boxes {
            let place = |corner| whole(add(scene.center, rotate(sub(corner, self.geometry.center), scene.rotation)));
            let corners = shape.corners().map(place);
            surface.polygon(&corners, self.look.block.lighter());
            for i in 0..4 {
                surface.rod(corners[i], corners[(i + 1) % 4], self.look.block);
            }
        }
    }

    /// The canvas, bilinear and point-sampled in OpenCV's fixed-point arithmetic: no average over the pixels that are
    /// skipped.
    fn resample(&self, surface: &Surface, pixels: &mut [u8]) {
        let plane = self.size * self.size;
        let (red, rest) = pixels.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (y, vertical) in self.taps.iter().enumerate() {
            let [first, second] = [vertical.first, vertical.second].map(|row| surface.drawn(row));
            let columns = first.start.min(second.start)..first.end.max(second.end);
            let left = self.taps.partition_point(|tap| tap.second < columns.start);
            let right = self.taps.partition_point(|tap| tap.first < columns.end).max(left);
            let (above, below) = (surface.row(vertical.first), surface.row(vertical.second));
            for (x, horizontal) in self.taps[left..right].iter().enumerate() {
                let [a, b] = [above[horizontal.first], above[horizontal.second]];
                let [c, d] = [below[horizontal.first], below[horizontal.second]];
                let at = y * self.size + left + x;
                let color =
                    if a == b && c == d && a == c { a } else { mix([a, b, c, d], horizontal.weight, vertical.weight) };
                [red[at], green[at], blue[at], _] = color.0;
            }
        }
    }
}

#[inline]
fn mix([a, b, c, d]: [Color; 4], across: i32, down: i32) -> Color {
    let mut mixed = Color::default();
    for (i, mixed) in mixed.0.iter_mut().enumerate() {
        let row = |x: Color, y: Color| i32::from(x.0[i]) * (2048 - across) + i32::from(y.0[i]) * across;
        *mixed = ((row(a, b) * (2048 - down) + row(c, d) * down + (1 << 21)) >> 22) as u8;
    }
    mixed
}

fn taps(size: usize) -> Vec<Tap> {
    let step = SIDE as f64 / size as f64;
    let tap = |i: usize| {
        let at = ((i as f64 + 0.5) * step - 0.5).clamp(0.0, (SIDE - 1) as f64);
        let first = at.floor();
        let weight = ((at - first) * 2048.0).round_ties_even() as i32;
        Tap { first: first as usize, second: (first as usize + 1).min(SIDE - 1), weight }
    };
    (0..size).map(tap).collect()
}

//! A picture to draw on: pygame's rules for integer coordinates, hard edges and all.

use std::ops::Range;

use arrayvec::ArrayVec;

/// Side of the surface, px: the world is drawn at its own size.
pub const SIDE: usize = 512;

/// No columns.
const NOTHING: Range<usize> = Range { start: SIDE, end: 0 };

/// A point in whole px.
pub type Pixel = [i64; 2];

/// Red, green, blue, and a zero: four bytes are filled faster than three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Color(pub [u8; 4]);

impl Color {
    /// From 0xRRGGBB.
    pub fn from_number(number: u32) -> Self {
        let [_, red, green, blue] = number.to_be_bytes();
        Self([red, green, blue, 0])
    }

    /// Each channel times 1.2, as far as it goes.
    pub fn lighter(self) -> Self {
        Self(self.0.map(|channel| (1.2 * f64::from(channel)).round().min(255.0) as u8))
    }
}

/// Edges of a polygon, at most.
const MOST_EDGES: usize = 8;

/// An edge of a polygon on its way down: where it crosses the rows, rounded down.
struct Edge {
    top: i64,
    bottom: i64,
    /// The next crossing, and what rounding left of it, in parts of `height`.
    x: i64,
    rest: i64,
    /// The change of both with a row.
    step: (i64, i64),
    height: i64,
}

impl Edge {
    /// Between two points of different rows; `first` is the first row that matters.
    fn new(a: Pixel, b: Pixel, first: i64) -> Self {
        let ([x, top], [end, bottom]) = if a[1] < b[1] { (a, b) } else { (b, a) };
        let (width, height) = (end - x, bottom - top);
        let before = (first - top).max(0) * width;
        let step = (width.div_euclid(height), width.rem_euclid(height));
        Self { top, bottom, x: x + before.div_euclid(height), rest: before.rem_euclid(height), step, height }
    }

    fn next(&mut self) -> i64 {
        let x = self.x;
        self.rest += self.step.1;
        self.x += self.step.0 + i64::from(self.rest >= self.height);
        self.rest -= if self.rest >= self.height { self.height } else { 0 };
        x
    }
}

/// 512 x 512 pixels, row by row.
#[derive(Clone)]
pub struct Surface {
    pixels: Vec<Color>,
    /// Of every row, the columns that have been drawn on.
    drawn: Vec<Range<usize>>,
    /// The rows that anybody looks at; no others need be drawn.
    seen: Vec<bool>,
}

impl Surface {
    /// All of one colour: everything counts as drawn on.
    pub fn new(color: Color) -> Self {
        Self { pixels: vec![color; SIDE * SIDE], drawn: vec![0..SIDE; SIDE], seen: vec![true; SIDE] }
    }

    /// One row of pixels.
    pub fn row(&self, y: usize) -> &[Color] {
        &self.pixels[y * SIDE..][..SIDE]
    }

    /// The columns of a row that have been drawn on.
    pub fn drawn(&self, y: usize) -> Range<usize> {
        self.drawn[y].clone()
    }

    /// Takes what has been drawn on from another surface; after that, nothing has been drawn.
    pub fn restore(&mut self, from: &Self) {
        for (y, drawn) in self.drawn.iter_mut().enumerate() {
            let Range { start, end } = std::mem::replace(drawn, NOTHING);
            if start < end {
                self.pixels[y * SIDE..][start..end].copy_from_slice(&from.pixels[y * SIDE..][start..end]);
            }
        }
    }

    /// The same picture, on which nothing has been drawn; of what will be, only some rows are looked at.
    pub fn fresh(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut seen = vec![false; SIDE];
        rows.into_iter().for_each(|row| seen[row] = true);
        Self { pixels: self.pixels.clone(), drawn: vec![NOTHING; SIDE], seen }
    }

    /// A horizontal line, ends included.
    #[inline]
    fn across(&mut self, from: i64, to: i64, y: i64, color: Color) {
        let last = SIDE as i64 - 1;
        let (low, high) = (from.min(to).max(0), from.max(to).min(last));
        if (0..=last).contains(&y) && self.seen[y as usize] && low <= high {
            self.pixels[y as usize * SIDE..][low as usize..=high as usize].fill(color);
            self.draw_on(y as usize, low as usize, high as usize);
        }
    }

    fn draw_on(&mut self, y: usize, low: usize, high: usize) {
        let drawn = &mut self.drawn[y];
        *drawn = drawn.start.min(low)..drawn.end.max(high + 1);
    }

    /// A filled polygon, as `pygame.draw.polygon`: scanlines between edges, whose places are rounded down.
    pub fn polygon(&mut self, points: &[Pixel], color: Color) {
        let (Some(top), Some(bottom)) = (points.iter().map(|p| p[1]).min(), points.iter().map(|p| p[1]).max()) else {
            return;
        };
        let edges = || points.iter().zip(points.iter().cycle().skip(points.len() - 1));
        if top == bottom {
            let (left, right) = points.iter().fold((i64::MAX, i64::MIN), |(l, r), p| (l.min(p[0]), r.max(p[0])));
            return self.across(left, right, top, color);
        }
        let rows = top.max(0)..=bottom.min(SIDE as i64 - 1);
        let sloped = edges().filter(|(a, b)| a[1] != b[1]).take(MOST_EDGES);
        let mut sloped: ArrayVec<Edge, MOST_EDGES> = sloped.map(|(&a, &b)| Edge::new(a, b, *rows.start())).collect();
        for y in rows {
            let mut crossings = ArrayVec::<i64, MOST_EDGES>::new();
            for edge in &mut sloped {
                if (edge.top..edge.bottom).contains(&y) || y == bottom && edge.bottom == bottom {
                    crossings.push(edge.next());
                }
            }
            if crossings.len() > 2 {
                crossings.sort_unstable();
            }
            for pair in crossings.chunks_exact(2) {
                self.across(pair[0], pair[1], y, color);
            }
        }
        for (&a, &b) in edges() {
            if a[1] == b[1] && top < a[1] && a[1] < bottom {
                self.across(a[0], b[0], a[1], color);
            }
        }
    }

    /// A filled disc, as `pygame.draw.circle` (Bresenham's midpoints; an even number of pixels across).
    pub fn disc(&mut self, [x0, y0]: Pixel, radius: i64, color: Color) {
        let (mut error, mut along, mut down) = (1 - radius, 0, -2 * radius);
        let (mut x, mut y) = (0, radius);
        while x < y {
            if error >= 0 {
                y -= 1;
                down += 2;
                error += down;
            }
            x += 1;
            along += 2;
            error += along + 1;
            if error >= 0 {
                self.across(x0 - x, x0 + x - 1, y0 + y - 1, color);
                self.across(x0 - x, x0 + x - 1, y0 - y, color);
            }
            self.across(x0 - y, x0 + y - 1, y0 + x - 1, color);
            self.across(x0 - y, x0 + y - 1, y0 - x, color);
        }
    }

    /// A line 4 px wide, as `pygame.draw.line`: flat ends along the shorter direction.
    fn line_of_four(&mut self, [mut x, mut y]: Pixel, to: Pixel, color: Color) {
        let (dx, dy) = ((to[0] - x).abs(), (to[1] - y).abs());
        let (right, down) = (if x < to[0] { 1 } else { -1 }, if y < to[1] { 1 } else { -1 });
        let steep = dx <= dy;
        let mut error = if dx > dy { dx / 2 } else { -dy / 2 };
        // A flat line is drawn in runs of the same row.
        let mut run = x;
        loop {
            let last = if steep { y == to[1] } else { x == to[0] };
            let (here, row, before) = (x, y, error);
            if before > -dx {
                error -= dy;
                x += right;
            }
            if before < dy {
                error += dx;
                y += down;
            }
            if steep {
                self.across(here - 1, here + 2, row, color);
            } else if last || y != row {
                (row - 1..row + 3).for_each(|row| self.across(run, here, row, color));
                run = x;
            }
            if last {
                return;
            }
        }
    }

    /// A line with a radius of 2 px and round ends, as gym-pusht draws walls and outlines: a line 4 px wide, a
    /// parallelogram over it (whose slant is that of the line's mirror image, as there), and a disc at both ends.
    pub fn rod(&mut self, a: Pixel, b: Pixel, color: Color) {
        self.line_of_four(a, b, color);
        let [dy, dx] = [(b[1] - a[1]).abs() as f64, (b[0] - a[0]).abs() as f64];
        if dx == 0.0 && dy == 0.0 {
            return;
        }
        let share = 2.0 / dx.hypot(dy);
        let [ox, oy] = [dy, dx].map(|size| (size * share).round_ties_even() as i64);
        let corner = |[x, y]: Pixel, sign: i64| [x + sign * ox, y + sign * oy];
        self.polygon(&[corner(a, -1), corner(a, 1), corner(b, 1), corner(b, -1)], color);
        self.disc(a, 2, color);
        self.disc(b, 2, color);
    }

    /// A thin line with soft edges, as `pygame.draw.aaline` (Wu's algorithm between whole pixels).
    pub fn soft_line(&mut self, a: Pixel, b: Pixel, color: Color) {
        let steep = (b[1] - a[1]).abs() > (b[0] - a[0]).abs();
        let turned = |[x, y]: Pixel| if steep { [y, x] } else { [x, y] };
        let (mut a, mut b) = (turned(a), turned(b));
        if a[0] > b[0] {
            (a, b) = (b, a);
        }
        // Lines are a few px long; a block that was pushed out of the world by much more is not seen.
        let slope = (b[1] - a[1]) as f64 / (b[0] - a[0]).max(1) as f64;
        for x in a[0].max(0)..=b[0].min(SIDE as i64 - 1) {
            let y = a[1] as f64 + (x - a[0]) as f64 * slope;
            let below = y - y.floor();
            self.blend(turned([x, y.floor() as i64]), color, 1.0 - below);
            self.blend(turned([x, y.floor() as i64 + 1]), color, below);
        }
    }

    fn blend(&mut self, [x, y]: Pixel, color: Color, share: f64) {
        let inside = |at: i64| (0..SIDE as i64).contains(&at);
        if share > 0.0 && inside(x) && inside(y) {
            let pixel = &mut self.pixels[y as usize * SIDE + x as usize];
            for (old, new) in pixel.0.iter_mut().zip(color.0) {
                *old = (f64::from(new) * share + f64::from(*old) * (1.0 - share)) as u8;
            }
            self.draw_on(y as usize, x as usize, x as usize);
        }
    }
}

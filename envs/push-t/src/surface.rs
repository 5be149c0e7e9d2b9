//! A picture to draw on: pygame's rules for integer coordinates, hard edges and all.

use std::ops::RangeInclusive;

/// Side of the surface, px: the world is drawn at its own size.
pub const SIDE: usize = 512;

/// A point in whole px.
pub type Pixel = [i64; 2];

/// Red, green and blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

impl Color {
    /// From 0xRRGGBB.
    pub fn from_number(number: u32) -> Self {
        let [_, red, green, blue] = number.to_be_bytes();
        Self([red, green, blue])
    }

    /// Each channel times 1.2, as far as it goes.
    pub fn lighter(self) -> Self {
        Self(self.0.map(|channel| (1.2 * f64::from(channel)).round().min(255.0) as u8))
    }
}

/// 512 x 512 pixels, row by row.
#[derive(Clone)]
pub struct Surface {
    pixels: Vec<Color>,
}

impl Surface {
    /// All of one colour.
    pub fn new(color: Color) -> Self {
        Self { pixels: vec![color; SIDE * SIDE] }
    }

    /// One row of pixels.
    pub fn row(&self, y: usize) -> &[Color] {
        &self.pixels[y * SIDE..][..SIDE]
    }

    /// Takes these rows from another surface.
    pub fn restore(&mut self, from: &Self, rows: RangeInclusive<usize>) {
        let range = rows.start() * SIDE..(rows.end() + 1) * SIDE;
        self.pixels[range.clone()].copy_from_slice(&from.pixels[range]);
    }

    /// A horizontal line, ends included.
    fn across(&mut self, from: i64, to: i64, y: i64, color: Color) {
        let last = SIDE as i64 - 1;
        let (low, high) = (from.min(to).max(0), from.max(to).min(last));
        if (0..=last).contains(&y) && low <= high {
            self.pixels[y as usize * SIDE..][low as usize..=high as usize].fill(color);
        }
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
        let mut crossings = [0; 16];
        for y in top.max(0)..=bottom.min(SIDE as i64 - 1) {
            let mut count = 0;
            for (&a, &b) in edges() {
                let ([x1, y1], [x2, y2]) = if a[1] < b[1] { (a, b) } else { (b, a) };
                if y1 != y2 && ((y1..y2).contains(&y) || y == bottom && y2 == bottom) && count < crossings.len() {
                    crossings[count] = x1 + ((y - y1) * (x2 - x1)).div_euclid(y2 - y1);
                    count += 1;
                }
            }
            crossings[..count].sort_unstable();
            for pair in crossings[..count].chunks_exact(2) {
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
        loop {
            if steep {
                self.across(x - 1, x + 2, y, color);
            } else {
                (y - 1..=y + 2).for_each(|y| self.across(x, x, y, color));
            }
            if if steep { y == to[1] } else { x == to[0] } {
                return;
            }
            let before = error;
            if before > -dx {
                error -= dy;
                x += right;
            }
            if before < dy {
                error += dx;
                y += down;
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
        }
    }
}

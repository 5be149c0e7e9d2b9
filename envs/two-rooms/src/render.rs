//! Drawing: channel 0 the dot, channel 1 the walls.

use crate::rooms::{BORDER, HALF_WALL, Point, SIZE};

/// Brightness and sharpness of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Standard deviation of the dot, px.
    pub dot_std: f64,
    /// Brightness of the middle of the dot, of 255.
    pub dot_brightness: f64,
    /// Brightness of the walls, of 255.
    pub wall_brightness: f64,
}

/// Draws u8 `[2, 65, 65]`: `exp(-|pixel - dot|² / 2 dot_std²) · brightness`, truncated, and the walls.
pub fn draw(pixels: &mut [u8], look: &Look, dot: Point, wall_x: f64, door: [f64; 2]) {
    pixels.fill(0);
    let (dots, walls) = pixels.split_at_mut(SIZE * SIZE);
    draw_dot(dots, look, dot);
    draw_walls(walls, look.wall_brightness as u8, wall_x, door);
}

/// Draws a dot that means nothing among the walls.
pub fn draw_distractor(pixels: &mut [u8], look: &Look, dot: Point) {
    draw_dot(&mut pixels[SIZE * SIZE..], look, dot);
}

/// The same picture for people, `[2, side, side]`: the walls of a picture, and dots by their formula. Dots among the walls mean nothing.
pub fn draw_sharp(side: usize, look: &Look, walls: &[u8], dots: &[Point], distractors: &[Point]) -> Vec<u8> {
    let scale = SIZE as f64 / side as f64;
    let shine = |at: Point, dots: &[Point]| {
        let squared = |dot: &Point| (at[0] - dot[0]).powi(2) + (at[1] - dot[1]).powi(2);
        let least = dots.iter().map(squared).fold(f64::INFINITY, f64::min);
        ((-0.5 * least / look.dot_std.powi(2)).exp() * look.dot_brightness) as u8
    };
    let channel = |walls: &dyn Fn(usize, usize) -> u8, dots: &[Point]| -> Vec<u8> {
        let pixel = |at: usize| {
            let [x, y] = [at % side, at / side].map(|at| (at as f64 + 0.5) * scale);
            walls(x as usize, y as usize).max(shine([x - 0.5, y - 0.5], dots))
        };
        (0..side * side).map(pixel).collect()
    };
    [channel(&|_, _| 0, dots), channel(&|x, y| walls[y * SIZE + x], distractors)].concat()
}

/// The Gaussian is a product of one of the column and one of the row; further out than this it is below 1 and
/// truncated to 0.
fn draw_dot(pixels: &mut [u8], look: &Look, dot: Point) {
    let radius = look.dot_std * (2.0 * look.dot_brightness.ln()).sqrt();
    let scale = -0.5 / (look.dot_std * look.dot_std);
    let range =
        |c: f64| (c - radius).ceil().max(0.0) as usize..((c + radius).floor() + 1.0).clamp(0.0, SIZE as f64) as usize;
    let gauss = |pixel: usize, c: f64| (scale * (pixel as f64 - c) * (pixel as f64 - c)).exp() as f32;
    let mut row = [0.0f32; SIZE];
    let columns = range(dot[0]);
    for x in columns.clone() {
        row[x] = gauss(x, dot[0]);
    }
    for y in range(dot[1]) {
        let peak = gauss(y, dot[1]) * look.dot_brightness as f32;
        let line = &mut pixels[y * SIZE..][columns.clone()];
        for (pixel, &value) in line.iter_mut().zip(&row[columns.clone()]) {
            *pixel = (*pixel).max((value * peak) as u8);
        }
    }
}

/// Draws the walls over an empty channel, `[65, 65]`.
pub fn draw_walls(pixels: &mut [u8], brightness: u8, wall_x: f64, door: [f64; 2]) {
    let borders = BORDER.map(|border| border as usize);
    let inner = (wall_x - HALF_WALL) as usize..=(wall_x + HALF_WALL) as usize;
    for line in pixels.chunks_exact_mut(SIZE) {
        line[inner.clone()].fill(brightness);
        borders.iter().for_each(|&x| line[x] = brightness);
    }
    for y in door[0].ceil() as usize..=door[1].floor() as usize {
        pixels[y * SIZE..][inner.clone()].fill(0);
    }
    borders.iter().for_each(|&y| pixels[y * SIZE..][..SIZE].fill(brightness));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { dot_std: 1.3, dot_brightness: 255.0, wall_brightness: 255.0 };

    fn picture(look: &Look, dot: Point) -> Vec<u8> {
        let mut pixels = vec![7; 2 * SIZE * SIZE];
        draw(&mut pixels, look, dot, 32.0, [14.0, 22.0]);
        pixels
    }

    #[test]
    fn the_walls_cover_418_pixels() {
        let pixels = picture(&LOOK, [20.0, 20.0]);
        let walls = &pixels[SIZE * SIZE..];
        assert_eq!(walls.iter().filter(|&&pixel| pixel == 255).count(), 418);
        assert_eq!(walls.iter().filter(|&&pixel| pixel == 0).count(), SIZE * SIZE - 418);
        let at = |x: usize, y: usize| walls[y * SIZE + x];
        assert_eq!([at(32, 13), at(32, 14), at(32, 22), at(32, 23)], [255, 0, 0, 255]);
        assert_eq!([at(30, 40), at(31, 40), at(33, 40), at(34, 40)], [0, 255, 255, 0]);
        assert_eq!([at(4, 0), at(60, 64), at(0, 4), at(64, 60)], [255; 4]);
    }

    #[test]
    fn the_dot_is_the_truncated_gaussian_of_every_pixel() {
        assert_eq!(picture(&LOOK, [20.0, 31.0])[31 * SIZE + 20], 255);
        for (look, dot) in [
            (LOOK, [20.0, 31.0]),
            (LOOK, [4.3, 59.7]),
            (Look { dot_std: 3.0, dot_brightness: 100.0, ..LOOK }, [17.77, 5.13]),
        ] {
            let pixels = picture(&look, dot);
            for y in 0..SIZE {
                for x in 0..SIZE {
                    let squared = (x as f64 - dot[0]).powi(2) + (y as f64 - dot[1]).powi(2);
                    let value = (-squared / (2.0 * look.dot_std.powi(2))).exp() * look.dot_brightness;
                    let pixel = f64::from(pixels[y * SIZE + x]);
                    assert!((value - 1e-3).floor() <= pixel && pixel <= value + 1e-3, "{pixel} for {value}");
                }
            }
        }
    }

    #[test]
    fn the_channels_have_the_published_means() {
        let pixels = picture(&LOOK, [32.0, 40.0]);
        let mean = |channel: &[u8]| channel.iter().map(|&p| f64::from(p)).sum::<f64>() / (255.0 * (SIZE * SIZE) as f64);
        assert!((mean(&pixels[..SIZE * SIZE]) - 0.0026).abs() < 2e-4);
        assert!((mean(&pixels[SIZE * SIZE..]) - 0.0989).abs() < 1e-4);
    }
}

//! Drawing: the lot from above, posts, and the car in two colours.

use crate::car::{BODY, Car, POST, Point, SIDE};

/// Red, green, blue.
pub type Color = [u8; 3];

/// Colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The ground.
    pub ground: Color,
    /// The posts.
    pub post: Color,
    /// The car's rear half.
    pub tail: Color,
    /// Its front half.
    pub nose: Color,
}

/// Draws the lot with its posts over whatever is in `pixels`, u8 `[3, size, size]`.
pub fn draw_lot(pixels: &mut [u8], look: &Look, posts: &[Point], size: usize) {
    for (plane, color) in pixels.chunks_exact_mut(size * size).zip(look.ground) {
        plane.fill(color);
    }
    for &post in posts {
        let distance = |at: Point| (at[0] - post[0]).hypot(at[1] - post[1]) - POST;
        paint(pixels, size, post, POST, |at| (distance(at), look.post));
    }
}

/// Draws a car over what is there.
pub fn draw_car(pixels: &mut [u8], look: &Look, car: Car, size: usize) {
    let (frame, reach) = (car.frame(), BODY[0].hypot(BODY[1]) / 2.0);
    let scale = size as f64 / SIDE;
    paint(pixels, size, car.at, reach, |at| {
        let nose = (0.5 + frame.seen(at)[0] * scale).clamp(0.0, 1.0);
        (frame.clearance(at), std::array::from_fn(|channel| mix(look.tail[channel], look.nose[channel], nose)))
    });
}

/// Paints a shape that reaches `reach` m from `middle`, of which every place says how far it is outside, m, negative inside, and its colour. An edge fades over a pixel.
fn paint(pixels: &mut [u8], size: usize, middle: Point, reach: f64, shape: impl Fn(Point) -> (f64, Color)) {
    let scale = size as f64 / SIDE;
    let [columns, rows] = middle.map(|at| {
        let [first, last] = [at - reach, at + reach].map(|edge| (edge * scale).clamp(0.0, size as f64));
        (first.floor() as usize).saturating_sub(1)..(last.ceil() as usize + 1).min(size)
    });
    for row in rows {
        for column in columns.clone() {
            let (outside, color) = shape([column, row].map(|pixel| (pixel as f64 + 0.5) / scale));
            let share = (0.5 - outside * scale).clamp(0.0, 1.0);
            if share > 0.0 {
                for (channel, &color) in color.iter().enumerate() {
                    let pixel = &mut pixels[(channel * size + row) * size + column];
                    *pixel = mix(*pixel, color, share);
                }
            }
        }
    }
}

fn mix(from: u8, to: u8, share: f64) -> u8 {
    (f64::from(from) + (f64::from(to) - f64::from(from)) * share + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { ground: [10; 3], post: [250, 10, 10], tail: [10, 250, 10], nose: [10, 10, 250] };

    /// Sum and mean place, m, of a channel above the ground.
    fn seen(pixels: &[u8], channel: usize, size: usize) -> (f64, Point) {
        let plane = &pixels[channel * size * size..][..size * size];
        let (mut sum, mut mean) = (0.0, [0.0; 2]);
        for (pixel, &value) in plane.iter().enumerate() {
            let weight = f64::from(value - 10) / 240.0;
            sum += weight;
            let at = [pixel % size, pixel / size].map(|at| (at as f64 + 0.5) * SIDE / size as f64);
            [0, 1].iter().for_each(|&axis| mean[axis] += weight * at[axis]);
        }
        (sum * (SIDE / size as f64).powi(2), mean.map(|total| total / sum))
    }

    #[test]
    fn areas_and_places_are_those_of_the_scene() {
        for (size, heading) in [(64, 0.3), (100, -2.0), (256, 1.6)] {
            let mut pixels = vec![77; 3 * size * size];
            let car = Car { at: [5.13, 2.71], heading, speed: 0.0 };
            draw_lot(&mut pixels, &LOOK, &[[2.2, 6.4]], size);
            draw_car(&mut pixels, &LOOK, car, size);
            let (post, at) = seen(&pixels, 0, size);
            assert!((post / (std::f64::consts::PI * POST * POST) - 1.0).abs() < 0.03, "{post}");
            assert!((at[0] - 2.2).hypot(at[1] - 6.4) < 0.01, "{at:?}");
            for (channel, ahead) in [(1, -0.25), (2, 0.25)] {
                let (half, at) = seen(&pixels, channel, size);
                assert!((half / (0.5 * BODY[0] * BODY[1]) - 1.0).abs() < 0.06, "{half}");
                let [x, y] = car.frame().seen(at);
                assert!((x - ahead * BODY[0]).abs() < 0.03 && y.abs() < 0.02, "{x} {y}");
            }
        }
    }
}

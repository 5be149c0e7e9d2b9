//! Drawing: the maze from above with a ring of wall around its outer wall, and the ball.

use crate::dynamics::Point;
use crate::maze::Maze;

/// Cells of wall to each side of the inner grid: the outer wall, and one ring more.
pub const RING: usize = 2;

/// Colours, and the size of the ball.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The floor, red, green, blue.
    pub floor: [u8; 3],
    /// The walls.
    pub wall: [u8; 3],
    /// The ball.
    pub ball: [u8; 3],
    /// Radius of the ball in the picture, cells.
    pub radius: f64,
}

/// Pixels in a cell.
pub fn scale(cells: usize, size: usize) -> f64 {
    size as f64 / (cells + 2 * RING) as f64
}

/// Floor and walls, u8 `[3, size, size]`; a pixel on an edge is mixed by area.
pub fn draw_maze(look: &Look, maze: Maze, size: usize) -> Vec<u8> {
    let scale = scale(maze.cells, size);
    // Two cells at most, and the share of the second.
    let covered = |pixel: usize| {
        let [first, end] = [pixel, pixel + 1].map(|edge| edge as f64 / scale);
        let (cell, share) = (first.floor(), (end - first.floor() - 1.0).max(0.0) * scale);
        (cell as i64 - RING as i64, if share < 1e-9 { 0.0 } else { share })
    };
    let spans: Vec<(i64, f64)> = (0..size).map(covered).collect();
    let mut pixels = vec![0; 3 * size * size];
    for (y, &(row, below)) in spans.iter().enumerate() {
        for (x, &(column, right)) in spans.iter().enumerate() {
            let wall = |right: i64, down: i64| f64::from(u8::from(!maze.free(column + right, row + down)));
            let across = |down: i64| wall(0, down) * (1.0 - right) + wall(1, down) * right;
            let share = across(0) * (1.0 - below) + across(1) * below;
            for (channel, plane) in pixels.chunks_exact_mut(size * size).enumerate() {
                plane[y * size + x] = mix(look.floor[channel], look.wall[channel], share);
            }
        }
    }
    pixels
}

/// Draws the ball over what is there: a disc whose edge fades over a pixel. `pixels` is u8 `[3, size, size]`, the place is in cells.
pub fn draw_ball(pixels: &mut [u8], look: &Look, at: Point, cells: usize, size: usize) {
    let scale = scale(cells, size);
    let [x, y] = at.map(|at| (at + RING as f64) * scale - 0.5);
    let radius = look.radius * scale;
    let reach = |middle: f64| {
        let [first, last] = [middle - radius - 0.5, middle + radius + 0.5];
        first.ceil().max(0.0) as usize..(last.floor() + 1.0).clamp(0.0, size as f64) as usize
    };
    let columns = reach(x);
    for row in reach(y) {
        for column in columns.clone() {
            let [right, down] = [column as f64 - x, row as f64 - y];
            let share = (radius + 0.5 - (right * right + down * down).sqrt()).clamp(0.0, 1.0);
            if share > 0.0 {
                for (channel, &ball) in look.ball.iter().enumerate() {
                    let pixel = &mut pixels[channel * size * size + row * size + column];
                    *pixel = mix(*pixel, ball, share);
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

    const LOOK: Look = Look { floor: [0, 10, 20], wall: [200, 110, 20], ball: [90, 230, 230], radius: 0.2 };
    const MAZE: Maze = Maze { cells: 4, free: 0xffff & !(1 << 6) };

    #[test]
    fn walls_stand_where_they_are() {
        let pixels = draw_maze(&LOOK, MAZE, 64);
        let red = |x: usize, y: usize| pixels[y * 64 + x];
        assert_eq!([red(0, 0), red(15, 30), red(16, 16), red(47, 47), red(48, 47)], [200, 200, 0, 0, 200]);
        assert_eq!([red(32, 24), red(39, 31), red(31, 24), red(40, 24), red(32, 23)], [200, 200, 0, 0, 0]);
        assert!(pixels[2 * 64 * 64..].iter().all(|&blue| blue == 20));
    }

    #[test]
    fn an_edge_within_a_pixel_is_mixed_by_area() {
        // 60 px: 7.5 px a cell, so the wall around 0 ends in the middle of a pixel in every second column.
        let pixels = draw_maze(&LOOK, Maze { cells: 4, free: 0xfffe }, 60);
        assert_eq!([21, 22, 23].map(|x| pixels[18 * 60 + x]), [200, 100, 0]);
        let sum: u64 = pixels[..3600].iter().map(|&red| u64::from(red)).sum();
        assert_eq!(sum, (3600.0 * 200.0 * (64.0 - 15.0) / 64.0) as u64);
    }

    #[test]
    fn the_place_of_the_ball_is_seen_to_a_tenth_of_a_pixel() {
        let blue = 2 * 64 * 64;
        for at in [[0.31, 0.42], [1.57, 3.618], [3.9, 2.05], [2.4444, 0.1]] {
            let before = draw_maze(&LOOK, MAZE, 64);
            let mut pixels = before.clone();
            draw_ball(&mut pixels, &LOOK, at, 4, 64);
            let (mut sum, mut x, mut y) = (0.0, 0.0, 0.0);
            for pixel in 0..64 * 64 {
                let weight = f64::from(pixels[blue + pixel] - before[blue + pixel]);
                sum += weight;
                x += weight * ((pixel % 64) as f64 + 0.5);
                y += weight * ((pixel / 64) as f64 + 0.5);
            }
            for (seen, at) in [(x / sum, at[0]), (y / sum, at[1])] {
                assert!((seen - (at + 2.0) * 8.0).abs() < 0.1, "{at}: seen at {seen}");
            }
            let area = sum / 210.0;
            assert!((area / (std::f64::consts::PI * 1.6 * 1.6) - 1.0).abs() < 0.1, "{area}");
        }
    }
}

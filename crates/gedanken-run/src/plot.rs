//! Line charts: success against compute.

use crate::lettering::width;
use crate::picture::{COOL, Colour, GREEN, GROUND, INK, Picture, WARM};

/// A chart of lines over a logarithmic axis.
pub struct Plot<'a> {
    /// Its heading.
    pub title: &'a str,
    /// The horizontal axis, logarithmic: all x above 0.
    pub x: &'a str,
    /// The vertical axis, up to 1, from the tenth below the least of the points.
    pub y: &'a str,
    /// Every line's name and its points, x increasing.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

const SIZE: (usize, usize) = (960, 600);
/// The axes, in px.
const LEFT: f32 = 80.0;
const RIGHT: f32 = 700.0;
const TOP: f32 = 50.0;
const BOTTOM: f32 = 540.0;
/// Height of letters, px.
const LETTERS: f32 = 12.0;
const COLOURS: [Colour; 8] =
    [WARM, COOL, GREEN, [150, 84, 170], [196, 148, 30], [90, 100, 110], [20, 160, 180], [200, 90, 130]];

impl Plot<'_> {
    /// The picture; lines that lie on each other are told apart by their marks.
    pub fn draw(&self) -> Picture {
        let mut picture = Picture::new(SIZE.0, SIZE.1, GROUND);
        let xs = self.lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.0)).filter(|&x| x > 0.0);
        let low = xs.clone().fold(f64::INFINITY, f64::min).log10();
        let high = xs.fold(0.0, f64::max).log10();
        let (low, high) = if low < high { (low - 0.05, high + 0.05) } else { (low - 0.5, low + 0.5) };
        let ys = self.lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
        let floor = ((ys.fold(1.0, f64::min) * 10.0 - 1e-9).floor().clamp(0.0, 9.0)) as i32;
        let bottom = f64::from(floor) / 10.0;
        let place = |(x, y): (f64, f64)| {
            let across = ((x.log10() - low) / (high - low)) as f32;
            (LEFT + across * (RIGHT - LEFT), BOTTOM - ((y - bottom) / (1.0 - bottom)) as f32 * (BOTTOM - TOP))
        };

        for tenth in floor..=10 {
            let (_, y) = place((1.0, f64::from(tenth) / 10.0));
            picture.polyline(&[(LEFT, y), (RIGHT, y)], 1.0, INK, 0.15);
            let share = format!("{} %", 10 * tenth);
            picture.write(&share, (LEFT - 8.0 - width(&share, LETTERS), y - 4.0), LETTERS, INK);
        }
        for decade in (low.ceil() as i32)..=(high.floor() as i32) {
            let (x, _) = place((10f64.powi(decade), 0.0));
            picture.polyline(&[(x, TOP), (x, BOTTOM)], 1.0, INK, 0.15);
            let power = format!("1e{decade}");
            picture.write(&power, (x - width(&power, LETTERS) / 2.0, BOTTOM + 8.0), LETTERS, INK);
        }
        picture.polyline(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], 1.5, INK, 1.0);
        picture.write(self.title, (LEFT, 16.0), LETTERS, INK);
        picture.write(self.y, (LEFT - 48.0, TOP - 24.0), LETTERS, INK);
        picture.write(self.x, ((LEFT + RIGHT - width(self.x, LETTERS)) / 2.0, BOTTOM + 32.0), LETTERS, INK);

        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let points: Vec<(f32, f32)> =
                points.iter().filter(|point| point.0 > 0.0).map(|&point| place(point)).collect();
            picture.polyline(&points, 2.0, colour, 0.9);
            picture.points(&points, 4.0, colour, 1.0);
            let at = (RIGHT + 24.0, TOP + 18.0 * number as f32);
            picture.points(&[(at.0 - 8.0, at.1 + 4.0)], 4.0, colour, 1.0);
            picture.write(name, at, LETTERS, colour);
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_drawn_where_its_numbers_say() {
        let lines = vec![("a".to_owned(), vec![(10.0, 0.0), (1000.0, 1.0)])];
        let picture = Plot { title: "t", x: "x", y: "y", lines }.draw();
        // The ends of the axis are 0.05 decades beyond the points.
        let across = |decades: f32| (LEFT + (RIGHT - LEFT) * (decades + 0.05) / 2.1) as usize;
        assert_eq!(picture.get(across(0.0), BOTTOM as usize - 1), WARM);
        assert_eq!(picture.get(across(2.0), TOP as usize), WARM);
        assert_ne!(picture.get(across(1.0), TOP as usize + 20), WARM);
    }

    #[test]
    fn nothing_to_draw_and_one_point_are_pictures_too() {
        for lines in [Vec::new(), vec![("a".to_owned(), vec![(5.0, 0.5)])]] {
            assert_eq!(Plot { title: "", x: "", y: "", lines }.draw().size(), SIZE);
        }
    }
}

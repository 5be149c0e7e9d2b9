//! Text in pictures.

use font8x8::legacy::BASIC_LEGACY;

use crate::picture::{Colour, Picture};

/// Pixels of a letter in the font, across and down.
const CELL: usize = 8;
/// Letters stand one of the font's pixels apart; a digit takes as much room as any other, a space this much.
const DIGIT: usize = 7;
const SPACE: usize = 4;

impl Picture {
    /// Writes from the upper left corner of the first letter on, in letters of `size` px; what is no ASCII is a question mark.
    pub fn write(&mut self, text: &str, (left, top): (f32, f32), size: f32, colour: Colour) {
        let scale = size / CELL as f32;
        let mut mask = self.mask();
        let mut from = left;
        for letter in text.chars() {
            let (first, advance) = extent(letter);
            let corner = (from - first as f32 * scale, top);
            self.cover(&mut mask, &[corner, (corner.0 + size, top + size)], 0.0, |(x, y)| {
                // Ink beyond half is inside: steps of the font become slopes.
                (0.5 - ink(letter, (x - corner.0) / scale - 0.5, (y - corner.1) / scale - 0.5)) * scale
            });
            from += advance as f32 * scale;
        }
        self.tint(&mask, colour, 1.0);
    }
}

/// The width of a text in letters of `size` px.
pub fn width(text: &str, size: f32) -> f32 {
    let columns: usize = text.chars().map(|letter| extent(letter).1).sum();
    columns.saturating_sub(1) as f32 * size / CELL as f32
}

fn glyph(letter: char) -> [u8; CELL] {
    *BASIC_LEGACY.get(letter as usize).unwrap_or(&BASIC_LEGACY[usize::from(b'?')])
}

/// The first column with ink, and the columns to the next letter.
fn extent(letter: char) -> (usize, usize) {
    let columns = glyph(letter).iter().fold(0, |columns, row| columns | row);
    match (columns, letter.is_ascii_digit()) {
        (0, _) => (0, SPACE),
        (_, true) => (0, DIGIT),
        _ => (
            columns.trailing_zeros() as usize,
            (CELL as u32 - columns.leading_zeros() - columns.trailing_zeros()) as usize + 1,
        ),
    }
}

/// Ink at a place of a letter, from 0 to 1, between the middles of the font's pixels by their distance.
fn ink(letter: char, x: f32, y: f32) -> f32 {
    let glyph = glyph(letter);
    let at = |column: f32, row: f32| {
        let inside = |at: f32| (0.0..CELL as f32).contains(&at);
        let set = inside(column) && inside(row) && glyph[row as usize] >> column as u32 & 1 == 1;
        f32::from(u8::from(set))
    };
    let ((left, above), (right, below)) = ((x.floor(), y.floor()), (x - x.floor(), y - y.floor()));
    let across = |row: f32| at(left, row) * (1.0 - right) + at(left + 1.0, row) * right;
    across(above) * (1.0 - below) + across(above + 1.0) * below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{GROUND, INK};

    #[test]
    fn letters_of_eight_px_are_the_font_s_own_and_larger_ones_cover_as_much_of_the_picture() {
        let set: u32 = "step 23".chars().flat_map(glyph).map(u8::count_ones).sum();
        let mut picture = Picture::new(80, 12, GROUND);
        picture.write("step 23", (2.0, 2.0), 8.0, INK);
        let dark = picture.0.pixels().filter(|pixel| pixel.0 == INK).count();
        let untouched = picture.0.pixels().filter(|pixel| pixel.0 == GROUND).count();
        assert_eq!((dark, untouched), (set as usize, 80 * 12 - set as usize));
        let mut large = Picture::new(240, 36, [0; 3]);
        large.write("step 23", (6.0, 6.0), 24.0, [255; 3]);
        let share = large.0.pixels().map(|pixel| f32::from(pixel.0[0]) / 255.0).sum::<f32>() / (9.0 * set as f32);
        assert!((0.85..1.05).contains(&share), "{share}");
    }

    #[test]
    fn a_text_is_as_wide_as_it_is_said_to_be_and_what_lies_outside_is_not_drawn() {
        let mut picture = Picture::new(200, 20, GROUND);
        picture.write("reached", (10.0, 4.0), 12.0, INK);
        let columns: Vec<usize> = (0..200).filter(|&x| (0..20).any(|y| picture.get(x, y) != GROUND)).collect();
        let (first, last) = (columns[0] as f32, columns[columns.len() - 1] as f32 + 1.0);
        assert!((first - 10.0).abs() <= 1.0 && (last - 10.0 - width("reached", 12.0)).abs() <= 1.0, "{first} {last}");
        assert_eq!(width("step 10", 12.0), width("step 99", 12.0), "digits do not dance");
        picture.write("far away", (500.0, -90.0), 12.0, INK);
    }
}

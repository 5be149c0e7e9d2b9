//! The frame of a film that shows an episode.

use crate::lettering::width;
use crate::picture::{COOL, Colour, GREEN, GROUND, INK, Picture};

/// The content of a frame.
pub struct Scene<'a> {
    /// The world, large: paths are in px of it.
    pub world: Picture,
    /// The way ahead as it is imagined: the first is the plan's, the others, drawn faintly, those of other candidates.
    pub paths: &'a [Vec<(f32, f32)>],
    /// Pictures beside it, from above, each with its name and the colour of its frame.
    pub views: &'a [(&'a str, Colour, &'a Picture)],
    /// The line below, on the left.
    pub told: &'a str,
    /// Words on its right, and their colour.
    pub verdict: Option<(&'a str, Colour)>,
}

/// Width of the column of views, px.
const COLUMN: usize = 136;
/// Between pictures and around them, px.
const GAP: usize = 12;
/// Frames around pictures, px.
const LINE: usize = 2;
/// Height of letters, px.
const LETTERS: f32 = 12.0;
/// Room of a line of text, px.
const ROW: usize = 18;

impl Scene<'_> {
    /// The frame.
    pub fn draw(&self) -> Picture {
        let world = self.with_paths().border(LINE, INK);
        let (wide, high) = world.size();
        let size = (wide + COLUMN + 3 * GAP, high.max(self.views.len() * ROW) + ROW + 2 * GAP);
        let mut frame = Picture::new(size.0, size.1, GROUND);
        frame.paste(&world, GAP, GAP);
        self.beside(&mut frame, (wide + 2 * GAP, GAP), high);
        let below = (size.1 - GAP / 2 - ROW / 2) as f32 - LETTERS / 2.0;
        frame.fitted(self.told, GAP as f32, below, size.0 - 2 * GAP, INK);
        if let Some((words, colour)) = self.verdict {
            let left = size.0 as f32 - GAP as f32 - width(words, LETTERS);
            let begin = (2 * GAP) as f32 + width(self.told, LETTERS);
            frame.fitted(words, left.max(begin), below, (size.0 - GAP).saturating_sub(begin as usize), colour);
        }
        frame
    }

    fn with_paths(&self) -> Picture {
        let mut world = self.world.clone();
        let unit = world.size().1 as f32 / 320.0;
        for other in self.paths.iter().skip(1) {
            world.polyline(other, (1.25 * unit).max(1.0), GREEN, 0.35);
        }
        if let Some(path) = self.paths.first() {
            // A light seam, for dark grounds.
            world.polyline(path, (6.0 * unit).max(3.0), GROUND, 0.6);
            world.polyline(path, (3.0 * unit).max(1.5), COOL, 0.9);
            world.points(path.last().map_or(&[], std::slice::from_ref), (4.0 * unit).max(2.0), COOL, 1.0);
        }
        world
    }

    /// The views, each at the end of an equal part of the height, under its name.
    fn beside(&self, frame: &mut Picture, (left, top): (usize, usize), height: usize) {
        let room = (height + GAP) / self.views.len().max(1);
        for (number, (name, colour, view)) in self.views.iter().enumerate() {
            let side = room.saturating_sub(ROW + GAP + 2 * LINE).clamp(1, COLUMN - 2 * LINE);
            let view = view.within(side).border(LINE, *colour);
            // The last ends where the world ends.
            let top = (top + (number + 1) * room - GAP).saturating_sub(view.size().1).max(ROW);
            frame.fitted(name, left as f32, (top - ROW) as f32, COLUMN, *colour);
            frame.paste(&view, left, top);
        }
    }
}

impl Picture {
    /// As large as fits into a square: enlarged by whole pixels, or made smaller.
    fn within(&self, side: usize) -> Self {
        let (wide, high) = self.size();
        let most = wide.max(high).max(1);
        if most <= side {
            return self.upscale(side / most);
        }
        self.resized((wide * side / most).max(1), (high * side / most).max(1))
    }

    /// Writes in letters that are smaller where there is not the room.
    fn fitted(&mut self, text: &str, left: f32, top: f32, room: usize, colour: Colour) {
        let size = LETTERS * (room as f32 / width(text, LETTERS).max(1.0)).min(1.0);
        self.write(text, (left, top + (LETTERS - size) / 2.0), size, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::WARM;

    #[test]
    fn a_frame_has_the_world_the_views_the_way_and_the_words() {
        let (world, view) = (Picture::new(320, 320, GROUND), Picture::new(64, 64, WARM));
        let path = [vec![(20.0, 300.0), (300.0, 300.0)]];
        let views = [("seen", INK, &view), ("goal", GREEN, &view)];
        let scene = |verdict| Scene { world: world.clone(), paths: &path, views: &views, told: "step 7", verdict };
        let frame = scene(None).draw();
        assert_eq!(frame.size(), (324 + COLUMN + 3 * GAP, 324 + ROW + 2 * GAP));
        assert_eq!(frame.get(GAP, GAP), INK);
        assert_eq!(frame.get(GAP + LINE + 160, GAP + LINE + 300), frame.get(GAP + LINE + 100, GAP + LINE + 300));
        assert_ne!(frame.get(GAP + LINE + 160, GAP + LINE + 300), GROUND, "the way");
        // Both views at twice their size.
        let left = 324 + 2 * GAP;
        let warm = (0..frame.size().1).filter(|&y| frame.get(left + 64, y) == WARM).count();
        assert_eq!(warm, 2 * 128);
        let told = scene(Some(("reached after 7", GREEN))).draw();
        let below = |picture: &Picture, x: usize| (338..366).any(|y| picture.get(x, y) != GROUND);
        let words = |picture: &Picture| (0..picture.size().0).filter(|&x| below(picture, x)).max();
        assert!(words(&frame) < Some(100) && words(&told) > Some(460), "{:?} {:?}", words(&frame), words(&told));
        assert!(words(&told) < Some(told.size().0 - GAP + 1), "nothing is cut off");
    }

    #[test]
    fn views_of_any_size_and_number_and_any_words_fit() {
        for side in [1, 16, 65, 224, 600] {
            let view = Picture::new(side, (side / 2).max(1), WARM);
            let views = [("a long name of a view", INK, &view), ("b", GREEN, &view), ("c", COOL, &view)];
            let told = "a very long line ".repeat(20);
            let world = Picture::new(40, 300, GROUND);
            let verdict = Some(("not reached", WARM));
            let frame = Scene { world, paths: &[], views: &views, told: &told, verdict }.draw();
            let edge = (0..frame.size().1).all(|y| frame.get(frame.size().0 - GAP / 2, y) == GROUND);
            assert!(edge, "{side}");
        }
    }
}

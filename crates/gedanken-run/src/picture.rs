//! Pictures: observations made fit to be looked at, with paths drawn over them.
//!
//! Coordinates are in pixels of the picture drawn on, x to the right, y down; pixel (0, 0) covers the square from (0,
//! 0) to (1, 1), its centre is (0.5, 0.5). So a point of an observation is, after [`Picture::upscale`], `factor` times
//! itself.

use std::io::Cursor;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use image::{ImageError, ImageFormat, Rgb, RgbImage, imageops};

use crate::atomic::{is_device, write_atomic};
use crate::error::FolderError;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// The ground of two-channel observations, and the gap between pictures.
pub const GROUND: Colour = [250, 248, 243];
/// Walls, text, frames.
pub const INK: Colour = [47, 55, 72];
/// The agent.
pub const WARM: Colour = [226, 84, 44];
/// The way it went.
pub const COOL: Colour = [38, 110, 182];
/// The imagined, and goals.
pub const GREEN: Colour = [34, 146, 106];

/// A difference from the ground, of 255, that is certainly something.
const SOMETHING: f32 = 48.0;

/// Why a picture could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It could not be encoded.
    #[error("cannot encode a picture of {width} x {height}: {source}")]
    Encode {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The encoder's error.
        source: ImageError,
    },
    /// A film has at least one frame, and all of one size.
    #[error("a film of {0}; expected one or more frames of one size")]
    Frames(String),
    /// The name's ending says another format than the one that is written.
    #[error("{}: expected a name that ends in .{expected}, the format that is written", path.display())]
    Ending {
        /// The file.
        path: PathBuf,
        /// A right ending.
        expected: &'static str,
    },
    /// It could not be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Refuses a file whose name does not end in `.{ending}`, in large or small letters: nobody finds a film of another format under it. A
/// device has no format.
///
/// # Errors
/// [`PictureError::Ending`].
pub fn check_ending(path: &Path, ending: &'static str) -> Result<(), PictureError> {
    let right = path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    if right || is_device(path) {
        return Ok(());
    }
    Err(PictureError::Ending { path: path.to_owned(), expected: ending })
}

/// A picture in colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture(pub RgbImage);

impl Picture {
    /// A picture of one colour, `width` x `height` pixels.
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        Self(RgbImage::from_pixel(width as u32, height as u32, Rgb(colour)))
    }

    /// An observation, u8 `[channels, height, width]`, as a picture of `width` x `height`.
    ///
    /// One channel is shown as grey; two as dot and walls: the first warm, over the second dark, on light ground; of
    /// three and more, the first three are red, green and blue.
    ///
    /// # Panics
    /// `pixels` is not of that shape, or there is no channel.
    pub fn from_observation(pixels: &[u8], channels: usize, height: usize, width: usize) -> Self {
        let size = height * width;
        assert!(
            channels > 0 && pixels.len() == channels * size,
            "{} pixels; expected [{channels}, {height}, {width}]",
            pixels.len()
        );
        let colour = |x: u32, y: u32| {
            let at = |channel: usize| pixels[channel * size + y as usize * width + x as usize];
            Rgb(match channels {
                1 => [at(0); 3],
                2 => blend(blend(GROUND, INK, f32::from(at(1)) / 255.0), WARM, f32::from(at(0)) / 255.0),
                _ => [at(0), at(1), at(2)],
            })
        };
        Self(RgbImage::from_fn(width as u32, height as u32, colour))
    }

    /// Pixels across and down.
    pub fn size(&self) -> (usize, usize) {
        (self.0.width() as usize, self.0.height() as usize)
    }

    /// The colour of the pixel in column `x` and row `y`.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn get(&self, x: usize, y: usize) -> Colour {
        self.0.get_pixel(x as u32, y as u32).0
    }

    /// Every pixel as a square of `factor` x `factor`.
    pub fn upscale(&self, factor: usize) -> Self {
        let (factor, (width, height)) = (factor as u32, self.0.dimensions());
        Self(RgbImage::from_fn(width * factor, height * factor, |x, y| *self.0.get_pixel(x / factor, y / factor)))
    }

    /// Pictures from left to right with `gap` pixels of `colour` between them; lower ones are centred.
    pub fn beside(pictures: &[Self], gap: usize, colour: Colour) -> Self {
        let sizes = || pictures.iter().map(Self::size);
        let width = sizes().map(|size| size.0).sum::<usize>() + gap * pictures.len().saturating_sub(1);
        let mut whole = Self::new(width, sizes().map(|size| size.1).max().unwrap_or(0), colour);
        let mut left = 0;
        for picture in pictures {
            whole.paste(picture, left, (whole.size().1 - picture.size().1) / 2);
            left += picture.size().0 + gap;
        }
        whole
    }

    /// The picture in a frame of `thickness` pixels, which makes it that much larger on every side.
    pub fn border(&self, thickness: usize, colour: Colour) -> Self {
        let (width, height) = self.size();
        let mut framed = Self::new(width + 2 * thickness, height + 2 * thickness, colour);
        framed.paste(self, thickness, thickness);
        framed
    }

    /// A line through `points`, `thickness` pixels wide, with round ends; `alpha` from 0, unseen, to 1, opaque.
    pub fn polyline(&mut self, points: &[(f32, f32)], thickness: f32, colour: Colour, alpha: f32) {
        let mut mask = self.mask();
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            self.cover(&mut mask, &[from, to], thickness / 2.0, |p| distance_to_segment(p, from, to) - thickness / 2.0);
        }
        self.tint(&mask, colour, alpha);
    }

    /// A disc at each of `points`.
    pub fn points(&mut self, points: &[(f32, f32)], radius: f32, colour: Colour, alpha: f32) {
        let mut mask = self.mask();
        for &at in points {
            self.cover(&mut mask, &[at], radius, |p| (p.0 - at.0).hypot(p.1 - at.1) - radius);
        }
        self.tint(&mask, colour, alpha);
    }

    /// Encoded as PNG.
    ///
    /// # Errors
    /// [`PictureError::Encode`]: a picture of no pixels.
    pub fn png(&self) -> Result<Vec<u8>, PictureError> {
        let mut bytes = Cursor::new(Vec::new());
        self.0.write_to(&mut bytes, ImageFormat::Png).map_err(self.encode_error())?;
        Ok(bytes.into_inner())
    }

    /// Written as PNG, whole or not at all.
    ///
    /// # Errors
    /// As [`Picture::png`] and [`check_ending`], and [`PictureError::Folder`].
    pub fn save_png(&self, path: &Path) -> Result<(), PictureError> {
        check_ending(path, "png")?;
        Ok(write_atomic(path, &self.png()?)?)
    }

    /// Shows through by `alpha` what `goal` has over `ground`, two pictures of its size, except where this picture has something itself.
    ///
    /// # Panics
    /// Pictures of other sizes.
    pub fn ghost(&mut self, goal: &Self, ground: &Self, alpha: f32) {
        assert!(self.size() == goal.size() && self.size() == ground.size(), "pictures of several sizes");
        for ((pixel, goal), ground) in self.0.pixels_mut().zip(goal.0.pixels()).zip(ground.0.pixels()) {
            let something = (0..3).map(|i| pixel.0[i].abs_diff(ground.0[i])).max().unwrap_or(0);
            let free = 1.0 - (f32::from(something) / SOMETHING).min(1.0);
            pixel.0 = blend(pixel.0, goal.0, alpha * free);
        }
    }

    /// Made smaller or larger, pixels mixed by area.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Self {
        Self(imageops::resize(&self.0, width as u32, height as u32, imageops::FilterType::Triangle))
    }

    pub(crate) fn paste(&mut self, picture: &Self, left: usize, top: usize) {
        imageops::replace(&mut self.0, &picture.0, left as i64, top as i64);
    }

    pub(crate) fn mask(&self) -> Vec<f32> {
        vec![0.0; self.0.pixels().len()]
    }

    /// Raises `mask` to how much of each pixel a shape covers, given its signed distance, within `reach` of `points`.
    pub(crate) fn cover(
        &self,
        mask: &mut [f32],
        points: &[(f32, f32)],
        reach: f32,
        distance: impl Fn((f32, f32)) -> f32,
    ) {
        if points.iter().any(|p| !p.0.is_finite() || !p.1.is_finite()) {
            return;
        }
        let (width, height) = self.size();
        for y in span(points.iter().map(|p| p.1), reach, height) {
            for x in span(points.iter().map(|p| p.0), reach, width) {
                let covered = (0.5 - distance((x as f32 + 0.5, y as f32 + 0.5))).clamp(0.0, 1.0);
                let pixel = &mut mask[y * width + x];
                *pixel = pixel.max(covered);
            }
        }
    }

    pub(crate) fn tint(&mut self, mask: &[f32], colour: Colour, alpha: f32) {
        for (pixel, &covered) in self.0.pixels_mut().zip(mask).filter(|(_, covered)| **covered > 0.0) {
            pixel.0 = blend(pixel.0, colour, covered * alpha.clamp(0.0, 1.0));
        }
    }

    pub(crate) fn encode_error(&self) -> impl Fn(ImageError) -> PictureError {
        let (width, height) = self.size();
        move |source| PictureError::Encode { width, height, source }
    }
}

/// From `under` with `alpha` 0 to `over` with 1.
fn blend(under: Colour, over: Colour, alpha: f32) -> Colour {
    std::array::from_fn(|i| (under[i] as f32 + (over[i] as f32 - under[i] as f32) * alpha).round() as u8)
}

/// The pixels, of `size`, that something within `reach` of the coordinates can touch.
fn span(coordinates: impl Iterator<Item = f32> + Clone, reach: f32, size: usize) -> RangeInclusive<usize> {
    let low = coordinates.clone().fold(f32::INFINITY, f32::min) - reach - 1.0;
    let high = coordinates.fold(f32::NEG_INFINITY, f32::max) + reach + 1.0;
    if high < 0.0 || low >= size as f32 || size == 0 {
        return RangeInclusive::new(1, 0);
    }
    low.max(0.0) as usize..=(high as usize).min(size - 1)
}

fn distance_to_segment(p: (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let (along, off) = ((to.0 - from.0, to.1 - from.1), (p.0 - from.0, p.1 - from.1));
    let length = along.0 * along.0 + along.1 * along.1;
    let t = if length > 0.0 { ((off.0 * along.0 + off.1 * along.1) / length).clamp(0.0, 1.0) } else { 0.0 };
    (off.0 - t * along.0).hypot(off.1 - t * along.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_of_any_number_of_channels_become_pictures() {
        let grey = Picture::from_observation(&[0, 100, 200, 255, 7, 8], 1, 2, 3);
        assert_eq!((grey.size(), grey.get(1, 0), grey.get(2, 1)), ((3, 2), [100; 3], [8; 3]));
        let rooms = Picture::from_observation(&[0, 0, 255, 255, 0, 255, 0, 255], 2, 1, 4);
        assert_eq!([0, 1, 2, 3].map(|x| rooms.get(x, 0)), [GROUND, INK, WARM, WARM]);
        let rgb = Picture::from_observation(&[1, 2, 3, 4, 5, 6], 3, 1, 2);
        assert_eq!((rgb.get(0, 0), rgb.get(1, 0)), ([1, 3, 5], [2, 4, 6]));
    }

    #[test]
    fn pictures_are_enlarged_framed_and_put_beside_each_other() {
        let mut picture = Picture::new(3, 2, GROUND);
        picture.points(&[(2.5, 0.5)], 0.4, WARM, 1.0);
        let large = picture.upscale(4);
        assert_eq!(large.size(), (12, 8));
        assert!(
            (0..4).all(|i| large.get(8 + i, i) == picture.get(2, 0))
                && large.get(7, 0) == GROUND
                && large.get(8, 4) == GROUND
        );
        let both = Picture::beside(&[large.clone(), Picture::new(2, 2, INK)], 5, COOL);
        assert_eq!(both.size(), (19, 8));
        assert_eq!(
            [(0, 0), (12, 3), (17, 2), (17, 3), (18, 4), (18, 5)].map(|(x, y)| both.get(x, y)),
            [GROUND, COOL, COOL, INK, INK, COOL]
        );
        let framed = picture.border(2, INK);
        assert_eq!((framed.size(), framed.get(1, 1), framed.get(2, 2)), ((7, 6), INK, GROUND));
    }

    #[test]
    fn a_line_is_where_it_should_be_and_no_darker_at_its_joints() {
        let mut picture = Picture::new(20, 10, [0; 3]);
        picture.polyline(&[(-50.0, 5.0), (10.0, 5.0), (10.0, 5.0), (10.0, 90.0)], 2.0, [200; 3], 0.5);
        assert_eq!([(0, 4), (5, 5), (9, 4), (10, 9)].map(|(x, y)| picture.get(x, y)), [[100; 3]; 4]);
        assert_eq!([(0, 2), (5, 7), (15, 5), (12, 9)].map(|(x, y)| picture.get(x, y)), [[0; 3]; 4]);
        let before = picture.clone();
        picture.polyline(&[(f32::NAN, 1.0), (3.0, 3.0)], 2.0, WARM, 1.0);
        picture.points(&[(1e9, 3.0), (f32::INFINITY, 0.0), (-9.0, -9.0)], 2.0, WARM, 1.0);
        assert_eq!(picture, before, "what is elsewhere or nowhere is not drawn");
    }

    #[test]
    fn a_ghost_is_seen_by_half_where_there_is_nothing_else() {
        let ground = Picture::new(3, 1, [200; 3]);
        let (mut now, mut goal) = (ground.clone(), ground.clone());
        [0, 1].into_iter().for_each(|x| now.0.put_pixel(x, 0, Rgb(WARM)));
        [1, 2].into_iter().for_each(|x| goal.0.put_pixel(x, 0, Rgb([0; 3])));
        now.ghost(&goal, &ground, 0.5);
        assert_eq!([0, 1, 2].map(|x| now.get(x, 0)), [WARM, WARM, [100; 3]]);
    }

    #[test]
    fn a_png_decodes_to_its_picture() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Picture::from_observation(&(0..60).collect::<Vec<u8>>(), 3, 4, 5);
        let path = folder.path().join("picture.png");
        picture.save_png(&path).unwrap();
        let read = image::open(&path).unwrap().into_rgb8();
        assert_eq!((read.dimensions(), read), ((5, 4), picture.0));
    }
}

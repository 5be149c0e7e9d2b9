//! Animated GIFs: one palette for the whole film, and of every frame only what has changed.

use std::collections::HashMap;
use std::path::Path;

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use image::error::{EncodingError as ImageEncodingError, ImageFormatHint};
use image::{ImageError, ImageFormat};

use crate::atomic::write_atomic;
use crate::picture::{Colour, Picture, PictureError, check_ending};

/// Colours of a film. One more entry of its palette says: as before.
const COLOURS: usize = 255;
/// Where a film has more, so many of its commonest are kept exactly.
const EXACT: usize = 96;
/// The last frame is shown for this long, hundredths of a second.
const HELD: u32 = 100;

/// Frames as an animated GIF that repeats for ever; the last is shown for a second or more.
///
/// GIF counts time in hundredths of a second, and what is shorter than two of them browsers show slowly: `fps` above 50
/// is 50. A film of 255 colours or fewer keeps them exactly.
///
/// # Errors
/// [`PictureError::Frames`]: no frame, frames of several sizes, or larger than GIF's 65,535 px.
pub fn gif(frames: &[Picture], fps: f32) -> Result<Vec<u8>, PictureError> {
    let first = frames.first().ok_or_else(|| PictureError::Frames("no frame".to_string()))?;
    let (width, height) = first.size();
    if let Some((wide, high)) = frames.iter().map(Picture::size).find(|&size| size != (width, height)) {
        return Err(PictureError::Frames(format!("{width} x {height} and {wide} x {high}")));
    }
    let [Ok(wide), Ok(high)] = [width, height].map(u16::try_from) else {
        return Err(PictureError::Frames(format!("{width} x {height}, more than GIF can hold")));
    };
    let hundredths = if fps > 0.0 { (100.0 / fps).round().clamp(2.0, 60_000.0) as u32 } else { 100 };
    let (palette, place) = palette(frames);
    let error = |error| first.encode_error()(of_image(error));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, wide, high, &palette).map_err(error)?;
    encoder.set_repeat(Repeat::Infinite).map_err(error)?;
    let mut before: Option<Vec<u8>> = None;
    for (number, frame) in frames.iter().enumerate() {
        let now: Vec<u8> = frame.0.pixels().map(|pixel| place[&pixel.0]).collect();
        let delay = if number + 1 == frames.len() { hundredths.max(HELD) } else { hundredths };
        let mut change = change(before.as_deref(), &now, width);
        change.delay = delay as u16;
        encoder.write_frame(&change).map_err(error)?;
        before = Some(now);
    }
    drop(encoder);
    Ok(bytes)
}

/// [`gif()`], written whole or not at all.
///
/// # Errors
/// As [`gif()`] and [`check_ending`], and [`PictureError::Folder`].
pub fn save_gif(frames: &[Picture], path: &Path, fps: f32) -> Result<(), PictureError> {
    check_ending(path, "gif")?;
    Ok(write_atomic(path, &gif(frames, fps)?)?)
}

/// The entry that says: as before.
const AS_BEFORE: u8 = COLOURS as u8;

/// The rectangle of a picture that differs from the one before.
fn change(before: Option<&[u8]>, now: &[u8], width: usize) -> Frame<'static> {
    let same = |at: usize| before.is_some_and(|before| before[at] == now[at]);
    let (mut columns, mut rows) = ((width, 0), (now.len(), 0));
    for at in (0..now.len()).filter(|&at| !same(at)) {
        let (x, y) = (at % width, at / width);
        columns = (columns.0.min(x), columns.1.max(x + 1));
        rows = (rows.0.min(y), rows.1.max(y + 1));
    }
    if columns.1 == 0 {
        (columns, rows) = ((0, 1), (0, 1));
    }
    let pixels = (rows.0..rows.1).flat_map(|y| (columns.0..columns.1).map(move |x| y * width + x));
    let buffer: Vec<u8> = pixels.map(|at| if same(at) { AS_BEFORE } else { now[at] }).collect();
    Frame {
        left: columns.0 as u16,
        top: rows.0 as u16,
        width: (columns.1 - columns.0) as u16,
        height: (rows.1 - rows.0) as u16,
        dispose: DisposalMethod::Keep,
        transparent: before.map(|_| AS_BEFORE),
        buffer: buffer.into(),
        ..Frame::default()
    }
}

/// Red, green and blue of 256 entries, and the entry of every colour of a film.
fn palette(frames: &[Picture]) -> (Vec<u8>, HashMap<Colour, u8>) {
    let mut counts: HashMap<Colour, u64> = HashMap::new();
    frames.iter().flat_map(|frame| frame.0.pixels()).for_each(|pixel| *counts.entry(pixel.0).or_default() += 1);
    let mut colours: Vec<(Colour, u64)> = counts.into_iter().collect();
    colours.sort_unstable_by_key(|&(colour, count)| (std::cmp::Reverse(count), colour));
    let colours: Vec<Colour> = colours.into_iter().map(|(colour, _)| colour).collect();
    let exact = if colours.len() <= COLOURS { colours.len() } else { EXACT };
    let (kept, others) = colours.split_at(exact);
    let mut palette = kept.concat();
    let mut place: HashMap<Colour, u8> = kept.iter().zip(0..).map(|(&colour, at)| (colour, at)).collect();
    if !others.is_empty() {
        let opaque = |&[red, green, blue]: &Colour| [red, green, blue, 255];
        let pixels: Vec<u8> = others.iter().flat_map(opaque).collect();
        let network = NeuQuant::new(1, COLOURS - exact, &pixels);
        palette.extend(network.color_map_rgb());
        place.extend(others.iter().map(|colour| (*colour, (exact + network.index_of(&opaque(colour))) as u8)));
    }
    palette.resize(3 * (COLOURS + 1), 0);
    (palette, place)
}

fn of_image(error: EncodingError) -> ImageError {
    ImageError::Encoding(ImageEncodingError::new(ImageFormatHint::Exact(ImageFormat::Gif), error))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::AnimationDecoder;
    use image::buffer::ConvertBuffer;
    use image::codecs::gif::GifDecoder;

    use super::*;
    use crate::picture::{GREEN, GROUND, INK};

    fn read(bytes: &[u8]) -> Vec<image::Frame> {
        GifDecoder::new(Cursor::new(bytes)).unwrap().into_frames().collect_frames().unwrap()
    }

    #[test]
    fn a_film_decodes_to_its_frames_and_its_last_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let dot = |x: f32| {
            let mut picture = Picture::new(30, 20, GROUND);
            picture.points(&[(x, 9.0)], 4.0, GREEN, 1.0);
            picture
        };
        // The third is like the second, and the first comes again.
        let frames = [4.0, 9.5, 9.5, 25.0, 4.0].map(dot);
        let path = folder.path().join("new/film.gif");
        save_gif(&frames, &path, 20.0).unwrap();
        let read = read(&std::fs::read(&path).unwrap());
        assert_eq!(
            read.iter().map(|frame| frame.delay().numer_denom_ms().0).collect::<Vec<_>>(),
            [50, 50, 50, 50, 1000]
        );
        for (read, frame) in read.iter().zip(&frames) {
            assert!(read.buffer().convert() == frame.0, "255 colours or fewer are exact");
        }
        let seen = Picture::new(9, 7, INK);
        assert!(gif(&[], 10.0).is_err() && gif(&[seen.clone(), seen.upscale(2)], 10.0).is_err());
        assert!(gif(&[Picture::new(70_000, 1, INK)], 10.0).is_err());
        assert!(gif(&[seen], f32::NAN).is_ok());
    }

    #[test]
    fn of_many_colours_the_commonest_stay_and_the_others_come_near() {
        let shades = |step: u32| {
            Picture(image::RgbImage::from_fn(64, 96, |x, y| {
                image::Rgb(if y < 64 { [x as u8 * 4, y as u8 * 4, 20 * step as u8] } else { INK })
            }))
        };
        let frames: Vec<Picture> = (0..3).map(shades).collect();
        let bytes = gif(&frames, 12.0).unwrap();
        assert_eq!(bytes, gif(&frames, 12.0).unwrap(), "the same frames are the same file");
        for (read, frame) in read(&bytes).iter().zip(&frames) {
            let read: image::RgbImage = read.buffer().convert();
            let pairs = || read.pixels().zip(frame.0.pixels());
            assert!(pairs().all(|(read, pixel)| pixel.0 != INK || read.0 == INK));
            let off = |(read, pixel): (&image::Rgb<u8>, &image::Rgb<u8>)| {
                (0..3).map(|i| f64::from(read.0[i].abs_diff(pixel.0[i]))).sum::<f64>() / 3.0
            };
            let mean = pairs().map(off).sum::<f64>() / pairs().count() as f64;
            assert!(mean < 8.0, "{mean}");
        }
    }
}

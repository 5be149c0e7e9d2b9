//! Films: animated GIFs of pictures, and the frame that shows an episode.

use std::io::Cursor;
use std::path::Path;

use image::buffer::ConvertBuffer;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame};

use crate::atomic::write_atomic;
use crate::picture::{COOL, GREEN, GROUND, INK, Picture, PictureError, check_ending};

/// One frame of an episode's film: what is seen, with the way ahead as it is imagined, beside the goal; both enlarged and
/// framed, and where the way is imagined to end, if there is a picture of it.
///
/// `paths` are in pixels of the observation: the first is the plan's, the others, drawn faintly, those of other candidates.
pub fn scene(
    seen: &Picture,
    goal: &Picture,
    imagined: Option<&Picture>,
    paths: &[Vec<(f32, f32)>],
    factor: usize,
) -> Picture {
    let scale = factor as f32;
    let enlarged = |path: &Vec<(f32, f32)>| path.iter().map(|&(x, y)| (x * scale, y * scale)).collect::<Vec<_>>();
    let mut left = seen.upscale(factor);
    for other in paths.iter().skip(1) {
        left.polyline(&enlarged(other), (0.3 * scale).max(1.0), GREEN, 0.35);
    }
    let path = paths.first().map(enlarged).unwrap_or_default();
    left.polyline(&path, (0.5 * scale).max(1.5), COOL, 0.75);
    left.points(path.get(..1).unwrap_or_default(), (0.6 * scale).max(2.0), COOL, 0.9);
    let line = (factor / 2).max(2);
    let mut shown = vec![left.border(line, INK), goal.upscale(factor).border(line, GREEN)];
    shown.extend(imagined.map(|imagined| imagined.upscale(factor).border(line, COOL)));
    Picture::beside(&shown, 2 * factor, GROUND).border(factor, GROUND)
}

/// Frames as an animated GIF that repeats for ever.
///
/// GIF counts time in hundredths of a second, and what is shorter than two of them browsers show slowly: `fps` above 50
/// is 50. A frame of 256 colours or fewer keeps them exactly.
///
/// # Errors
/// [`PictureError::Frames`]: no frame, or frames of several sizes.
pub fn gif(frames: &[Picture], fps: f32) -> Result<Vec<u8>, PictureError> {
    let first = frames.first().ok_or_else(|| PictureError::Frames("no frame".to_string()))?;
    if let Some(other) = frames.iter().find(|frame| frame.size() != first.size()) {
        let ((width, height), (wide, high)) = (first.size(), other.size());
        return Err(PictureError::Frames(format!("{width} x {height} and {wide} x {high}")));
    }
    let hundredths = if fps > 0.0 { (100.0 / fps).round().clamp(2.0, 60_000.0) as u32 } else { 100 };
    let delay = Delay::from_numer_denom_ms(10 * hundredths, 1);
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
    encoder.set_repeat(Repeat::Infinite).map_err(first.encode_error())?;
    for frame in frames {
        let frame = Frame::from_parts(frame.0.convert(), 0, 0, delay);
        encoder.encode_frame(frame).map_err(first.encode_error())?;
    }
    drop(encoder);
    Ok(bytes.into_inner())
}

/// [`gif`], written whole or not at all.
///
/// # Errors
/// As [`gif`] and [`check_ending`], and [`PictureError::Folder`].
pub fn save_gif(frames: &[Picture], path: &Path, fps: f32) -> Result<(), PictureError> {
    check_ending(path, "gif")?;
    Ok(write_atomic(path, &gif(frames, fps)?)?)
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;

    #[test]
    fn a_film_decodes_to_its_frames() {
        let folder = tempfile::tempdir().unwrap();
        let (seen, goal) = (Picture::new(9, 7, GROUND), Picture::new(9, 7, INK));
        let frames: Vec<_> =
            (0..5).map(|i| scene(&seen, &goal, None, &[vec![(1.0, 1.0), (i as f32, 5.0)]], 4)).collect();
        let path = folder.path().join("new/film.gif");
        save_gif(&frames, &path, 20.0).unwrap();
        let decoder = GifDecoder::new(Cursor::new(std::fs::read(&path).unwrap())).unwrap();
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 5);
        for (read, frame) in read.iter().zip(&frames) {
            assert_eq!(read.delay().numer_denom_ms(), (50, 1));
            assert!(read.buffer().convert() == frame.0, "256 colours or fewer are exact");
        }
        assert!(gif(&[], 10.0).is_err() && gif(&[seen.clone(), seen.upscale(2)], 10.0).is_err());
        assert!(gif(&[seen], f32::NAN).is_ok());
    }
}

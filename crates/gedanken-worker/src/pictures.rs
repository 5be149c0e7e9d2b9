//! Pictures of another program, as observations.

use gedanken_env::ObservationSpace;
use image::imageops::{FilterType, resize};
use image::{GrayImage, RgbImage};

/// A picture u8 `[height, width, channels]` as an observation u8 `[channels, height, width]` of another size, by a triangle filter; none where the
/// bytes are not as many as the shape says, or the channels are not those of the space, 1 or 3.
pub fn observation([height, width, channels]: [usize; 3], bytes: Vec<u8>, space: ObservationSpace) -> Option<Vec<u8>> {
    if channels != space.channels || bytes.len() != height * width * channels {
        return None;
    }
    let (to, from) = ([space.width as u32, space.height as u32], [width as u32, height as u32]);
    let small = match (channels, to == from) {
        (_, true) => bytes,
        (1, _) => resize(&GrayImage::from_raw(from[0], from[1], bytes)?, to[0], to[1], FilterType::Triangle).into_raw(),
        (3, _) => resize(&RgbImage::from_raw(from[0], from[1], bytes)?, to[0], to[1], FilterType::Triangle).into_raw(),
        _ => return None,
    };
    let plane = |channel: usize| small.iter().skip(channel).step_by(channels).copied();
    Some((0..channels).flat_map(plane).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_becomes_planes_of_the_asked_size() {
        let space = |side| ObservationSpace { channels: 3, height: side, width: side };
        // Red left, blue right.
        let row = [[200, 0, 0].repeat(4), [0, 0, 100].repeat(4)].concat();
        let seen = observation([8, 8, 3], row.repeat(8), space(4)).unwrap();
        assert_eq!(seen.len(), 48);
        assert_eq!([seen[0], seen[3], seen[16], seen[32], seen[35]], [200, 0, 0, 0, 100]);
        assert_eq!(observation([8, 8, 3], vec![0; 5], space(4)), None);
        assert_eq!(observation([8, 8, 1], vec![0; 64], space(4)), None);
    }
}

//! The scale of the pixels.

use serde::{Deserialize, Serialize};

use crate::{DataError, Source, batch::row};

/// Per channel mean and standard deviation of pixels / 255.
///
/// A picture is normalised as `(x - mean) / (std + 1e-6)` with `x = pixel / 255`. With `min_max`, as in EB-JEPA, each
/// channel of each frame is first stretched: `(x - min) / (max - min + 1e-6)`, and the statistics are of that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalizer {
    /// Mean of each channel, `[channels]`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel (over all pixels, of the population), `[channels]`.
    pub std: Vec<f32>,
    /// Each channel of each frame is stretched to 0..1 first.
    pub min_max: bool,
}

/// Added to every divisor: a channel that never changes becomes zero, not infinity.
const EPSILON: f64 = 1e-6;

impl Normalizer {
    /// Measures the frames of the first `batches` batches of a source (at least one).
    ///
    /// # Errors
    /// The source's.
    pub fn measure(source: &dyn Source, batches: u64, min_max: bool) -> Result<Self, DataError> {
        let mut sums: Vec<(f64, f64)> = Vec::new();
        let mut pixels = 0.0;
        for index in 0..batches.max(1) {
            let batch = source.batch(index)?;
            let space = batch.shape.pixels;
            let plane = space.height * space.width;
            sums.resize(space.channels, (0.0, 0.0));
            let frames = batch.windows() * batch.frames();
            for number in 0..frames * space.channels {
                let (sum, square) = plane_sums(row(&batch.pixels, number, plane), min_max);
                let channel = &mut sums[number % space.channels];
                channel.0 += sum;
                channel.1 += square;
            }
            pixels += (frames * plane) as f64;
        }
        let mean = |sum: f64| sum / pixels;
        Ok(Self {
            mean: sums.iter().map(|(sum, _)| mean(*sum) as f32).collect(),
            std: sums.iter().map(|(sum, square)| (mean(*square) - mean(*sum).powi(2)).max(0.0).sqrt() as f32).collect(),
            min_max,
        })
    }
}

/// The sum and the sum of squares of one channel of one frame; in whole numbers until the end, so without rounding.
fn plane_sums(plane: &[u8], min_max: bool) -> (f64, f64) {
    let (mut sum, mut square, mut low, mut high) = (0u64, 0u64, u8::MAX, u8::MIN);
    for &pixel in plane {
        sum += u64::from(pixel);
        square += u64::from(pixel) * u64::from(pixel);
        low = low.min(pixel);
        high = high.max(pixel);
    }
    let (sum, square, count) = (sum as f64, square as f64, plane.len() as f64);
    let (low, scale) = match min_max {
        true => (f64::from(low), 1.0 / 255.0 / (f64::from(high.saturating_sub(low)) / 255.0 + EPSILON)),
        false => (0.0, 1.0 / 255.0),
    };
    // x = (pixel - low) * scale
    (scale * (sum - count * low), scale * scale * (square - 2.0 * low * sum + count * low * low))
}

//! From the data's batches to the model's.

use burn::tensor::Device;
use gedanken_data::{Batch, DataError, Source};
use gedanken_model::{Statistics, TrainBatch};

/// Statistics of the first `batches` batches of a source: they travel with the model. `stretch` as in [`Statistics`].
///
/// # Errors
/// What the source says.
pub fn measure(source: &dyn Source, batches: u64, stretch: bool) -> Result<Statistics, DataError> {
    let pixels = gedanken_data::Normalizer::measure(source, batches, stretch)?;
    let (mut count, mut sums, mut squares) = (0.0, Vec::new(), Vec::new());
    for index in 0..batches {
        let batch = source.batch(index)?;
        let size = batch.shape.labels;
        sums.resize(size, 0.0);
        squares.resize(size, 0.0);
        for row in batch.labels.chunks_exact(size) {
            count += 1.0;
            for (i, &x) in row.iter().enumerate() {
                sums[i] += f64::from(x);
                squares[i] += f64::from(x) * f64::from(x);
            }
        }
    }
    let mean: Vec<f64> = sums.iter().map(|s| s / count).collect();
    let std = squares.iter().zip(&mean).map(|(s, m)| (s / count - m * m).max(0.0).sqrt());
    Ok(Statistics {
        pixel_mean: pixels.mean,
        pixel_std: pixels.std,
        stretch,
        // A label that never varies (a fixed wall) is read in its own unit.
        label_std: std.map(|s| if s > 1e-6 { s as f32 } else { 1.0 }).collect(),
        label_mean: mean.iter().map(|&m| m as f32).collect(),
    })
}

/// A host batch, normalised and on the device; `seed` is that of the loss, see [`TrainBatch`].
pub fn host_batch(batch: &Batch, statistics: &Statistics, seed: u64, device: &Device) -> TrainBatch {
    let space = batch.shape.pixels;
    TrainBatch {
        pixels: statistics.pixels(&batch.pixels, [space.channels, space.height, space.width], device),
        actions: TrainBatch::actions(&batch.actions, [batch.windows(), batch.time - 1, batch.shape.action], device),
        labels: statistics.labels(&batch.labels, device),
        at: batch.at.clone(),
        layouts: batch.layouts,
        episodes: batch.episodes,
        time: batch.time,
        extra: batch.extra,
        seed,
    }
}

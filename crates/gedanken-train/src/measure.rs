//! From the data's batches to the model's.

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_data::{Batch, DataError, Source};
use gedanken_model::Statistics;
use gedanken_nn::TrainBatch;
use half::f16;

/// Statistics of the first `batches` batches of a source: they travel with the model. `stretch` as in [`Statistics`].
///
/// # Errors
/// The source's own.
pub fn measure(source: &dyn Source, batches: u64, stretch: bool) -> Result<Statistics, DataError> {
    let pixels = gedanken_data::Normalizer::measure(source, batches, stretch)?;
    let (mut labels, mut actions) = (Moments::default(), Moments::default());
    for index in 0..batches {
        let batch = source.batch(index)?;
        labels.add(&batch.labels, batch.shape.labels);
        actions.add(&batch.actions, batch.shape.action / batch.frameskip.max(1));
    }
    let ((label_mean, label_std), (action_mean, action_std)) = (labels.finish(), actions.finish());
    Ok(Statistics {
        pixel_mean: pixels.mean,
        pixel_std: pixels.std,
        stretch,
        label_mean,
        label_std,
        action_mean,
        action_std,
    })
}

/// Gathers the mean and the standard deviation of every column of a table.
#[derive(Default)]
struct Moments {
    count: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Rows of `size` numbers.
    fn add(&mut self, rows: &[f32], size: usize) {
        self.sums.resize(size, 0.0);
        self.squares.resize(size, 0.0);
        for row in rows.chunks_exact(size.max(1)) {
            self.count += 1.0;
            for (i, &x) in row.iter().enumerate() {
                self.sums[i] += f64::from(x);
                self.squares[i] += f64::from(x) * f64::from(x);
            }
        }
    }

    fn finish(&self) -> (Vec<f32>, Vec<f32>) {
        let mean: Vec<f64> = self.sums.iter().map(|s| s / self.count).collect();
        let std = self.squares.iter().zip(&mean).map(|(s, m)| (s / self.count - m * m).max(0.0).sqrt());
        // What never varies (the label of a fixed wall) stays in its own unit.
        let std = std.map(|s| if s > 1e-6 { s as f32 } else { 1.0 }).collect();
        (mean.iter().map(|&m| m as f32).collect(), std)
    }
}

/// A host batch, normalised and on the device; `seed` is that of the loss, see [`TrainBatch`].
pub fn host_batch(batch: &Batch, statistics: &Statistics, seed: u64, device: &Device) -> TrainBatch {
    let space = batch.shape.pixels;
    let pixels = statistics.pixels(&batch.pixels, [space.channels, space.height, space.width], device);
    on_device(batch, statistics, seed, device, pixels, None)
}

/// The same of a batch of kept latents (see [`gedanken_data::LatentsConfig`]), `frameskip` control steps apart.
pub fn latent_batch(
    batch: &Batch,
    statistics: &Statistics,
    frameskip: usize,
    seed: u64,
    device: &Device,
) -> TrainBatch {
    let (tokens, dim) = (batch.shape.pixels.channels, batch.shape.pixels.height);
    let frames = batch.windows() * batch.frames();
    let latents = TensorData::new(from_half(&batch.pixels), [frames, tokens, dim]);
    let pixels = Tensor::empty([0, 1, 1, 1], device);
    let mut batch = on_device(batch, statistics, seed, device, pixels, Some(Tensor::from_data(latents, device)));
    batch.at.iter_mut().for_each(|at| *at *= frameskip as u32);
    batch
}

fn on_device(
    batch: &Batch,
    statistics: &Statistics,
    seed: u64,
    device: &Device,
    pixels: Tensor<4>,
    latents: Option<Tensor<3>>,
) -> TrainBatch {
    TrainBatch {
        pixels,
        latents,
        actions: statistics.actions(TrainBatch::actions(
            &batch.actions,
            [batch.windows(), batch.time - 1, batch.shape.action],
            device,
        )),
        labels: statistics.labels(&batch.labels, device),
        at: batch.at.clone(),
        layouts: batch.layouts,
        episodes: batch.episodes,
        time: batch.time,
        extra: batch.extra,
        seed,
    }
}

/// Latents `[frames, tokens, dim]` -> their numbers in half precision, little-endian.
pub fn to_half(latents: Tensor<3>) -> Vec<u8> {
    let numbers = latents.into_data().convert::<f32>();
    numbers.iter::<f32>().flat_map(|number| f16::from_f32(number).to_le_bytes()).collect()
}

/// Numbers of half precision, little-endian.
fn from_half(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect()
}

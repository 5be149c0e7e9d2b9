//! From the data's batches to the model's.

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_data::{Batch, DataError, Scales, Source};
use gedanken_model::Statistics;
use gedanken_nn::TrainBatch;
use half::f16;

/// Statistics of a source: they travel with the model. Pixels are measured on its first `batches` batches, actions and labels on whole
/// episodes ([`Source::scales`]). `stretch` as in [`Statistics`].
///
/// # Errors
/// The source's own.
pub fn measure(source: &dyn Source, batches: u64, stretch: bool) -> Result<Statistics, DataError> {
    let pixels = gedanken_data::Normalizer::measure(source, batches, stretch)?;
    let Scales { actions, labels } = source.scales()?;
    Ok(Statistics {
        pixel_mean: pixels.mean,
        pixel_std: pixels.std,
        stretch,
        label_mean: labels.mean(),
        label_std: labels.std(),
        action_mean: actions.mean(),
        action_std: actions.std(),
    })
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

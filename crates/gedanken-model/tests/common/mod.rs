//! Batches without pictures, for the tests.

use burn::tensor::{Device, Tensor, TensorData};
use gedanken_nn::TrainBatch;

/// Windows of known latents `[windows, time, tokens, dim]` and of actions `[windows, time - 1, 2]`.
pub fn kept(
    latents: Vec<f32>,
    [tokens, dim]: [usize; 2],
    actions: &[f32],
    [windows, time]: [usize; 2],
    seed: u64,
) -> TrainBatch {
    let device = Device::flex();
    TrainBatch {
        pixels: Tensor::zeros([0, 1, 1, 1], &device),
        latents: Some(Tensor::from_data(TensorData::new(latents, [windows * time, tokens, dim]), &device)),
        actions: TrainBatch::actions(actions, [windows, time - 1, 2], &device),
        labels: Tensor::zeros([windows * time, 0], &device),
        at: (0..windows).flat_map(|_| 0..time as u32).collect(),
        layouts: windows,
        episodes: 1,
        time,
        extra: 0,
        seed,
    }
}

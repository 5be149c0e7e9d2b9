//! The decoder: draws what a latent says, and teaches the encoder only where it is asked to.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_model::heads::{Decoder, DecoderConfig};
use gedanken_nn::{LatentShape, Progress, Shown, TrainBatch, seeded};
use gedanken_regularizer::{Term, View, sequences};

const FRAMES: usize = 12;
const TIME: usize = 3;

/// Pictures of 16 x 16 with a bright square at one of four places, and latents that say which.
fn batch(map: bool, device: &Device) -> (TrainBatch, Tensor<3>) {
    let (mut pixels, mut latents) = (vec![0.0f32; FRAMES * 256], vec![0.0f32; FRAMES * 4]);
    for frame in 0..FRAMES {
        let place = (frame * 7) % 4;
        latents[frame * 4 + place] = 1.0;
        for pixel in 0..64 {
            let (row, column) = (place / 2 * 8 + pixel / 8, place % 2 * 8 + pixel % 8);
            pixels[frame * 256 + row * 16 + column] = 1.0;
        }
    }
    // A map of 2 x 2 has a number at every place, a vector has four numbers.
    let shape = if map { [FRAMES, 4, 1] } else { [FRAMES, 1, 4] };
    let windows = FRAMES / TIME;
    let batch = TrainBatch {
        pixels: Tensor::from_data(TensorData::new(pixels, [FRAMES, 1, 16, 16]), device),
        latents: None,
        actions: Tensor::zeros([windows, TIME - 1, 2], device),
        labels: Tensor::zeros([FRAMES, 0], device),
        at: (0..windows).flat_map(|_| 0..TIME as u32).collect(),
        layouts: windows,
        episodes: 1,
        time: TIME,
        extra: 0,
        seed: 1,
    };
    (batch, Tensor::from_data(TensorData::new(latents, shape), device))
}

fn view<'a>(batch: TrainBatch, latents: Tensor<3>) -> View<'a> {
    let windows = sequences(&batch, latents.clone());
    let next = windows.clone().narrow(1, 1, TIME - 1);
    View::new(batch, latents, windows.clone(), Progress { step: 0, steps: 1 }, move || windows, move || next)
}

#[test]
fn it_learns_to_draw_what_vectors_and_maps_say_and_shows_imagination_below_the_truth() {
    let device = Device::flex();
    let config = DecoderConfig { width: 16, depth: 1, ..DecoderConfig::default() };
    for map in [false, true] {
        let shape = if map { LatentShape { rows: 2, columns: 2, dim: 1 } } else { LatentShape::vector(4) };
        let mut decoder = seeded(3, |cpu| Decoder::new(shape, [1, 16, 16], &config, cpu)).train();
        let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
        for _ in 0..300 {
            let (batch, latents) = batch(map, &device);
            let loss = decoder.loss(&view(batch, latents)).loss;
            decoder = optimizer.step(1e-2, decoder.clone(), GradientsParams::from_grads(loss.backward(), &decoder));
        }
        let decoder = decoder.valid();
        let (batch, latents) = batch(map, &device);
        let error = (decoder.draw(latents.clone()) - batch.pixels.clone()).abs().max().into_scalar::<f32>();
        assert!(error < 0.1, "map {map}: {error}");
        // What is imagined here is the truth, so the film's halves are alike and the noise is far below the signal.
        let shown = decoder.show(&view(batch, latents));
        let Some(Shown::Film { pixels, .. }) = shown.first() else { panic!("a film: {shown:?}") };
        assert_eq!(pixels.dims(), [TIME, 3, 32, 16]);
        let [above, below] = [0, 16].map(|row| pixels.clone().narrow(2, row, 16));
        assert!((above - below).abs().max().into_scalar::<f32>() < 0.1);
        let Shown::Number { name, value } = &shown[2] else { panic!("a number: {shown:?}") };
        assert_eq!(name, "imagine/psnr_2");
        assert!(value.clone().into_scalar::<f32>() > 20.0);
    }
}

#[test]
fn it_teaches_the_encoder_only_where_it_is_told_to() {
    let device = Device::flex();
    for teaches in [false, true] {
        let config = DecoderConfig { width: 16, depth: 1, teaches };
        let decoder = seeded(3, |cpu| Decoder::new(LatentShape::vector(4), [1, 16, 16], &config, cpu)).train();
        let (batch, latents) = batch(false, &device);
        let latents = latents.autodiff().require_grad();
        let gradients = decoder.loss(&view(batch, latents.clone())).loss.backward();
        assert_eq!(latents.grad(&gradients).is_some(), teaches);
    }
}

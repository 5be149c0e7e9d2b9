//! Patches side by side, each embedded by one matrix product.

use burn::tensor::Tensor;

use crate::Linear;

/// Pictures `[frames, channels, height, width]` -> `[frames, height / side, width / side, output]`: a linear layer of every square of
/// `side * side` pixels, whose numbers are in the order of a convolution's kernel: channels, rows, columns. It is a convolution with a
/// stride as long as its kernel.
///
/// # Panics
///
/// If `side` does not divide the picture's height and width, or the layer has no bias or other sizes.
pub fn embed_patches(pixels: Tensor<4>, layer: &Linear, side: usize) -> Tensor<4> {
    embed(pixels, layer, [side, side])
}

/// Channels-last maps `[batch, height, width, channels]` -> `[batch, height / 2, width / 2, output]`: a linear layer of every 2 x 2
/// places, whose numbers are in the order of rows, columns, channels.
///
/// # Panics
///
/// If height or width is odd, or the layer has no bias or other sizes.
pub fn halve(maps: Tensor<4>, layer: &Linear) -> Tensor<4> {
    let [batch, height, width, channels] = maps.dims();
    // Channels that come last are a wider picture of one channel.
    embed(maps.reshape([batch, 1, height, width * channels]), layer, [2, 2 * channels])
}

fn embed(pixels: Tensor<4>, layer: &Linear, patch: [usize; 2]) -> Tensor<4> {
    let (weight, bias) = layer.biased();
    gedanken_kernels::embed_patches(pixels, weight, bias, patch)
}

//! Space to depth: squares of pixels side by side become the channels of one place, so that a matrix product embeds them.

use burn::tensor::Tensor;

/// Pictures `[frames, channels, height, width]` -> `[frames, height / side, width / side, channels * side * side]`, the numbers
/// of a patch in the order of a convolution's kernel: channels, rows, columns.
pub(crate) fn of_picture(pixels: Tensor<4>, side: usize) -> Tensor<4> {
    let [frames, channels, height, width] = pixels.dims();
    let (rows, columns) = (height / side, width / side);
    pixels.reshape([frames, channels, rows, side, columns, side]).permute([0, 2, 4, 1, 3, 5]).reshape([
        frames,
        rows,
        columns,
        channels * side * side,
    ])
}

/// Channels-last maps `[frames, height, width, channels]` -> `[frames, height / 2, width / 2, 4 * channels]`: two rows of two
/// columns of channels.
pub(crate) fn halved(maps: Tensor<4>) -> Tensor<4> {
    let [frames, height, width, channels] = maps.dims();
    maps.reshape([frames, height / 2, 2, width / 2, 2, channels]).permute([0, 1, 3, 2, 4, 5]).reshape([
        frames,
        height / 2,
        width / 2,
        4 * channels,
    ])
}

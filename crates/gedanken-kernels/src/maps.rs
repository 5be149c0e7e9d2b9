//! Between channels-last maps, as ours are, and burn's channels-first ones.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

/// `[batch, height, width, channels]` -> `[batch, channels, height, width]`.
pub(crate) fn channels_first<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(maps, &[0, 3, 1, 2])
}

/// `[batch, channels, height, width]` -> `[batch, height, width, channels]`.
pub(crate) fn channels_last<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(maps, &[0, 2, 3, 1])
}

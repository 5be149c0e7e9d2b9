//! The convolution and the normalisation of maps beside burn's own, at the size of a training batch: 64 windows of 12
//! frames, maps of 13 x 13 tokens with 32 channels.

use burn::nn;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use divan::Bencher;
use divan::counter::ItemsCount;
use gedanken_nn::{Conv3x3, Conv3x3Config, GroupNorm, GroupNormConfig};

const BATCH: usize = 768;
const SIDE: usize = 13;
const CHANNELS: usize = 32;

/// Two for each multiply-add, so that divan's items per second are FLOP/s.
const FLOP: usize = 2 * BATCH * SIDE * SIDE * 9 * CHANNELS * CHANNELS;
const NUMBERS: usize = BATCH * SIDE * SIDE * CHANNELS;

fn main() {
    divan::main();
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn maps() -> Tensor<4> {
    Tensor::random([BATCH, SIDE, SIDE, CHANNELS], Distribution::Default, &device()).require_grad()
}

fn maps_channels_first() -> Tensor<4> {
    Tensor::random([BATCH, CHANNELS, SIDE, SIDE], Distribution::Default, &device()).require_grad()
}

fn conv() -> Conv3x3 {
    Conv3x3Config::new(CHANNELS, CHANNELS).init(&device())
}

fn burns_conv() -> Conv2d {
    Conv2dConfig::new([CHANNELS, CHANNELS], [3, 3]).with_padding(nn::PaddingConfig2d::Same).init(&device())
}

fn norm() -> GroupNorm {
    GroupNormConfig::new(4, CHANNELS).init(&device())
}

fn burns_norm() -> nn::GroupNorm {
    nn::GroupNormConfig::new(4, CHANNELS).init(&device())
}

/// Runs `forward` without and with the way back. The way back is fed a constant gradient, which costs as little as any.
fn run(bencher: Bencher, items: usize, maps: Tensor<4>, backward: bool, forward: impl Fn(Tensor<4>) -> Tensor<4>) {
    let weights = Tensor::<4>::ones(maps.dims(), &device());
    bencher.counter(ItemsCount::new(items)).bench_local(|| {
        let out = forward(maps.clone());
        backward.then(|| (out * weights.clone()).sum().backward())
    });
}

#[divan::bench_group(sample_count = 10)]
mod conv3x3 {
    use super::*;

    #[divan::bench]
    fn forward(bencher: Bencher) {
        let conv = conv();
        run(bencher, FLOP, maps(), false, |maps| conv.forward(maps));
    }

    #[divan::bench]
    fn forward_burn(bencher: Bencher) {
        let conv = burns_conv();
        run(bencher, FLOP, maps_channels_first(), false, |maps| conv.forward(maps));
    }

    #[divan::bench]
    fn forward_and_backward(bencher: Bencher) {
        let conv = conv();
        run(bencher, 3 * FLOP, maps(), true, |maps| conv.forward(maps));
    }

    #[divan::bench]
    fn forward_and_backward_burn(bencher: Bencher) {
        let conv = burns_conv();
        run(bencher, 3 * FLOP, maps_channels_first(), true, |maps| conv.forward(maps));
    }
}

#[divan::bench_group(sample_count = 10)]
mod group_norm_relu {
    use super::*;

    #[divan::bench]
    fn forward(bencher: Bencher) {
        let norm = norm();
        run(bencher, NUMBERS, maps(), false, |maps| norm.forward_relu(maps));
    }

    #[divan::bench]
    fn forward_burn(bencher: Bencher) {
        let norm = burns_norm();
        run(bencher, NUMBERS, maps_channels_first(), false, |maps| relu(norm.forward(maps)));
    }

    #[divan::bench]
    fn forward_and_backward(bencher: Bencher) {
        let norm = norm();
        run(bencher, NUMBERS, maps(), true, |maps| norm.forward_relu(maps));
    }

    #[divan::bench]
    fn forward_and_backward_burn(bencher: Bencher) {
        let norm = burns_norm();
        run(bencher, NUMBERS, maps_channels_first(), true, |maps| relu(norm.forward(maps)));
    }
}

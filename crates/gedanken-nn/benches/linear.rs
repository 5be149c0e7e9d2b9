//! A linear layer beside burn's own: the first of an MLP in a vision transformer, for 16 frames of 257 tokens; and that of a
//! world model's MLP, for 64 futures.

use burn::tensor::{Device, Distribution, Tensor};
use divan::Bencher;
use divan::counter::ItemsCount;
use gedanken_nn::Linear;

/// rows, input, output
const SIZES: [[usize; 3]; 3] = [[16 * 257, 192, 768], [16 * 257, 768, 192], [64, 512, 512]];

fn main() {
    divan::main();
}

/// A layer and some rows; divan's items per second are FLOP/s of one product, two for each multiply-add. The way back is two more.
fn run(bencher: Bencher, [rows, input, output]: [usize; 3], device: &Device, work: impl Fn(&Linear, Tensor<2>)) {
    let layer = Linear::new(input, output, device);
    let x = Tensor::random([rows, input], Distribution::Default, device);
    bencher.counter(ItemsCount::new(2 * rows * input * output)).bench_local(|| work(&layer, x.clone()));
}

fn burns(Linear { weight, bias, .. }: &Linear) -> burn::nn::Linear {
    burn::nn::Linear { weight: weight.clone(), bias: bias.clone() }
}

#[divan::bench(args = SIZES, sample_count = 30)]
fn forward(bencher: Bencher, size: [usize; 3]) {
    run(bencher, size, &Device::flex(), |layer, x| drop(layer.forward(x)));
}

#[divan::bench(args = SIZES, sample_count = 30)]
fn forward_by_burn(bencher: Bencher, size: [usize; 3]) {
    run(bencher, size, &Device::flex(), |layer, x| drop(burns(layer).forward(x)));
}

#[divan::bench(args = SIZES, sample_count = 20)]
fn both_ways(bencher: Bencher, size: [usize; 3]) {
    run(bencher, size, &Device::flex().autodiff(), |layer, x| drop(layer.forward(x.require_grad()).sum().backward()));
}

#[divan::bench(args = SIZES, sample_count = 20)]
fn both_ways_by_burn(bencher: Bencher, size: [usize; 3]) {
    run(bencher, size, &Device::flex().autodiff(), |layer, x| {
        drop(burns(layer).forward(x.require_grad()).sum().backward())
    });
}

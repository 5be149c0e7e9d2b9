//! The update of AdamW.

mod common;

use burn::optim::{AdamWConfig, Optimizer};
use burn::tensor::{DType, Device, Tensor};
use common::{assert_close, numbers, on_threads, values};
use gedanken_kernels::{AdamWStep, adamw};

const STEP: AdamWStep = AdamWStep { rate: 0.01, decay: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, time: 1 };

/// The weights after three updates from nothing, by numbers of this type.
fn updated(count: usize, dtype: DType) -> Vec<f32> {
    let numbers = |seed| numbers::<1>(seed, [count], &Device::flex()).cast(dtype);
    let mut weights = numbers(1);
    let mut moments = [(); 2].map(|()| Tensor::zeros([count], (&Device::flex(), dtype)));
    for time in 1..=3 {
        (weights, moments) = adamw(weights, numbers(10 + time as u32), moments, AdamWStep { time, ..STEP });
    }
    values(weights)
}

#[test]
fn three_updates_are_burns() {
    for count in [1, 7, 100_003] {
        let burns = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.1).build();
        let (mut weights, mut state) = (numbers::<1>(1, [count], &Device::flex()), None);
        for time in 1..=3 {
            let gradient = numbers::<1>(10 + time, [count], &Device::flex());
            (weights, state) = burns.step(0.01, weights, gradient, state);
        }
        let ours = updated(count, DType::F32);
        assert_close("by the kernel", &ours, &values(weights));
        assert_close("in double precision", &ours, &updated(count, DType::F64));
    }
}

#[test]
fn who_else_holds_a_tensor_sees_no_change_and_threads_change_nothing() {
    let [weights, gradient, first, second] = [1, 2, 3, 4].map(|seed| numbers::<1>(seed, [40_000], &Device::flex()));
    let second = second.abs();
    let before = [&weights, &gradient, &first, &second].map(|tensor| values(tensor.clone()));
    let update = |threads| {
        let moments = [first.clone(), second.clone()];
        let (weights, gradient) = (weights.clone(), gradient.clone());
        on_threads(threads, || values(adamw(weights, gradient, moments, AdamWStep { time: 9, ..STEP }).0))
    };
    assert_eq!(update(1), update(3));
    assert_eq!(before, [&weights, &gradient, &first, &second].map(|tensor| values(tensor.clone())));
}

//! Helpers of the tests of maps.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers in -1..1, the same every time.
pub fn numbers<const D: usize>(seed: u32, shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.cast(DType::F32).into_data().try_to_vec().expect("numbers")
}

/// All differences are below a ten-thousandth of the greatest number.
pub fn assert_close(name: &str, ours: &[f32], reference: &[f32]) {
    assert_eq!(ours.len(), reference.len(), "{name}");
    let greatest = reference.iter().fold(0.0f32, |greatest, value| greatest.max(value.abs()));
    for (index, (a, b)) in ours.iter().zip(reference).enumerate() {
        assert!((a - b).abs() <= 1e-4 * greatest + 1e-6, "{name}, number {index}: {a} instead of {b}");
    }
}

/// Runs `work` on as many threads as asked for.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(work)
}

//! Dropout whose masks follow from a seed.

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// The random numbers of one forward pass of training, or none at all.
///
/// burn's own dropout draws from one generator per process, on the device: what it draws depends on everything that was drawn
/// before. These masks are drawn on the host and follow from the seed alone, so that a run that goes on from a checkpoint sees
/// the masks that it would have seen.
pub struct Noise(Option<ChaCha8Rng>);

impl Noise {
    /// Nothing is dropped: to plan and to evaluate.
    pub fn none() -> Self {
        Self(None)
    }

    /// The noise that follows from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // A stream of its own: something else may be drawn from the same seed.
        rng.set_stream(1);
        Self(Some(rng))
    }

    /// True where a dropout at this rate changes anything.
    pub(crate) fn drops(&self, rate: f64) -> bool {
        self.0.is_some() && rate > 0.0
    }

    /// Every number is zero with probability `rate`, else divided by `1 - rate` (Srivastava et al., 2014). Without noise, or
    /// at rate 0, `x` itself.
    pub fn dropout<const D: usize>(&mut self, x: Tensor<D>, rate: f64) -> Tensor<D> {
        let Some(rng) = self.0.as_mut().filter(|_| rate > 0.0) else { return x };
        let (threshold, kept) = ((rate * 2.0_f64.powi(32)) as u32, (1.0 / (1.0 - rate)) as f32);
        let draw = |_| if rng.next_u32() < threshold { 0.0 } else { kept };
        let mask: Vec<f32> = (0..x.shape().num_elements()).map(draw).collect();
        let mask = Tensor::from_data(TensorData::new(mask, x.dims()), (&x.device(), x.dtype()));
        x * mask
    }

    /// Standard normal numbers; zeros without noise.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let Some(rng) = self.0.as_mut() else { return Tensor::zeros(shape, device) };
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| StandardNormal.sample(rng)).collect();
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }
}

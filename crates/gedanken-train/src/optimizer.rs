//! The optimiser: AdamW on a kernel of our own, whose state is read back onto the CPU.

use burn::optim::{AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer, RecordState};
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use gedanken_nn::AdamWStep;

/// AdamW (Loshchilov and Hutter, 2019) with PyTorch's numbers: betas 0.9 and 0.999, epsilon 1e-8.
pub fn adamw(weight_decay: f64) -> ModuleOptimizer {
    ModuleOptimizer::from(AdamW { decay: weight_decay })
}

#[derive(Clone)]
struct AdamW {
    decay: f64,
}

/// Time and moments. burn puts a stored state on its default device before the next step moves it to where the parameters are.
/// With a GPU backend compiled in, that is a GPU, and no run could go on where there is none: this one goes to the CPU.
#[derive(Clone)]
struct State<const D: usize>(AdaptiveMomentumState<D>);

impl<const D: usize> RecordState for State<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, _default: &Device) -> Option<Self> {
        AdaptiveMomentumState::state_unflatten(prefix, src, &Device::flex()).map(Self)
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = State<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let zeros = || Tensor::zeros(weights.dims(), (&weights.device(), weights.dtype()));
        let (time, moments) = match state {
            Some(State(state)) => (state.time + 1, [state.moment_1, state.moment_2]),
            None => (1, [zeros(), zeros()]),
        };
        let step = AdamWStep { rate, decay: self.decay, betas: [0.9, 0.999], epsilon: 1e-8, time };
        let (weights, [first, second]) = gedanken_nn::adamw(weights, gradient, moments, step);
        (weights, Some(State(AdaptiveMomentumState::new(time, first, second))))
    }

    fn to_device<const D: usize>(State(state): Self::State<D>, device: &Device) -> Self::State<D> {
        State(state.to_device(device))
    }
}

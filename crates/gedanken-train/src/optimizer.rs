//! The optimiser: burn's AdamW, whose state is read back onto the CPU.

use burn::optim::{AdamW, AdamWConfig, AdamWState, LearningRate, ModuleOptimizer, Optimizer, RecordState};
use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// AdamW (Loshchilov and Hutter, 2019) with PyTorch's epsilon.
pub fn adamw(weight_decay: f64) -> ModuleOptimizer {
    let config = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(weight_decay as f32);
    ModuleOptimizer::from(FromHost(config.build()))
}

/// [`AdamW`] but for one thing. burn puts a stored state on its default device before the next step moves it to where the
/// parameters are. With a GPU backend compiled in, that is a GPU, and no run could go on where there is none.
#[derive(Clone)]
struct FromHost(AdamW);

/// The state of [`FromHost`].
#[derive(Clone)]
struct HostState<const D: usize>(AdamWState<D>);

impl<const D: usize> RecordState for HostState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, _default: &Device) -> Option<Self> {
        AdamWState::state_unflatten(prefix, src, &Device::flex()).map(Self)
    }
}

impl Optimizer for FromHost {
    type State<const D: usize> = HostState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (tensor, state) = self.0.step(rate, tensor, gradient, state.map(|state| state.0));
        (tensor, state.map(HostState))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        HostState(AdamW::to_device(state.0, device))
    }
}

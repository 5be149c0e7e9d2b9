//! The optimisers: AdamW on a kernel of our own, and Muon for matrices beside it.

use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaptiveMomentumState, LearningRate, ModuleOptimizer, Muon, MuonConfig, MuonState, Optimizer, RecordState,
    StateSink, StateSource,
};
use burn::tensor::{Device, Tensor};
use gedanken_nn::AdamWStep;

use crate::config::{OptimizerKind, TrainConfig};

/// The optimiser of a config: AdamW (Loshchilov and Hutter, 2019) with PyTorch's numbers (betas 0.9 and 0.999, epsilon 1e-8), or
/// Muon for matrices and AdamW for the rest. It is stepped with the rate of [`TrainConfig::learning_rate`].
pub fn optimizer(config: &TrainConfig) -> ModuleOptimizer {
    let muon = match config.optimizer {
        OptimizerKind::AdamW => None,
        OptimizerKind::Muon => Some(Orthogonal::new(config)),
    };
    ModuleOptimizer::from(Rule { decay: config.weight_decay, muon })
}

#[derive(Clone)]
struct Rule {
    decay: f64,
    muon: Option<Orthogonal>,
}

/// Muon (Jordan and others, 2024): Nesterov momentum of 0.95, made orthogonal by five rounds of Newton and Schulz's iteration, times
/// `sqrt(max(1, outputs / inputs))`.
#[derive(Clone)]
struct Orthogonal {
    muon: Muon,
    /// Its rate over AdamW's.
    share: f64,
}

impl Orthogonal {
    fn new(config: &TrainConfig) -> Self {
        let momentum = MomentumConfig { momentum: 0.95, dampening: 0.0, nesterov: true };
        Self { muon: MuonConfig::new().with_momentum(momentum).build(), share: config.matrix_lr / config.lr.max(1e-30) }
    }

    /// burn takes weights for `[outputs, inputs]` and scales by the one over the other; ours are `[inputs, outputs]`.
    fn rate(&self, rate: f64, inputs: usize, outputs: usize) -> f64 {
        let scale = |a: usize, b: usize| (a as f64 / b as f64).max(1.0).sqrt();
        rate * self.share * scale(outputs, inputs) / scale(inputs, outputs)
    }
}

/// Sides of a matrix up to this length are left to AdamW.
const SMALL: usize = 30;

/// burn puts a stored state on its default device before the next step moves it to where the parameters are. With a GPU backend
/// compiled in, that is a GPU, and no run could go on where there is none: this one goes to the CPU.
#[derive(Clone)]
enum State<const D: usize> {
    /// AdamW's time and moments.
    Moments(Box<AdaptiveMomentumState<D>>),
    /// Muon's momentum.
    Momentum(Box<MuonState<D>>),
}

impl<const D: usize> RecordState for State<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        match self {
            Self::Moments(state) => state.state_flatten(prefix, out),
            Self::Momentum(state) => state.state_flatten(prefix, out),
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, _default: &Device) -> Option<Self> {
        let cpu = Device::flex();
        let momentum = MuonState::state_unflatten(prefix, src, &cpu).map(|state| Self::Momentum(Box::new(state)));
        momentum.or_else(|| {
            AdaptiveMomentumState::state_unflatten(prefix, src, &cpu).map(|state| Self::Moments(Box::new(state)))
        })
    }
}

impl Optimizer for Rule {
    type State<const D: usize> = State<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let shape = weights.dims();
        if let Some(orthogonal) = self.muon.as_ref().filter(|_| D == 2 && shape.iter().all(|&side| side > SMALL)) {
            let state = match state {
                Some(State::Momentum(state)) => Some(*state),
                _ => None,
            };
            let matrix_rate = orthogonal.rate(rate, shape[0], shape[1]);
            let weights = weights.mul_scalar(1.0 - rate * orthogonal.share * self.decay);
            let (weights, state) = orthogonal.muon.step(matrix_rate, weights, gradient, state);
            return (weights, state.map(|state| State::Momentum(Box::new(state))));
        }
        let zeros = || Tensor::zeros(weights.dims(), (&weights.device(), weights.dtype()));
        let (time, moments) = match state {
            Some(State::Moments(state)) => (state.time + 1, [state.moment_1, state.moment_2]),
            _ => (1, [zeros(), zeros()]),
        };
        let step = AdamWStep { rate, decay: self.decay, betas: [0.9, 0.999], epsilon: 1e-8, time };
        let (weights, [first, second]) = gedanken_nn::adamw(weights, gradient, moments, step);
        (weights, Some(State::Moments(Box::new(AdaptiveMomentumState::new(time, first, second)))))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        match state {
            State::Moments(state) => State::Moments(Box::new(state.to_device(device))),
            State::Momentum(state) => State::Momentum(Box::new(<Muon as Optimizer>::to_device(*state, device))),
        }
    }
}

//! The slow copy of a module: it starts anywhere, follows by its formula, and teaches nobody.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Named, Slow, named_parameters, seeded};

#[derive(Module, Debug)]
struct Network {
    linear: Linear,
    norm: BatchNorm,
}

impl Network {
    fn new(seed: u64) -> Self {
        seeded(seed, |device| Self {
            linear: LinearConfig::new(3, 2).init(device),
            norm: BatchNormConfig::new(2).init(device),
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm.forward(self.linear.forward(x))
    }
}

/// A network in training, and its slow copy.
#[derive(Module, Debug)]
struct Both {
    online: Network,
    slow: Slow<Network>,
}

fn inputs(phase: f32) -> Tensor<2> {
    let numbers: Vec<f32> = (0..24).map(|i| 3.0 + ((i * i) as f32 * 0.37 + phase).sin()).collect();
    Tensor::<1>::from_data(numbers.as_slice(), &Device::flex()).reshape([8, 3])
}

/// One update of the online network alone, which moves its running statistics too.
fn update(both: Both, optimizer: &mut ModuleOptimizer) -> Both {
    let loss = both.online.forward(inputs(0.1).autodiff()).powi_scalar(3).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &both);
    optimizer.step(0.1, both, gradients)
}

/// The parameters, statistics included, of a network in training.
fn of(network: &Network) -> Vec<Named> {
    named_parameters(&network.valid())
}

fn statistics(network: &Network) -> Vec<f32> {
    of(network).into_iter().filter(Named::is_statistic).flat_map(|named| named.values).collect()
}

#[test]
fn at_a_rate_of_one_it_is_a_copy_and_at_zero_it_stays() {
    let (own, other) = (Network::new(1), Network::new(2));
    let mut slow = Slow::like(own.clone());
    assert_eq!(of(slow.get()), of(&own));
    slow.follow(&other, 0.0);
    assert_eq!(of(slow.get()), of(&own));
    slow.follow(&other, 1.0);
    assert_eq!(of(slow.get()), of(&other));
    assert_ne!(of(slow.get()), of(&own));
}

#[test]
fn it_follows_by_the_formula_weights_and_running_statistics_alike() {
    const RATE: f64 = 0.3;
    let (mut both, mut optimizer) =
        (Both { online: Network::new(1), slow: Slow::like(Network::new(2)) }.train(), SgdConfig::new().init());
    let mut expected: Vec<Vec<f64>> = numbers(both.slow.get());
    for _ in 0..5 {
        both = update(both, &mut optimizer);
        both.slow.follow(&both.online, RATE);
        for (slow, online) in expected.iter_mut().zip(numbers(&both.online)) {
            slow.iter_mut().zip(online).for_each(|(slow, online)| *slow = (1.0 - RATE) * *slow + RATE * online);
        }
    }
    let found = of(both.slow.get());
    assert_eq!(found.len(), 6, "weight, bias, gamma, beta, running mean and variance");
    for (named, expected) in found.iter().zip(&expected) {
        for (found, expected) in named.values.iter().zip(expected) {
            let found = f64::from(*found);
            assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{}: {found}, {expected}", named.name);
        }
    }
    assert!(statistics(both.slow.get()).iter().all(|&x| x != 0.0 && x != 1.0), "the statistics came along");
}

fn numbers(network: &Network) -> Vec<Vec<f64>> {
    of(network).into_iter().map(|named| named.values.into_iter().map(f64::from).collect()).collect()
}

#[test]
fn running_statistics_are_not_shared() {
    let online = Network::new(1);
    // From a network of its own, and from the online network's `valid`.
    for slow in [Slow::like(Network::new(1)), Slow::like(online.valid())] {
        let (mut both, mut optimizer) = (Both { online: online.clone(), slow }.train(), SgdConfig::new().init());
        let before = statistics(both.slow.get());
        both = update(both, &mut optimizer);
        assert_eq!(statistics(both.slow.get()), before, "the online network's do not move the copy's");
        let online = statistics(&both.online);
        assert_ne!(online, before);
        drop(both.slow.get().forward(inputs(2.0).autodiff()));
        assert_ne!(statistics(both.slow.get()), before, "it saw a batch in training");
        assert_eq!(statistics(&both.online), online, "the copy's do not move the online network's");
    }
}

#[test]
fn it_takes_no_gradient_however_often_it_has_followed() {
    let (mut both, mut optimizer) =
        (Both { online: Network::new(1), slow: Slow::like(Network::new(2)) }.train(), SgdConfig::new().init());
    for _ in 0..3 {
        let x = inputs(0.1).autodiff();
        let error = both.online.forward(x.clone()) - both.slow.get().forward(x);
        let gradients = GradientsParams::from_grads(error.square().sum().backward(), &both);
        assert_eq!(gradients.len(), 4, "those of the online network");
        let before = of(both.slow.get());
        both = optimizer.step(0.1, both, gradients);
        let weights = |named: Vec<Named>| named.into_iter().filter(|named| !named.is_statistic()).collect::<Vec<_>>();
        assert_eq!(weights(of(both.slow.get())), weights(before), "an update leaves it where it is");
        both.slow.follow(&both.online, 0.5);
    }
}

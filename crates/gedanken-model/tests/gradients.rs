//! What the loss teaches whom: its gradient is its slope, and the heads beside it teach the latents nothing.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use gedanken_encoder::{ConvEncoderConfig, ImpalaConfig, PatchConfig, PatchLatent, VitConfig};
use gedanken_model::heads::{DistanceConfig, InverseDynamicsConfig, ProbeConfig};
use gedanken_model::*;
use gedanken_nn::{Learn, Progress, Spaces, TrainBatch, named_parameters};
use gedanken_parts::Table;
use gedanken_predictor::{ConvConfig, GruConfig, ResidualMlpConfig, TransformerConfig};
use gedanken_regularizer::{Covariance, Sigreg, Variance};

const PROGRESS: Progress = Progress { step: 0, steps: 1 };
const SPACES: Spaces = Spaces { pixels: [2, 6, 6], action: 2, labels: 3, proprioception: Vec::new() };

/// Tiny models of every kind: a map with convolutions, vectors with a GRU and with an MLP, and LeWorldModel's parts, taught and
/// unrolled.
fn configs() -> Vec<ModelConfig> {
    let patch = |latent| PatchConfig { patch: 2, width: 4, groups: 2, depth: 1, dim: 3, latent };
    let vit = VitConfig { patch: 3, dim: 6, depth: 1, heads: 2, mlp: 5, projector: 5 };
    let conv = ConvEncoderConfig { patch: 3, channels: vec![2, 4], groups: 2, dim: 6, ..Default::default() };
    let transformer = TransformerConfig {
        depth: 1,
        heads: 2,
        head_dim: 3,
        mlp: 5,
        action_hidden: 4,
        projector: 5,
        ..TransformerConfig::default()
    };
    let impala = ImpalaConfig { channels: vec![3, 2], dim: 4 };
    let parts = [
        (
            Table::of("patch", &patch(PatchLatent::Map)),
            Table::of("conv", &ConvConfig { width: 4, groups: 2, depth: 1 }),
        ),
        (Table::of("patch", &patch(PatchLatent::Vector)), Table::of("gru", &GruConfig::default())),
        (Table::of("impala", &impala), Table::of("mlp", &ResidualMlpConfig { hidden: 5, action_dim: 3 })),
        (Table::of("vit", &vit), Table::of("transformer", &transformer)),
        (Table::of("conv", &conv), Table::of("transformer", &transformer)),
    ];
    let config = |(encoder, predictor): (Table, Table)| {
        let loss = LossConfig::default()
            .with("inverse_dynamics", None, &InverseDynamicsConfig { hidden: Some(4) })
            .with("probe", None, &ProbeConfig { channels: vec![3], hidden: 4, teaches: false });
        let loss = match predictor.kind.as_str() {
            "transformer" => loss
                .with("variance", Some(0.0), &Variance::default())
                .with("covariance", Some(0.0), &Covariance::default())
                .with("sigreg", Some(0.5), &Sigreg { projections: 6 }),
            _ => loss,
        };
        let (teacher, shared_norm) = (encoder.kind == "vit", predictor.kind == "gru");
        let prediction = PredictionConfig { unroll: 3, shared_norm, teacher };
        let loss = with_distance(loss, 0.0);
        ModelConfig { encoder, predictor, prediction, loss, ..ModelConfig::default() }
    };
    parts.into_iter().map(config).collect()
}

fn with_distance(loss: LossConfig, weight: f64) -> LossConfig {
    let distance = DistanceConfig { hidden: vec![5], dim: 3, steps: 2, ..DistanceConfig::default() };
    loss.with("distance", Some(weight), &distance)
}

fn wave(i: usize, phase: f64) -> f64 {
    (0.37 * ((i * i) % 10007) as f64 + phase).sin()
}

/// Two layouts of two windows of four frames and another one.
fn batch(dtype: DType, label_scale: f64) -> TrainBatch {
    fn tensor<const D: usize>(shape: [usize; D], phase: f64, scale: f64, dtype: DType) -> Tensor<D> {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|i| scale * wave(i, phase)).collect();
        Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex().autodiff(), dtype))
    }
    TrainBatch {
        latents: None,
        pixels: tensor([20, 2, 6, 6], 0.1, 1.0, dtype),
        actions: tensor([4, 3, 2], 0.2, 1.0, dtype),
        labels: tensor([20, 3], 0.3, label_scale, dtype),
        at: [0, 1, 2, 3, 9].repeat(4),
        layouts: 2,
        episodes: 2,
        time: 4,
        extra: 1,
        seed: 7,
    }
}

/// A model whose weights follow from their places alone, the one at `(parameter, index)` moved by some number.
fn model(config: &ModelConfig, dtype: DType, moved: (usize, usize), by: f64) -> WorldModel {
    struct Fill {
        parameter: usize,
        dtype: DType,
        moved: (usize, usize),
        by: f64,
    }
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (parameter, offset) = (self.parameter, if D == 1 { 0.7 } else { 0.0 });
            self.parameter += 1;
            param.map(|old| {
                let mut numbers: Vec<f64> =
                    (0..old.shape().num_elements()).map(|i| offset + 0.3 * wave(i, 0.1 * parameter as f64)).collect();
                if parameter == self.moved.0 {
                    numbers[self.moved.1] += self.by;
                }
                Tensor::from_data(TensorData::new(numbers, old.dims()), (&old.device(), self.dtype))
            })
        }
    }
    let plan = Parts::default().plan(config).expect("known parts");
    let model = WorldModel::new(&plan, SPACES, 0, &Device::flex());
    model.map(&mut Fill { parameter: 0, dtype, moved, by }).train()
}

const NOWHERE: (usize, usize) = (usize::MAX, 0);

/// The gradients of a loss by the parameters' names.
fn gradients(model: &WorldModel, loss: Tensor<1>) -> BTreeMap<String, Vec<f64>> {
    struct Collect(GradientsParams, Vec<Option<Vec<f64>>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push(self.0.get::<D>(param.id).map(|gradient| gradient.into_data().iter::<f64>().collect()));
        }
    }
    let mut collect = Collect(GradientsParams::from_grads(loss.backward(), model), Vec::new());
    model.visit(&mut collect);
    let names = named_parameters(model).into_iter().map(|named| named.name);
    names.zip(collect.1).filter_map(|(name, gradient)| Some((name, gradient?))).collect()
}

/// What the latents learn from: the loss without the heads beside it.
fn of_latents(model: &WorldModel, dtype: DType) -> Tensor<1> {
    let loss = model.loss(batch(dtype, 1.0), PROGRESS);
    let beside = loss.terms.into_iter().filter(|(name, _)| *name == "probe").map(|(_, term)| term);
    beside.fold(loss.total, |total, term| total - term)
}

fn learns_latents(name: &str) -> bool {
    ["encoder.", "predictor.", "norm."].iter().any(|part| name.starts_with(part))
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    const STEP: f64 = 1e-5;
    for config in configs() {
        let at = |moved, by| of_latents(&model(&config, DType::F64, moved, by), DType::F64).into_scalar::<f64>();
        let start = model(&config, DType::F64, NOWHERE, 0.0);
        let gradients = gradients(&start, of_latents(&start, DType::F64));
        let mut tried = 0;
        for (parameter, named) in named_parameters(&start).into_iter().enumerate() {
            if !learns_latents(&named.name) || named.is_statistic() {
                continue;
            }
            let gradient = &gradients[&named.name];
            let size = gradient.iter().fold(0.0_f64, |size, g| size.max(g.abs()));
            for index in [0, gradient.len() / 2, gradient.len() - 1] {
                let slope = (at((parameter, index), STEP) - at((parameter, index), -STEP)) / (2.0 * STEP);
                let ours = gradient[index];
                assert!((ours - slope).abs() < 1e-5 * size + 1e-6, "{}[{index}]: {ours}, not {slope}", named.name);
                tried += usize::from(slope.abs() > 1e-3);
            }
        }
        assert!(tried > 15, "only {tried} weights matter");
    }
}

#[test]
fn single_precision_gives_the_gradients_of_double_precision() {
    for config in configs() {
        let [exact, single] = [DType::F64, DType::F32].map(|dtype| {
            let model = model(&config, dtype, NOWHERE, 0.0);
            gradients(&model, model.loss(batch(dtype, 1.0), PROGRESS).total)
        });
        for (name, exact) in exact {
            // A batch norm takes away the bias before it, and what the norm before that adds: nothing but rounding is left.
            if name.ends_with("projector.hidden.bias") || name == "encoder.norm.beta" {
                continue;
            }
            let size = exact.iter().fold(0.0_f64, |size, g| size.max(g.abs()));
            for (index, (ours, exact)) in single[&name].iter().zip(exact).enumerate() {
                assert!((ours - exact).abs() < 1e-3 * size + 1e-4, "{name}[{index}]: {ours}, not {exact}");
            }
        }
    }
}

#[test]
fn distance_and_probe_teach_the_latents_nothing() {
    let shared = |gradients: &BTreeMap<String, Vec<f64>>| -> Vec<(String, Vec<f64>)> {
        gradients.clone().into_iter().filter(|(name, _)| learns_latents(name)).collect()
    };
    for config in configs() {
        let train = |weight, label_scale| {
            let loss = with_distance(config.loss.clone(), weight);
            let model = model(&ModelConfig { loss, ..config.clone() }, DType::F32, NOWHERE, 0.0);
            gradients(&model, model.loss(batch(DType::F32, label_scale), PROGRESS).total)
        };
        let (without, with, other_labels) = (train(0.0, 1.0), train(1.0, 1.0), train(0.0, 50.0));
        assert!(!shared(&without).is_empty());
        assert_eq!(shared(&without), shared(&with));
        assert_eq!(shared(&without), shared(&other_labels));
        // They do learn themselves.
        let learns = |gradients: &BTreeMap<String, Vec<f64>>, part: &str| {
            gradients.iter().any(|(name, gradient)| name.starts_with(part) && gradient.iter().any(|g| g.abs() > 1e-6))
        };
        assert!(learns(&with, "terms.distance.online") && !learns(&with, "terms.distance.target"));
        assert!(learns(&with, "terms.probe."));
        let first = "terms.probe.readout.mlp.layers.0.weight";
        assert_ne!(without[first], other_labels[first]);
    }
}

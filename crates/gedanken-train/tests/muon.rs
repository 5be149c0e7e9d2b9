//! Muon's update of a matrix.
#![allow(missing_docs)]

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use gedanken_train::{OptimizerKind, TrainConfig, optimizer};

#[derive(Module, Debug)]
struct Matrix {
    weight: Param<Tensor<2>>,
}

/// The change of a matrix of zeros `[inputs, outputs]` by one update at these rates.
fn change(shape: [usize; 2], kind: OptimizerKind) -> Tensor<2> {
    let device = Device::flex();
    let config =
        TrainConfig { optimizer: kind, lr: 1e-3, matrix_lr: 0.02, weight_decay: 0.0, ..TrainConfig::default() };
    let model = Matrix { weight: Param::from_tensor(Tensor::zeros(shape, &device)) };
    let numbers = (0..shape[0] * shape[1]).map(|i| ((i * i) as f32 * 0.37).sin() + 0.1);
    let gradient = Tensor::<2>::from_data(TensorData::new(numbers.collect(), shape), &device);
    let mut gradients = GradientsParams::new();
    gradients.register(model.weight.id, gradient);
    optimizer(&config).step(1e-3, model.train(), gradients).valid().weight.val()
}

#[test]
fn an_update_of_muon_is_nearly_orthogonal_and_longer_where_there_are_more_outputs() {
    for ([inputs, outputs], scale) in [([40, 40], 1.0), ([40, 160], 2.0), ([160, 40], 1.0)] {
        let step = change([inputs, outputs], OptimizerKind::Muon).div_scalar(0.02 * scale);
        // The smaller product of the two is the identity where all singular values are 1. Five rounds bring them near it.
        let square = match inputs > outputs {
            true => step.clone().transpose().matmul(step),
            false => step.clone().matmul(step.transpose()),
        };
        let side = inputs.min(outputs);
        let rows: Vec<f32> = square.into_data().try_to_vec().unwrap();
        let diagonal = (0..side).map(|i| rows[i * side + i]).sum::<f32>() / side as f32;
        let others = rows.iter().enumerate().filter(|(i, _)| i / side != i % side).map(|(_, x)| x * x).sum::<f32>();
        let off = (others / (side * (side - 1)) as f32).sqrt();
        assert!((0.6..1.3).contains(&diagonal), "{inputs} x {outputs}: {diagonal}");
        assert!(off < 0.1, "{inputs} x {outputs}: {off}");
    }
}

#[test]
fn narrow_matrices_are_left_to_adamw() {
    let [one, other] = [OptimizerKind::Muon, OptimizerKind::AdamW].map(|kind| change([40, 30], kind).into_data());
    assert_eq!(one, other);
}

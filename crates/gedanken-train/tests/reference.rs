//! The optimiser and the clipping against the numbers that `gedanken-model/reference/make.py` made with PyTorch.

#[path = "../../gedanken-model/reference/parts.rs"]
mod parts;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use gedanken_train::{TrainConfig, clip_parts, optimizer};
use parts::{array, assert_close, fill, number, numbers, part, tensor};
use serde_json::{Value, json};

#[derive(Module, Debug)]
struct Vector {
    values: Param<Tensor<1>>,
}

#[test]
fn the_optimiser_walks_as_pytorchs_adamw_does() {
    let case = part("adamw");
    let weight_decay = number(&case["weight_decay"]);
    let mut optimizer = optimizer(&TrainConfig { weight_decay, ..TrainConfig::default() });
    let start = Vector { values: Param::from_tensor(Tensor::zeros([6], &Device::flex())) };
    let mut model = fill(start, &[case["start"].clone()], DType::F32);
    for (step, expected) in case["trajectory"].as_array().unwrap().iter().enumerate() {
        let mut gradient: Value = case["gradient"].clone();
        gradient["phase"] = json!(number(&gradient["phase"]) + step as f64);
        let mut gradients = GradientsParams::new();
        gradients.register(model.values.id, tensor::<1>(&gradient, DType::F32));
        model = optimizer.step(number(&case["lr"]), model, gradients);
        // A step is 1e-3 long.
        assert_close(&numbers(model.values.val().inner()), &array(expected), 5e-7, &format!("step {step}"));
    }
}

/// A model whose one part has three parameters.
#[derive(Module, Debug)]
struct Whole {
    part: Parameters,
}

#[derive(Module, Debug)]
struct Parameters {
    first: Param<Tensor<1>>,
    second: Param<Tensor<2>>,
    third: Param<Tensor<1>>,
}

#[test]
fn a_part_is_clipped_by_its_whole_norm_as_by_pytorch() {
    let device = Device::flex();
    let parameters = Parameters {
        first: Param::from_tensor(Tensor::zeros([3], &device)),
        second: Param::from_tensor(Tensor::zeros([2, 4], &device)),
        third: Param::from_tensor(Tensor::zeros([5], &device)),
    };
    let model = Whole { part: parameters };
    for name in ["above", "below"] {
        let case = &part("clip")[name];
        let described = &case["gradients"];
        let mut gradients = GradientsParams::new();
        gradients.register(model.part.first.id, tensor::<1>(&described[0], DType::F32));
        gradients.register(model.part.second.id, tensor::<2>(&described[1], DType::F32));
        gradients.register(model.part.third.id, tensor::<1>(&described[2], DType::F32));
        let norms = clip_parts(&model, &mut gradients, number(&case["max_norm"]));
        assert_eq!(norms.len(), 1);
        assert_eq!(norms[0].name, "part");
        assert_close(&numbers(norms[0].norm.clone()), &[number(&case["norm"])], 1e-6, name);
        let clipped = [
            numbers(gradients.get::<1>(model.part.first.id).unwrap()),
            numbers(gradients.get::<2>(model.part.second.id).unwrap()),
            numbers(gradients.get::<1>(model.part.third.id).unwrap()),
        ];
        for (ours, theirs) in clipped.iter().zip(case["clipped"].as_array().unwrap()) {
            assert_close(ours, &array(theirs), 1e-6, name);
        }
    }
}

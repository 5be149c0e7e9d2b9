//! The blocks against the numbers that `gedanken-model/reference/make.py` made with PyTorch.

#[path = "../../gedanken-model/reference/parts.rs"]
mod parts;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use gedanken_nn::GroupNormConfig;
use parts::{PRECISIONS, array, assert_close, fill, input, numbers, parameter_gradients, part, tensor};

#[test]
fn group_norm_with_a_rectifier_and_its_gradients_are_pytorchs() {
    let case = part("group_norm_relu");
    for (dtype, tolerance) in PRECISIONS {
        let norm = GroupNormConfig::new(4, 8).init(&Device::flex());
        let norm = fill(norm, case["parameters"].as_array().unwrap(), dtype);
        let maps = input::<4>(&case["input"], dtype);
        let result = norm.forward_relu(maps.clone());
        assert_close(&numbers(result.clone().inner()), &array(&case["output"]), tolerance, "result");

        let gradients = (result * tensor::<4>(&case["upstream"], dtype).autodiff()).sum().backward();
        let of_maps = numbers(maps.grad(&gradients).unwrap());
        assert_close(&of_maps, &array(&case["input_gradient"]), tolerance, "gradient of the maps");
        let ours = parameter_gradients(&norm, &GradientsParams::from_grads(gradients, &norm));
        for (name, ours) in ["weight", "bias"].iter().zip(ours) {
            assert_close(&ours, &array(&case["parameter_gradients"][name]), tolerance, name);
        }
    }
}

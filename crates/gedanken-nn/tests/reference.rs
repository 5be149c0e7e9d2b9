//! The blocks against the numbers that `gedanken-model/reference/make.py` made with PyTorch.

#[path = "../../gedanken-model/reference/parts.rs"]
mod parts;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use gedanken_nn::{GroupNormConfig, Projector};
use parts::{
    PRECISIONS, array, assert_close, assert_parameter_gradients, fill, input, lewm, numbers, parameter_gradients, part,
    tensor,
};

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

#[test]
fn the_projector_its_gradients_and_its_running_statistics_are_pytorchs() {
    let case = lewm("projector");
    for (dtype, tolerance) in PRECISIONS {
        let projector = fill(Projector::new(6, 10, &Device::flex()), case["parameters"].as_array().unwrap(), dtype);
        let x = input::<2>(&case["inputs"][0], dtype);
        let result = projector.forward(x.clone());
        assert_close(&numbers(result.clone().inner()), &array(&case["output"]), tolerance, "result");

        let gradients = (result * tensor::<2>(&case["upstream"], dtype).autodiff()).sum().backward();
        let of_input = numbers(x.grad(&gradients).unwrap());
        assert_close(&of_input, &array(&case["input_gradients"][0]), tolerance, "gradient of the input");
        let ours = parameter_gradients(&projector, &GradientsParams::from_grads(gradients, &projector));
        assert_parameter_gradients(&ours, &case, tolerance);

        let afterwards = projector.valid();
        let [mean, variance] =
            [&afterwards.norm.running_mean, &afterwards.norm.running_var].map(|x| numbers(x.value()));
        assert_close(&mean, &array(&case["running"]["norm.running_mean"]), tolerance, "running mean");
        assert_close(&variance, &array(&case["running"]["norm.running_var"]), tolerance, "running variance");
        let result = afterwards.forward(tensor::<2>(&case["inputs"][0], dtype));
        assert_close(&numbers(result), &array(&case["output_afterwards"]), tolerance, "result afterwards");
    }
}

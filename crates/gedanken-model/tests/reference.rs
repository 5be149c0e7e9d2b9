//! Parts of the loss against the numbers that `reference/make.py` made with PyTorch.

#[path = "../reference/parts.rs"]
mod parts;

use burn::nn::LayerNormConfig;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use gedanken_model::heads::expectile_loss;
use parts::{PRECISIONS, array, assert_close, fill, input, number, numbers, parameter_gradients, part, tensor};

#[test]
fn the_expectile_loss_and_its_gradient_are_pytorchs() {
    let case = part("expectile");
    // PyTorch's tau is the weight of targets shorter than the distance, ours that of the longer ones.
    let expectile = 1.0 - number(&case["tau"]);
    for (dtype, tolerance) in PRECISIONS {
        let distance = input::<1>(&case["distance"], dtype);
        let target = input::<1>(&case["target"], dtype);
        let loss = expectile_loss(distance.clone(), target.clone(), expectile);
        assert_close(&numbers(loss.clone().inner()), &[number(&case["value"])], tolerance, "value");
        let gradients = loss.backward();
        let ours = numbers(distance.grad(&gradients).unwrap());
        assert_close(&ours, &array(&case["distance_gradient"]), tolerance, "gradient of the distance");
        assert!(target.grad(&gradients).is_none(), "a target takes no gradient");
    }
}

#[test]
fn the_layer_norm_and_its_gradients_are_pytorchs() {
    let case = part("layer_norm");
    for (dtype, tolerance) in PRECISIONS {
        let norm = fill(LayerNormConfig::new(8).init(&Device::flex()), case["parameters"].as_array().unwrap(), dtype);
        let x = input::<4>(&case["input"], dtype);
        let result = norm.forward(x.clone());
        assert_close(&numbers(result.clone().inner()), &array(&case["output"]), tolerance, "result");

        let gradients = (result * tensor::<4>(&case["upstream"], dtype).autodiff()).sum().backward();
        let of_input = numbers(x.grad(&gradients).unwrap());
        assert_close(&of_input, &array(&case["input_gradient"]), tolerance, "gradient of the input");
        let ours = parameter_gradients(&norm, &GradientsParams::from_grads(gradients, &norm));
        for (name, ours) in ["weight", "bias"].iter().zip(ours) {
            assert_close(&ours, &array(&case["parameter_gradients"][name]), tolerance, name);
        }
    }
}

//! The predictors against the numbers that `gedanken-model/reference/make.py` made with PyTorch.

#[path = "../../gedanken-model/reference/parts.rs"]
mod parts;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use gedanken_predictor::GruConfig;
use parts::{PRECISIONS, array, assert_close, fill, input, numbers, parameter_gradients, part};
use serde_json::Value;

#[test]
fn the_gru_and_all_its_gradients_are_pytorchs() {
    let case = part("gru");
    let theirs = case["parameters"].as_array().unwrap();
    let names = ["weight_ih", "bias_ih", "weight_hh", "bias_hh"];
    let described: Vec<Value> =
        names.iter().map(|name| theirs.iter().find(|p| p["name"] == *name).unwrap().clone()).collect();
    for (dtype, tolerance) in PRECISIONS {
        let gru = fill(GruConfig::default().init(8, 2, &Device::flex()), &described, dtype);
        let (action, state) = (input::<2>(&case["input"], dtype), input::<2>(&case["hidden"], dtype));
        let next = gru.forward(state.clone().unsqueeze_dim(1), action.clone());
        assert_close(&numbers(next.clone().inner()), &array(&case["output"]), tolerance, "next state");

        let gradients = next.sum().backward();
        let of = |x: &burn::tensor::Tensor<2>| numbers(x.grad(&gradients).unwrap());
        assert_close(&of(&action), &array(&case["input_gradient"]), tolerance, "gradient of the action");
        assert_close(&of(&state), &array(&case["hidden_gradient"]), tolerance, "gradient of the state");
        let ours = parameter_gradients(&gru, &GradientsParams::from_grads(gradients, &gru));
        for (name, ours) in names.iter().zip(ours) {
            assert_close(&ours, &array(&case["parameter_gradients"][name]), tolerance, name);
        }
    }
}

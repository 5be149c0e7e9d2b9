//! The predictors against the numbers that `gedanken-model/reference/make.py` made with PyTorch.

#[path = "../../gedanken-model/reference/parts.rs"]
mod parts;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use gedanken_nn::Noise;
use gedanken_predictor::{GruConfig, TransformerConfig};
use parts::{
    PRECISIONS, array, assert_close, assert_parameter_gradients, fill, input, lewm, numbers, parameter_gradients, part,
    tensor,
};
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

#[test]
fn the_transformer_with_its_action_encoder_and_its_projector_and_all_gradients_are_pytorchs() {
    let case = lewm("predictor");
    let config = TransformerConfig {
        history: 3,
        depth: 2,
        heads: 2,
        head_dim: 6,
        mlp: 16,
        action_hidden: 12,
        projector: 10,
        ..TransformerConfig::default()
    };
    for (dtype, tolerance) in PRECISIONS {
        let predictor = fill(config.init(8, 4, &Device::flex()), case["parameters"].as_array().unwrap(), dtype);
        let [latents, actions] = [0, 1].map(|i| input::<3>(&case["inputs"][i], dtype));
        let next = predictor.forward(latents.clone(), actions.clone(), &mut Noise::none());
        assert_close(&numbers(next.clone().inner()), &array(&case["output"]), tolerance, "next latents");

        let gradients = (next * tensor::<3>(&case["upstream"], dtype).autodiff()).sum().backward();
        for (i, x) in [latents, actions].iter().enumerate() {
            let ours = numbers(x.grad(&gradients).unwrap());
            assert_close(&ours, &array(&case["input_gradients"][i]), tolerance, "gradient of an input");
        }
        let ours = parameter_gradients(&predictor, &GradientsParams::from_grads(gradients, &predictor));
        assert_parameter_gradients(&ours, &case, tolerance);
        let [latents, actions] = [0, 1].map(|i| tensor::<3>(&case["inputs"][i], dtype));
        let next = predictor.valid().forward(latents, actions, &mut Noise::none());
        assert_close(&numbers(next), &array(&case["output_afterwards"]), tolerance, "next latents afterwards");
    }
}

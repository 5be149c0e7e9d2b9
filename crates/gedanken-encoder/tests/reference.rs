//! The encoders against the numbers that `gedanken-model/reference/make.py` made with PyTorch.

#[path = "../../gedanken-model/reference/parts.rs"]
mod parts;

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::optim::GradientsParams;
use burn::tensor::Device;
use gedanken_encoder::{Impala, ImpalaConfig, VitConfig};
use parts::{
    PRECISIONS, array, assert_close, assert_parameter_gradients, fill, input, lewm, number, numbers,
    parameter_gradients, part, tensor,
};

/// As EB-JEPA has it: the LayerNorm is the world model's, which shares it with the predictor.
#[derive(Module, Debug)]
struct Normed {
    encoder: Impala,
    norm: LayerNorm,
}

fn norm(numbers: &[f64]) -> f64 {
    numbers.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn impala_with_a_layer_norm_and_all_its_gradients_are_pytorchs() {
    let case = part("impala");
    let device = Device::flex();
    for (dtype, tolerance) in PRECISIONS {
        let encoder = ImpalaConfig::default().init([2, 65, 65], &device);
        let model = Normed { encoder, norm: LayerNormConfig::new(512).init(&device) };
        let model = fill(model, case["parameters"].as_array().unwrap(), dtype);
        let pixels = input::<4>(&case["input"], dtype);
        let flat = model.encoder.forward(pixels.clone());
        let before: Vec<f64> = numbers(flat.clone().inner()).into_iter().take(16).collect();
        assert_close(&before, &array(&case["before_norm_first_16"]), tolerance, "before the norm");
        let latents = model.norm.forward(flat).squeeze_dim::<2>(1);
        assert_close(&numbers(latents.clone().inner()), &array(&case["output"]), tolerance, "latents");

        let gradients = (latents * tensor::<2>(&case["upstream"], dtype).autodiff()).sum().backward();
        let of_pixels = numbers(pixels.grad(&gradients).unwrap());
        assert_close(&of_pixels[..16], &array(&case["input_gradient"]["first_16"]), tolerance, "gradient of pixels");
        let size = number(&case["input_gradient"]["norm"]);
        assert!((norm(&of_pixels) / size - 1.0).abs() < tolerance, "gradient of pixels");
        let ours = parameter_gradients(&model, &GradientsParams::from_grads(gradients, &model));
        for (ours, theirs) in ours.iter().zip(case["parameter_gradients"].as_array().unwrap()) {
            let (name, size) = (theirs["name"].as_str().unwrap(), number(&theirs["norm"]));
            assert!((norm(ours) / size - 1.0).abs() < tolerance, "{name}: {} instead of {size}", norm(ours));
            // Sums and single numbers may be small differences of large ones: within the norm's precision.
            let mut few = ours[..4].to_vec();
            few.push(ours.iter().sum());
            let expected = array(&theirs["first_4"]).into_iter().chain([number(&theirs["sum"])]);
            for (ours, theirs) in few.into_iter().zip(expected) {
                assert!((ours - theirs).abs() < tolerance * size, "{name}: {ours} instead of {theirs}");
            }
        }
    }
}

#[test]
fn the_vision_transformer_with_its_projector_and_all_gradients_are_pytorchs() {
    let case = lewm("vit");
    let config = VitConfig { patch: 4, dim: 12, depth: 2, heads: 3, mlp: 16, projector: 10 };
    for (dtype, tolerance) in PRECISIONS {
        let vit = fill(config.init([3, 8, 8], &Device::flex()), case["parameters"].as_array().unwrap(), dtype);
        let pixels = input::<4>(&case["inputs"][0], dtype);
        let latents = vit.forward(pixels.clone()).squeeze_dim::<2>(1);
        assert_close(&numbers(latents.clone().inner()), &array(&case["output"]), tolerance, "latents");

        let gradients = (latents * tensor::<2>(&case["upstream"], dtype).autodiff()).sum().backward();
        let of_pixels = numbers(pixels.grad(&gradients).unwrap());
        assert_close(&of_pixels, &array(&case["input_gradients"][0]), tolerance, "gradient of pixels");
        let ours = parameter_gradients(&vit, &GradientsParams::from_grads(gradients, &vit));
        assert_parameter_gradients(&ours, &case, tolerance);
        let latents = vit.valid().forward(tensor::<4>(&case["inputs"][0], dtype));
        assert_close(&numbers(latents), &array(&case["output_afterwards"]), tolerance, "latents afterwards");
    }
}

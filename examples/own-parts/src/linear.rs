//! A predictor: the next latent is the latent and a matrix of latent and action.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken::nn::{LatentShape, Linear as Matrix, Noise, Part};
use gedanken::predictor::{Predictor, PredictorConfig, frame_by_frame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A linear predictor of vectors: `z + W [z, a]`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {}

impl PredictorConfig for LinearConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        (!latent.is_vector()).then(|| "kind \"linear\" takes a vector latent".to_owned())
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        let predictor = Linear { matrix: Matrix::new(latent.dim + action, latent.dim, device) };
        (Box::new(predictor) as Box<dyn Predictor>).into()
    }
}

#[derive(Module, Debug)]
struct Linear {
    matrix: Matrix,
}

impl Predictor for Linear {
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, _: &mut Noise) -> Tensor<4> {
        frame_by_frame(latents, actions, |latents, actions| {
            let both = Tensor::cat(vec![latents.clone(), actions.unsqueeze_dim(1)], 2);
            latents + self.matrix.forward(both)
        })
    }
}

//! A GRU (Cho et al., 2014) whose hidden state is the latent itself, as in PLDM and EB-JEPA.

use burn::module::{Initializer, Module};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of [`Gru`]: nothing to choose. With EB-JEPA's latents of 512 numbers, actions of 2 and the LayerNorm that
/// the world model shares between encoder and predictor, 793,600 parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GruConfig {}

/// One GRU layer, gates as in PyTorch's `GRUCell`:
/// `r = s(Wir a + Whr h)`, `u = s(Wiu a + Whu h)`, `n = tanh(Win a + r (Whn h))`, `h' = (1 - u) n + u h`, each `W` with its bias.
#[derive(Module, Debug)]
pub struct Gru {
    /// `[action, 3 dim]`: reset, update, new.
    pub input: Linear,
    /// `[dim, 3 dim]`: reset, update, new.
    pub hidden: Linear,
}

impl GruConfig {
    /// A new predictor; all weights uniform within 1 / sqrt(dim), as PyTorch's.
    pub fn init(&self, dim: usize, action: usize, device: &Device) -> Gru {
        let bound = 1.0 / (dim as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        let linear = |input| LinearConfig::new(input, 3 * dim).with_initializer(uniform.clone()).init(device);
        Gru { input: linear(action), hidden: linear(dim) }
    }
}

impl Gru {
    /// Latents `[batch, 1, dim]`, actions `[batch, action]` -> `[batch, 1, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        let state = latents.squeeze_dim::<2>(1);
        let dim = state.dims()[1];
        let gates = |x: &Tensor<2>, i: usize| x.clone().narrow(1, i * dim, dim);
        let (input, hidden) = (self.input.forward(actions), self.hidden.forward(state.clone()));
        let reset = sigmoid(gates(&input, 0) + gates(&hidden, 0));
        let update = sigmoid(gates(&input, 1) + gates(&hidden, 1));
        let new = tanh(gates(&input, 2) + reset * gates(&hidden, 2));
        (update * (state - new.clone()) + new).unsqueeze_dim(1)
    }
}

//! Residual convolutions over a map: "something stands beside me" is the same everywhere.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{
    Conv3x3, Conv3x3Config, GroupNorm, GroupNormConfig, LatentShape, Mlp, Noise, Part, Predictor, frame_by_frame,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PredictorConfig;

/// Residual convolutions, the action added as planes. For maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConvConfig {
    /// Channels inside. Default 32.
    #[schemars(range(min = 1, max = 4096))]
    pub width: usize,
    /// Groups of the group norms; must divide `width`. Default 4.
    #[schemars(range(min = 1, max = 4096))]
    pub groups: usize,
    /// Convolutions between the one that meets the action and the one that makes the change. Default 1.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
}

impl Default for ConvConfig {
    fn default() -> Self {
        Self { width: 32, groups: 4, depth: 1 }
    }
}

/// `z + conv(act(conv(act(conv(z) + embed(a)))))` with `act` = GroupNorm and ReLU, at depth 1; the last convolution starts at zero, so that an
/// untrained predictor predicts that nothing changes. After PLDM's maze predictor, with the action added instead of stacked.
#[derive(Module, Debug)]
pub struct Conv {
    action: Mlp,
    first: Conv3x3,
    norms: Vec<GroupNorm>,
    middle: Vec<Conv3x3>,
    last: Conv3x3,
    #[module(skip)]
    map: [usize; 2],
}

impl ConvConfig {
    /// A new predictor of maps of `rows x columns` tokens of `dim` numbers under actions of `action` numbers.
    pub fn init(&self, map: [usize; 2], dim: usize, action: usize, device: &Device) -> Conv {
        let width = self.width;
        Conv {
            action: Mlp::new(&[action, width, width], device),
            first: Conv3x3Config::new(dim, width).init(device),
            norms: (0..=self.depth).map(|_| GroupNormConfig::new(self.groups, width).init(device)).collect(),
            middle: (0..self.depth).map(|_| Conv3x3Config::new(width, width).init(device)).collect(),
            last: Conv3x3Config::new(width, dim).with_zero_init(true).init(device),
            map,
        }
    }
}

impl PredictorConfig for ConvConfig {
    fn problem(&self, latent: LatentShape) -> Option<String> {
        if latent.is_vector() {
            let message =
                "kind \"conv\" takes a map, the encoder makes a vector; use \"mlp\", \"gru\" or \"transformer\"";
            return Some(message.to_owned());
        }
        (!self.width.is_multiple_of(self.groups))
            .then(|| format!("groups {} does not divide width {}", self.groups, self.width))
    }

    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor> {
        (Box::new(ConvConfig::init(self, [latent.rows, latent.columns], latent.dim, action, device))
            as Box<dyn Predictor>)
            .into()
    }
}

impl Predictor for Conv {
    fn predict(&self, latents: Tensor<4>, actions: Tensor<3>, _: &mut Noise) -> Tensor<4> {
        frame_by_frame(latents, actions, |latents, actions| self.forward(latents, actions))
    }
}

impl Conv {
    /// Latents `[batch, rows * columns, dim]`, actions `[batch, action]` -> `[batch, rows * columns, dim]`.
    pub fn forward(&self, latents: Tensor<3>, actions: Tensor<2>) -> Tensor<3> {
        let [batch, tokens, dim] = latents.dims();
        let [rows, columns] = self.map;
        let action = self.action.forward(actions).unsqueeze_dims::<4>(&[1, 2]);
        let x = self.first.forward(latents.clone().reshape([batch, rows, columns, dim])) + action;
        let x = self.norms[0].forward_relu(x);
        let middle = self.middle.iter().zip(&self.norms[1..]);
        let x = middle.fold(x, |x, (convolution, norm)| norm.forward_relu(convolution.forward(x)));
        let x = self.last.forward(x);
        latents + x.reshape([batch, tokens, dim])
    }
}

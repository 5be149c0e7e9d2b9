//! The IMPALA residual encoder (Espeholt et al., 2018), as EB-JEPA has it.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::relu};
use gedanken_nn::{Conv3x3, Conv3x3Config, Linear, Part, add_relu, max_pool_3x3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoder, EncoderConfig, LatentShape};

/// Three residual stacks, vector latent: EB-JEPA's. With a shared norm behind it, 1,426,096 parameters on pictures of 2 x 65 x 65.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImpalaConfig {
    /// Channels of the stacks; each halves the picture. Default 16, 32, 32.
    #[schemars(length(min = 1, max = 6), inner(range(min = 1, max = 1024)))]
    pub channels: Vec<usize>,
    /// Numbers of the latent. Default 512.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
}

impl Default for ImpalaConfig {
    fn default() -> Self {
        Self { channels: vec![16, 32, 32], dim: 512 }
    }
}

/// Stacks of convolution, max-pool and two residual blocks; then ReLU and a linear layer to a vector. Maps are channels-last but
/// where they are flattened: the linear layer's weights are in PyTorch's order.
#[derive(Module, Debug)]
pub struct Impala {
    stacks: Vec<Stack>,
    output: Linear,
}

/// conv3x3, max-pool 3x3 of stride 2, two residual blocks.
#[derive(Module, Debug)]
struct Stack {
    conv: Conv3x3,
    blocks: Vec<Residual>,
}

/// `relu(conv(relu(conv(x))) + x)`: the ReLU comes after the sum, and there is no norm.
#[derive(Module, Debug)]
struct Residual {
    conv1: Conv3x3,
    conv2: Conv3x3,
}

impl ImpalaConfig {
    /// A new encoder for pictures `[channels, height, width]`; PyTorch's default initialisation.
    pub fn init(&self, [channels, height, width]: [usize; 3], device: &Device) -> Impala {
        let half = |n: usize| n.div_ceil(2);
        let conv3x3 = |input, output| Conv3x3Config::new(input, output).init(device);
        let (mut input, mut height, mut width) = (channels, height, width);
        let mut stacks = Vec::new();
        for &output in &self.channels {
            let blocks =
                (0..2).map(|_| Residual { conv1: conv3x3(output, output), conv2: conv3x3(output, output) }).collect();
            stacks.push(Stack { conv: conv3x3(input, output), blocks });
            (input, height, width) = (output, half(height), half(width));
        }
        Impala { stacks, output: Linear::new(input * height * width, self.dim, device) }
    }
}

impl EncoderConfig for ImpalaConfig {
    fn latent_shape(&self, _: [usize; 3]) -> LatentShape {
        LatentShape::vector(self.dim)
    }

    fn init(&self, pixels: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        (Box::new(ImpalaConfig::init(self, pixels, device)) as Box<dyn Encoder>).into()
    }
}

impl Encoder for Impala {
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.forward(pixels)
    }
}

impl Impala {
    /// Normalised pixels `[frames, channels, height, width]` -> latents `[frames, 1, dim]`.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let maps = self.stacks.iter().fold(pixels.permute([0, 2, 3, 1]), |x, stack| {
            let x = max_pool_3x3(stack.conv.forward(x));
            stack.blocks.iter().fold(x, |x, block| {
                let inner = block.conv2.forward(block.conv1.forward_relu(x.clone()));
                add_relu(inner, x)
            })
        });
        self.output.forward(relu(maps).permute([0, 3, 1, 2]).flatten::<2>(1, 3)).unsqueeze_dim(1)
    }
}

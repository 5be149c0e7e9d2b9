//! A convolutional encoder on the fast kernels: pictures with much in them, at a CPU's price.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_nn::{Conv3x3, Conv3x3Config, GroupNorm, GroupNormConfig, Linear, Part, Projector, embed_patches, halve};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoder, EncoderConfig, LatentShape, PatchLatent};

/// Convolutions that halve the map stage by stage: a wider view than patches, still for a CPU; vector or map latent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConvEncoderConfig {
    /// Side in pixels of the patches that the first stage embeds. Default 4.
    #[schemars(range(min = 1, max = 256))]
    pub patch: usize,
    /// Channels of the stages. Each but the first halves the map: `patch` times 2 for each of these must divide both sides of
    /// the picture. Default 16, 32, 64 (96 px: a last map of 6 x 6).
    #[schemars(length(min = 1, max = 6), inner(range(min = 1, max = 4096)))]
    pub channels: Vec<usize>,
    /// Groups of the group norms; must divide all `channels`. Default 4.
    #[schemars(range(min = 1, max = 4096))]
    pub groups: usize,
    /// Residual convolutions of a stage. Default 1.
    #[schemars(range(min = 0, max = 64))]
    pub depth: usize,
    /// Numbers of the vector, or per token of the map. Default 192.
    #[schemars(range(min = 1, max = 65536))]
    pub dim: usize,
    /// The latent: a vector made of the last map, or that map itself. Default `vector`.
    pub latent: PatchLatent,
    /// Width of the hidden layer of the projector behind it, which has a BatchNorm; 0 for no projector. Default 0.
    #[schemars(range(min = 0, max = 65536))]
    pub projector: usize,
}

impl Default for ConvEncoderConfig {
    fn default() -> Self {
        let channels = vec![16, 32, 64];
        Self { patch: 4, channels, groups: 4, depth: 1, dim: 192, latent: PatchLatent::Vector, projector: 0 }
    }
}

/// Stages, each a matrix product over squares (of pixels, then of 2 x 2 places) and `depth` times
/// `x + conv3x3(relu(norm(x)))`; then norm, ReLU and a linear layer. All channels last.
#[derive(Module, Debug)]
pub struct ConvEncoder {
    stages: Vec<Stage>,
    norm: GroupNorm,
    output: Linear,
    projector: Option<Projector>,
    #[module(skip)]
    config: ConvEncoderConfig,
}

#[derive(Module, Debug)]
struct Stage {
    embed: Linear,
    norms: Vec<GroupNorm>,
    convolutions: Vec<Conv3x3>,
}

impl ConvEncoderConfig {
    /// Pixels that are one place of the last map, along a side.
    fn stride(&self) -> usize {
        self.patch << (self.channels.len() - 1)
    }

    fn last(&self) -> usize {
        self.channels.last().copied().unwrap_or(1)
    }

    /// A new encoder for pictures `[channels, height, width]`; a residual convolution adds nothing at first.
    pub fn init(&self, [channels, height, width]: [usize; 3], device: &Device) -> ConvEncoder {
        let stage = |(input, output): (usize, usize)| Stage {
            embed: Linear::new(input, output, device),
            norms: (0..self.depth).map(|_| GroupNormConfig::new(self.groups, output).init(device)).collect(),
            convolutions: (0..self.depth)
                .map(|_| Conv3x3Config::new(output, output).with_zero_init(true).init(device))
                .collect(),
        };
        let first = channels * self.patch * self.patch;
        let inputs = std::iter::once(first).chain(self.channels.iter().map(|width| 4 * width));
        let places = match self.latent {
            PatchLatent::Map => 1,
            PatchLatent::Vector => (height / self.stride()) * (width / self.stride()),
        };
        ConvEncoder {
            stages: inputs.zip(self.channels.iter().copied()).map(stage).collect(),
            norm: GroupNormConfig::new(self.groups, self.last()).init(device),
            output: Linear::new(places * self.last(), self.dim, device),
            projector: (self.projector > 0).then(|| Projector::new(self.dim, self.projector, device)),
            config: self.clone(),
        }
    }
}

impl EncoderConfig for ConvEncoderConfig {
    fn problem(&self, [_, height, width]: [usize; 3]) -> Option<String> {
        if self.channels.is_empty() || self.channels.len() > 6 {
            return Some(format!("{} stages; expected 1 to 6 channels", self.channels.len()));
        }
        let stride = self.stride();
        if !height.is_multiple_of(stride) || !width.is_multiple_of(stride) {
            let (patch, halvings) = (self.patch, self.channels.len() - 1);
            return Some(format!(
                "patch {patch} and {halvings} halvings: {stride} does not divide the picture, {height} x {width}"
            ));
        }
        let odd = self.channels.iter().find(|width| !width.is_multiple_of(self.groups));
        odd.map(|width| format!("groups {} does not divide {width} channels", self.groups))
    }

    fn latent_shape(&self, [_, height, width]: [usize; 3]) -> LatentShape {
        match self.latent {
            PatchLatent::Vector => LatentShape::vector(self.dim),
            PatchLatent::Map => {
                LatentShape { rows: height / self.stride(), columns: width / self.stride(), dim: self.dim }
            }
        }
    }

    fn init(&self, pixels: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        (Box::new(ConvEncoderConfig::init(self, pixels, device)) as Box<dyn Encoder>).into()
    }
}

impl Encoder for ConvEncoder {
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.forward(pixels)
    }
}

impl ConvEncoder {
    /// Normalised pixels `[frames, channels, height, width]` -> latents `[frames, tokens, dim]`.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let mut x = pixels;
        for (number, stage) in self.stages.iter().enumerate() {
            x = match number {
                0 => embed_patches(x, &stage.embed, self.config.patch),
                _ => halve(x, &stage.embed),
            };
            let residual = stage.norms.iter().zip(&stage.convolutions);
            x = residual.fold(x, |x, (norm, convolution)| x.clone() + convolution.forward(norm.forward_relu(x)));
        }
        let x = self.norm.forward_relu(x);
        let latent = match self.config.latent {
            PatchLatent::Map => self.output.forward(x.flatten::<3>(1, 2)),
            PatchLatent::Vector => self.output.forward(x.flatten::<2>(1, 3)).unsqueeze_dim(1),
        };
        match &self.projector {
            Some(projector) => projector.forward(latent),
            None => latent,
        }
    }
}

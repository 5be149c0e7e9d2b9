//! An encoder: the means of square blocks of pixels, through one matrix.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken::encoder::{Encoder, EncoderConfig, LatentShape};
use gedanken::nn::{Linear, Part};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Means of square blocks of pixels, through one matrix to a vector.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlockMeansConfig {
    /// Pixels along the side of a block. Default 4.
    #[schemars(range(min = 1, max = 64))]
    pub block: usize,
    /// Numbers of the latent. Default 32.
    #[schemars(range(min = 1, max = 4096))]
    pub dim: usize,
}

impl Default for BlockMeansConfig {
    fn default() -> Self {
        Self { block: 4, dim: 32 }
    }
}

impl EncoderConfig for BlockMeansConfig {
    fn problem(&self, [_, height, width]: [usize; 3]) -> Option<String> {
        let fits = height.is_multiple_of(self.block) && width.is_multiple_of(self.block);
        (!fits).then(|| format!("blocks of {} pixels do not divide pictures of {height} x {width}", self.block))
    }

    fn latent_shape(&self, _: [usize; 3]) -> LatentShape {
        LatentShape::vector(self.dim)
    }

    fn init(&self, [channels, height, width]: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        let blocks = channels * (height / self.block) * (width / self.block);
        let encoder = BlockMeans { matrix: Linear::new(blocks, self.dim, device), block: self.block };
        (Box::new(encoder) as Box<dyn Encoder>).into()
    }
}

#[derive(Module, Debug)]
struct BlockMeans {
    matrix: Linear,
    block: usize,
}

impl Encoder for BlockMeans {
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        let ([frames, channels, height, width], side) = (pixels.dims(), self.block);
        let (rows, columns) = (height / side, width / side);
        let blocks: Tensor<6> = pixels.reshape([frames, channels, rows, side, columns, side]);
        let means = blocks.mean_dim(3).mean_dim(5).reshape([frames, channels * rows * columns]);
        self.matrix.forward(means).unsqueeze_dim(1)
    }
}

#![doc = include_str!("../README.md")]

mod conv;
mod dinov2;
mod impala;
mod learned;
mod patch;
mod vit;

use std::path::Path;

use burn::tensor::Device;
use gedanken_nn::{Named, Part};
use gedanken_parts::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

pub use conv::{ConvEncoder, ConvEncoderConfig};
pub use dinov2::Dinov2Config;
pub use gedanken_nn::{Encoder, LatentShape};
pub use impala::{Impala, ImpalaConfig};
pub use learned::{Misfit, Tensors};
pub use patch::{Patch, PatchConfig, PatchLatent};
pub use vit::{Tokens, Vit, VitConfig};

/// An encoder as an experiment writes it, `[encoder]`.
pub trait EncoderConfig: std::fmt::Debug + Send + Sync {
    /// A sentence, where it cannot encode pictures `[channels, height, width]`.
    fn problem(&self, _pixels: [usize; 3]) -> Option<String> {
        None
    }

    /// The latents it makes of pictures `[channels, height, width]`.
    fn latent_shape(&self, pixels: [usize; 3]) -> LatentShape;

    /// A new encoder for pictures `[channels, height, width]`.
    fn init(&self, pixels: [usize; 3], device: &Device) -> Part<dyn Encoder>;

    /// The safetensors file of weights that were learned elsewhere, which a new encoder begins with. Default none.
    fn weights(&self) -> Option<&Path> {
        None
    }

    /// All parameters of an encoder for pictures `[channels, height, width]`, by their names here, from the tensors of such a file.
    ///
    /// # Errors
    /// A tensor that is missing, or of another shape.
    fn adopt(&self, _pixels: [usize; 3], _file: &Tensors) -> Result<Vec<Named>, Misfit> {
        Ok(Vec::new())
    }

    /// True where it stays as it is while the other parts learn. Default false.
    fn frozen(&self) -> bool {
        false
    }
}

/// The line that puts an encoder into a list.
pub fn encoder<C>(kind: &'static str) -> Entry<dyn EncoderConfig>
where
    C: EncoderConfig + Serialize + DeserializeOwned + JsonSchema + Default + 'static,
{
    Entry::new(kind, |config: C| Ok(Box::new(config) as Box<dyn EncoderConfig>))
}

/// All encoders.
pub fn encoders() -> Catalog<dyn EncoderConfig> {
    Catalog::new("encoder")
        .with(encoder::<ImpalaConfig>("impala"))
        .with(encoder::<PatchConfig>("patch"))
        .with(encoder::<ConvEncoderConfig>("conv"))
        .with(encoder::<VitConfig>("vit"))
        .with(encoder::<Dinov2Config>("dinov2"))
}

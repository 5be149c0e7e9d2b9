#![doc = include_str!("../README.md")]

mod conv;
mod impala;
mod patch;
mod vit;

use burn::tensor::Device;
use gedanken_nn::Part;
use gedanken_parts::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

pub use conv::{ConvEncoder, ConvEncoderConfig};
pub use gedanken_nn::{Encoder, LatentShape};
pub use impala::{Impala, ImpalaConfig};
pub use patch::{Patch, PatchConfig, PatchLatent};
pub use vit::{Vit, VitConfig};

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
}

#![doc = include_str!("../README.md")]

mod conv;
mod deep;
mod gru;
mod mlp;
mod residual;
mod transformer;
mod vit;

pub mod variables;

use burn::tensor::Device;
use gedanken_nn::{LatentShape, Part};
use gedanken_parts::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

pub use conv::{Conv, ConvConfig};
pub use deep::{Deep, DeepConfig};
pub use gedanken_nn::{Predictor, frame_by_frame};
pub use gru::{Gru, GruConfig};
pub use mlp::{ResidualMlp, ResidualMlpConfig};
pub use residual::{Residual, ResidualConfig};
pub use transformer::{Transformer, TransformerConfig};
pub use variables::{BranchesConfig, GaussianConfig, Inferred, Variable, VariableConfig, variable, variables};
pub use vit::{Vit, VitConfig};

/// A predictor as an experiment writes it, `[predictor]`.
pub trait PredictorConfig: std::fmt::Debug + Send + Sync {
    /// A sentence, where it cannot predict latents of this shape.
    fn problem(&self, _latent: LatentShape) -> Option<String> {
        None
    }

    /// Frames that a step is predicted from, at most. Default 1: a latent says all.
    fn history(&self) -> usize {
        1
    }

    /// A new predictor of latents of this shape under actions of `action` numbers.
    fn init(&self, latent: LatentShape, action: usize, device: &Device) -> Part<dyn Predictor>;
}

/// The line that puts a predictor into a list.
pub fn predictor<C>(kind: &'static str) -> Entry<dyn PredictorConfig>
where
    C: PredictorConfig + Serialize + DeserializeOwned + JsonSchema + Default + 'static,
{
    Entry::new(kind, |config: C| Ok(Box::new(config) as Box<dyn PredictorConfig>))
}

/// All predictors.
pub fn predictors() -> Catalog<dyn PredictorConfig> {
    Catalog::new("predictor")
        .with(predictor::<GruConfig>("gru"))
        .with(predictor::<ResidualMlpConfig>("mlp"))
        .with(predictor::<DeepConfig>("deep"))
        .with(predictor::<ResidualConfig>("residual"))
        .with(predictor::<ConvConfig>("conv"))
        .with(predictor::<TransformerConfig>("transformer"))
        .with(predictor::<VitConfig>("vit"))
}

/// A sentence, where latents are a map and the predictor takes vectors.
fn takes_vectors(latent: LatentShape) -> Option<String> {
    let LatentShape { rows, columns, .. } = latent;
    (!latent.is_vector()).then(|| {
        format!(
            "this predictor takes vector latents, the encoder makes a map of {rows} x {columns}; use kind = \"conv\" or \"vit\", or a vector latent"
        )
    })
}

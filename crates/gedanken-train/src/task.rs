//! A thing to train.

use std::path::Path;

use burn::tensor::Device;
use gedanken_data::Batch;
use gedanken_model::{Blueprint, CheckpointError, WorldModel};
use gedanken_nn::Learn;

use crate::measure::{host_batch, latent_batch};

/// A thing to train: what it is, the batches it takes, and the files it is kept in.
pub struct Task<L: Learn> {
    /// The thing, without autodiff.
    pub model: L,
    /// A host batch, and the number of the update, on the device. The number seeds all that is random in the loss: a run that
    /// goes on draws what it would have drawn.
    pub batch: Box<MakeBatch<L>>,
    /// Writes the model's files into a folder.
    pub save: Box<Save<L>>,
}

/// Makes the batch of an update, on the device, from one on the host.
pub type MakeBatch<L> = dyn Fn(&Batch, u64) -> <L as Learn>::Batch;

/// Writes a model's files into a folder.
pub type Save<L> = dyn Fn(&Path, &L) -> Result<(), CheckpointError>;

impl Task<WorldModel> {
    /// A world model, made by a blueprint, that learns from pictures.
    pub fn world_model(model: WorldModel, blueprint: Blueprint, device: &Device) -> Self {
        let (statistics, device) = (blueprint.statistics.clone(), device.clone());
        Self::of(model, blueprint, move |host, step| host_batch(host, &statistics, step, &device))
    }

    /// The same that learns from kept latents, `frameskip` control steps apart.
    pub fn on_latents(model: WorldModel, blueprint: Blueprint, frameskip: usize, device: &Device) -> Self {
        let (statistics, device) = (blueprint.statistics.clone(), device.clone());
        Self::of(model, blueprint, move |host, step| latent_batch(host, &statistics, frameskip, step, &device))
    }

    fn of(
        model: WorldModel,
        blueprint: Blueprint,
        batch: impl Fn(&Batch, u64) -> <WorldModel as Learn>::Batch + 'static,
    ) -> Self {
        Self {
            model,
            batch: Box::new(batch),
            save: Box::new(move |folder, model| gedanken_model::save(folder, model, &blueprint)),
        }
    }
}

//! Things that are trained.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::Progress;

/// A thing that is trained: a batch in, a loss out. The trainer, the optimiser and the checkpoint know no more of it.
pub trait Learn: Module + 'static {
    /// On the device: cloning one copies no tensor.
    type Batch: Clone;

    /// The loss of a batch.
    fn loss(&self, batch: Self::Batch, progress: Progress) -> Loss;

    /// Called after every update of the weights.
    #[must_use]
    fn after_update(self, _: Progress) -> Self {
        self
    }

    /// Pictures, films and numbers of a batch. Default none.
    fn show(&self, _: Self::Batch) -> Vec<Shown> {
        Vec::new()
    }
}

/// A training batch on the device: cloning one copies no tensor. Windows of one layout stand together: `windows = layouts * episodes`.
#[derive(Clone, Debug)]
pub struct TrainBatch {
    /// Normalised pixels `[windows * (time + extra), channels, height, width]`; of no frame where there are `latents`.
    pub pixels: Tensor<4>,
    /// Latents `[windows * (time + extra), tokens, dim]` that were encoded before and kept, in the pixels' place. Usually none.
    pub latents: Option<Tensor<3>>,
    /// Actions between the consecutive frames `[windows, time - 1, action]`.
    pub actions: Tensor<3>,
    /// Normalised labels `[windows * (time + extra), labels]`.
    pub labels: Tensor<2>,
    /// Step of the episode of every frame, `[windows, time + extra]`.
    pub at: Vec<u32>,
    /// Layouts.
    pub layouts: usize,
    /// Windows of each layout.
    pub episodes: usize,
    /// Consecutive frames of a window.
    pub time: usize,
    /// Further frames of the same episode.
    pub extra: usize,
    /// Seed of all that is random in the loss of this batch: dropout's masks, SIGReg's directions.
    pub seed: u64,
}

impl TrainBatch {
    /// Windows in all.
    pub fn windows(&self) -> usize {
        self.layouts * self.episodes
    }

    /// Frames of each window, further ones included.
    pub fn frames(&self) -> usize {
        self.time + self.extra
    }

    /// Actions from host memory, `[windows, time - 1, action]`.
    pub fn actions(actions: &[f32], [windows, steps, action]: [usize; 3], device: &Device) -> Tensor<3> {
        Tensor::from_data(TensorData::new(actions.to_vec(), [windows, steps, action]), device)
    }
}

/// The loss of a batch.
pub struct Loss {
    /// The weighted sum, `[1]`: what is differentiated.
    pub total: Tensor<1>,
    /// Every term unweighted, `[1]`, and what else is worth a curve, by name.
    pub terms: Vec<(&'static str, Tensor<1>)>,
    /// Detached latents `[samples, features]`, to be watched for collapse, if there are any.
    pub latents: Option<Tensor<2>>,
}

/// Something to look at, for a run's curves and pictures.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Numbers in 0 to 1, `[3, height, width]`.
    Picture {
        /// Its name in the run.
        name: String,
        /// Red, green, blue.
        pixels: Tensor<3>,
    },
    /// A picture for every moment, `[time, 3, height, width]`, in 0 to 1.
    Film {
        /// Its name in the run.
        name: String,
        /// Red, green, blue.
        pixels: Tensor<4>,
    },
    /// A number `[1]`.
    Number {
        /// Its name in the run.
        name: String,
        /// The number.
        value: Tensor<1>,
    },
}

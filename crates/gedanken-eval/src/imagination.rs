//! The error of imagination on windows of data: on those that a model learns from, and on others.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use gedanken_data::Source;
use gedanken_model::{Statistics, WorldModel};
use gedanken_train::host_batch;

use crate::EvalError;
use crate::episodes::Numbers;
use crate::worlds::host;

/// Two splits of a model's data.
pub struct Splits {
    /// Data that it is trained on.
    pub training: Arc<dyn Source>,
    /// Data that it is not.
    pub validation: Arc<dyn Source>,
}

/// Batches of each split.
const BATCHES: u64 = 2;
/// Blocks after which the error is told, or the last before the end of a window.
const BLOCKS: [usize; 2] = [1, 4];

impl Splits {
    /// Mean squared error of imagined latents after some blocks of actions, over the variance of latents, on each split:
    /// `imagine/training_1`, `imagine/validation_4`.
    ///
    /// # Errors
    /// As the sources'.
    pub(crate) fn imagination(
        &self,
        model: &WorldModel,
        statistics: &Statistics,
        device: &Device,
    ) -> Result<Numbers, EvalError> {
        let mut numbers = Numbers::new();
        for (name, source) in [("training", &self.training), ("validation", &self.validation)] {
            for (blocks, error) in errors(model, statistics, source.as_ref(), device)? {
                numbers.insert(format!("imagine/{name}_{blocks}"), error);
            }
        }
        Ok(numbers)
    }
}

/// The errors, by blocks.
fn errors(
    model: &WorldModel,
    statistics: &Statistics,
    source: &dyn Source,
    device: &Device,
) -> Result<Vec<(usize, f64)>, EvalError> {
    let (mut truth, mut imagined) = (Vec::new(), Vec::new());
    for index in 0..BATCHES {
        let batch = host_batch(&source.batch(index)?, statistics, index, device);
        let latents = model.encode(batch.pixels.clone(), model.felt(batch.labels.clone()));
        let [_, tokens, dim] = latents.dims();
        let windows = latents.reshape([batch.windows(), batch.frames(), tokens, dim]);
        let steps = (batch.time - 1).min(BLOCKS[1]);
        let first = windows.clone().narrow(1, 0, 1).squeeze_dim::<3>(1);
        imagined.push(model.unroll(first, batch.actions.narrow(1, 0, steps)));
        truth.push(windows.narrow(1, 1, steps));
    }
    let (truth, imagined): (Tensor<4>, Tensor<4>) = (Tensor::cat(truth, 0), Tensor::cat(imagined, 0));
    let [_, steps, _, _] = truth.dims();
    let mean = truth.clone().mean_dim(0).mean_dim(1);
    let number = |x: Tensor<1>| host(x).first().map_or(f64::NAN, |&x| f64::from(x));
    let variance = number((truth.clone() - mean).square().mean()).max(f64::MIN_POSITIVE);
    let squares = (imagined - truth).square();
    let mut blocks = BLOCKS.map(|block| block.min(steps)).to_vec();
    blocks.dedup();
    let error = |block: usize| (block, number(squares.clone().narrow(1, block - 1, 1).mean()) / variance);
    Ok(blocks.into_iter().map(error).collect())
}

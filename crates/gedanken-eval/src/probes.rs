//! Linear and MLP probes of every label on frozen latents, trained afresh and tested on other frames.
//!
//! Measured as the field does (LeWM, arXiv 2603.19312): the mean squared error of labels in standard deviations of the training
//! frames, and Pearson's correlation, each the mean over a label's numbers. The linear probe is a ridge regression that is solved
//! exactly; the other an MLP with two hidden layers. Nothing here flows back into the model.

use std::fmt;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use gedanken_data::Source;
use gedanken_env::{Label, derive_seed};
use gedanken_model::{Statistics, WorldModel};
use gedanken_nn::{Learn, Loss, Mlp, Progress, seeded};
use gedanken_train::{Clock, Learner, TrainConfig};
use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::Serialize;

use crate::EvalError;
use crate::worlds::{LearnedWorld, host};

/// Frames as rows of latents, and of the labels to read from them.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Latents f32 `[frames, numbers]`: all tokens of a frame, one after the other.
    pub latents: Vec<f32>,
    /// Labels in their units, f32 `[frames, labels]`.
    pub labels: Vec<f32>,
    /// Frames.
    pub frames: usize,
}

/// Training of the probes.
#[derive(Clone, Copy, Debug)]
pub struct Probing {
    /// Weight of the ridge, for every frame and in squared standard deviations of a latent number.
    pub ridge: f64,
    /// Width of the MLP's two hidden layers.
    pub hidden: usize,
    /// The MLP's updates by Adam, on 256 frames each; its rate falls from 1e-3 to zero along a cosine.
    pub updates: usize,
}

/// Results of the probes.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// Frames that the probes were trained on.
    pub trained_on: usize,
    /// Frames that they were tested on.
    pub tested_on: usize,
    /// Numbers of a latent.
    pub numbers: usize,
    /// Every label.
    pub labels: Vec<ProbedLabel>,
}

/// One label, read by both probes.
#[derive(Clone, Debug, Serialize)]
pub struct ProbedLabel {
    /// Its name.
    pub label: String,
    /// By the linear probe.
    pub linear: Reading,
    /// By the MLP.
    pub mlp: Reading,
}

/// Error of a probe.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reading {
    /// Mean squared error, in squared standard deviations of the label.
    pub mse: f64,
    /// Pearson's correlation; none where the label never varies.
    pub r: Option<f64>,
}

/// Frames of one batch of the MLP.
const BATCH: usize = 256;
const SEED: u64 = 0x0070_726f_6265;

impl Default for Probing {
    fn default() -> Self {
        Self { ridge: 1e-5, hidden: 512, updates: 2000 }
    }
}

impl Frames {
    /// The first `count` frames of a source's batches, through the model's encoder.
    ///
    /// # Errors
    /// As the source's.
    pub fn of(
        model: &WorldModel,
        statistics: &Statistics,
        source: &dyn Source,
        count: usize,
        device: &Device,
    ) -> Result<Self, EvalError> {
        let mut all = Self { latents: Vec::new(), labels: Vec::new(), frames: 0 };
        let (together, world) = (32, LearnedWorld { model, statistics, device });
        for first in (0..).step_by(together) {
            let batches = (first..first + together as u64).into_par_iter().map(|index| source.batch(index));
            for batch in batches.collect::<Result<Vec<_>, _>>()? {
                let frames = (batch.windows() * batch.frames()).min(count - all.frames);
                if frames == 0 {
                    return Ok(all);
                }
                let picture = batch.shape.pixels.len();
                let labels = &batch.labels[..frames * batch.shape.labels];
                let latents = world.encode(&batch.pixels[..frames * picture], labels);
                all.latents.extend(host(latents.flatten::<2>(1, 2)));
                all.labels.extend(labels);
                all.frames += frames;
            }
        }
        Ok(all)
    }
}

/// Trains the probes of these labels on some frames and tests them on others. A function of its arguments, device apart.
///
/// # Errors
/// No frames, or latents from which there is no regression (not finite).
pub fn probes(
    labels: &[Label],
    train: &Frames,
    test: &Frames,
    how: &Probing,
    device: &Device,
) -> Result<ProbeReport, EvalError> {
    if train.frames == 0 || test.frames == 0 {
        return Err(EvalError::Mismatch("probes need frames to learn from and frames to be tested on".to_owned()));
    }
    let (latents, targets) = (Scale::of(&train.latents, train.frames), Scale::of(&train.labels, train.frames));
    let (x, y) = (latents.apply(&train.latents), targets.apply(&train.labels));
    let (unseen, truth) = (latents.apply(&test.latents), targets.apply(&test.labels));
    let (numbers, outputs) = (latents.mean.len(), targets.mean.len());
    let weights = ridge(&x, &y, train.frames, how.ridge)
        .ok_or_else(|| EvalError::Mismatch("there is no linear probe: a latent is not finite".to_owned()))?;
    let linear = product(&unseen, &weights, numbers, outputs);
    let mlp = mlp(&x, &y, &unseen, [train.frames, numbers, outputs], how, device);
    let mut first = 0;
    let labels = labels.iter().map(|label| {
        let columns = first..first + label.size;
        first += label.size;
        let read = |found: &[f32]| Reading::of(found, &truth, outputs, columns.clone());
        ProbedLabel { label: label.name.clone(), linear: read(&linear), mlp: read(&mlp) }
    });
    Ok(ProbeReport { labels: labels.collect(), trained_on: train.frames, tested_on: test.frames, numbers })
}

/// Mean and standard deviation of every column; a column that never varies keeps its unit.
struct Scale {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Scale {
    fn of(rows: &[f32], count: usize) -> Self {
        let (size, n) = (rows.len() / count, count as f64);
        let mut mean = vec![0.0; size];
        rows.chunks_exact(size).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x) / n));
        let mut std = vec![0.0; size];
        for row in rows.chunks_exact(size) {
            std.iter_mut().zip(&mean).zip(row).for_each(|((s, m), &x)| *s += (f64::from(x) - m).powi(2) / n);
        }
        let std = std.into_iter().map(|s| if s > 1e-12 { s.sqrt() } else { 1.0 }).collect();
        Self { mean, std }
    }

    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let row = |row: &[f32]| -> Vec<f32> {
            let scaled = row.iter().zip(&self.mean).zip(&self.std);
            scaled.map(|((&x, mean), std)| ((f64::from(x) - mean) / std) as f32).collect()
        };
        rows.chunks_exact(self.mean.len()).flat_map(row).collect()
    }
}

/// Weights `[numbers, outputs]` of the ridge regression of `y` `[rows, outputs]` on `x` `[rows, numbers]`: of the two forms
/// `(X'X + n r)^-1 X'Y = X' (XX' + n r)^-1 Y` the one with the smaller matrix.
fn ridge(x: &[f32], y: &[f32], rows: usize, ridge: f64) -> Option<DMatrix<f64>> {
    let (numbers, outputs) = (x.len() / rows, y.len() / rows);
    let y = DMatrix::from_row_iterator(rows, outputs, y.iter().map(|&y| f64::from(y)));
    let transposed = transpose(x, rows);
    // X'M for M `[rows, outputs]`.
    let projected = |m: &DMatrix<f64>| {
        let columns = m.as_slice();
        let entry = |i: usize| {
            let feature = &transposed[i / outputs * rows..][..rows];
            let column = &columns[i % outputs * rows..][..rows];
            feature.iter().zip(column).map(|(&a, b)| f64::from(a) * b).sum::<f64>()
        };
        let entries: Vec<f64> = (0..numbers * outputs).into_par_iter().map(entry).collect();
        DMatrix::from_row_slice(numbers, outputs, &entries)
    };
    let penalty = ridge * rows as f64;
    let weights = if numbers <= rows {
        gram(&transposed, numbers, penalty).cholesky()?.solve(&projected(&y))
    } else {
        projected(&gram(x, rows, penalty).cholesky()?.solve(&y))
    };
    weights.iter().all(|w| w.is_finite()).then_some(weights)
}

fn transpose(x: &[f32], rows: usize) -> Vec<f32> {
    let numbers = x.len() / rows;
    let column = |i: usize| (0..rows).map(move |row| x[row * numbers + i]);
    (0..numbers).flat_map(column).collect()
}

/// Inner products of `count` vectors, which stand one after the other, with `penalty` on the diagonal.
fn gram(vectors: &[f32], count: usize, penalty: f64) -> DMatrix<f64> {
    let length = vectors.len() / count;
    let vector = |i: usize| &vectors[i * length..][..length];
    let mut entries = vec![0.0; count * count];
    entries.par_chunks_mut(count).enumerate().for_each(|(i, row)| {
        row[..=i].iter_mut().enumerate().for_each(|(j, entry)| *entry = dot(vector(i), vector(j)));
        row[i] += penalty;
    });
    // nalgebra's Cholesky looks at the lower triangle alone; columns come first.
    DMatrix::from_row_slice(count, count, &entries)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = (a.chunks(8), b.chunks(8));
    let mut sums = [0.0; 8];
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (&a, &b))| *sum += f64::from(a) * f64::from(b));
    }
    sums.iter().sum()
}

/// Rows `[rows, numbers]` through weights `[numbers, outputs]`.
fn product(x: &[f32], weights: &DMatrix<f64>, numbers: usize, outputs: usize) -> Vec<f32> {
    let read = |row: &[f32], output: usize| -> f64 {
        row.iter().zip(weights.column(output).iter()).map(|(&x, w)| f64::from(x) * w).sum()
    };
    x.chunks_exact(numbers).flat_map(|row| (0..outputs).map(move |output| read(row, output) as f32)).collect()
}

/// The MLP probe as a thing that learns.
#[derive(Module, Debug)]
struct Reader {
    mlp: Mlp,
}

impl Learn for Reader {
    /// Latents `[rows, numbers]` and the labels to read from them `[rows, outputs]`.
    type Batch = (Tensor<2>, Tensor<2>);

    fn loss(&self, (latents, labels): Self::Batch, _: Progress) -> Loss {
        let total = (self.mlp.forward(latents.autodiff()) - labels.autodiff()).powi_scalar(2).mean();
        Loss { total, terms: Vec::new(), latents: None }
    }
}

/// Readings `[rows, outputs]` of `unseen` by an MLP trained on `x` and `y`.
fn mlp(
    x: &[f32],
    y: &[f32],
    unseen: &[f32],
    [rows, numbers, outputs]: [usize; 3],
    how: &Probing,
    device: &Device,
) -> Vec<f32> {
    let sizes = [numbers, how.hidden, how.hidden, outputs];
    let reader = seeded(SEED, |cpu| Reader { mlp: Mlp::new(&sizes, cpu) }).fork(device);
    let steps = how.updates as u64;
    let config =
        TrainConfig { steps, lr: 1e-3, final_lr: 0.0, warmup: 0.0, weight_decay: 0.0, clip: 0.0, ..Default::default() };
    let mut learner = Learner::new(reader, &config);
    let table = |rows: &[f32], columns: usize| {
        Tensor::<2>::from_data(TensorData::new(rows.to_vec(), [rows.len() / columns, columns]), device)
    };
    let (x, y) = (table(x, numbers), table(y, outputs));
    for update in 0..steps {
        let drawn = (0..BATCH as u64).map(|i| (derive_seed(SEED, &[update, i]) % rows as u64) as i32);
        let drawn = Tensor::<1, Int>::from_data(TensorData::new(drawn.collect::<Vec<i32>>(), [BATCH]), device);
        let batch = || (x.clone().select(0, drawn.clone()), y.clone().select(0, drawn));
        learner.update(batch, update, &mut Clock::default());
    }
    let reader = learner.model();
    unseen.chunks(1024 * numbers).flat_map(|rows| host(reader.mlp.forward(table(rows, numbers)))).collect()
}

impl Reading {
    /// Of some columns of tables with `size` numbers in a row.
    fn of(found: &[f32], truth: &[f32], size: usize, columns: std::ops::Range<usize>) -> Self {
        let count = columns.len().max(1) as f64;
        let (mut mse, mut correlations) = (0.0, Vec::new());
        for column in columns {
            let pairs = || {
                let (f, t) = (found.iter().skip(column).step_by(size), truth.iter().skip(column).step_by(size));
                f.zip(t).map(|(&f, &t)| (f64::from(f), f64::from(t)))
            };
            let n = pairs().count().max(1) as f64;
            let sum = |of: &dyn Fn((f64, f64)) -> f64| pairs().map(of).sum::<f64>() / n;
            mse += sum(&|(f, t)| (f - t).powi(2)) / count;
            let (f, t) = (sum(&|(f, _)| f), sum(&|(_, t)| t));
            let (ff, tt) = (sum(&|(x, _)| (x - f).powi(2)), sum(&|(_, x)| (x - t).powi(2)));
            // A constant reading of a label that varies has no correlation with it.
            if tt > 1e-12 {
                correlations.push(if ff > 1e-12 { sum(&|(x, y)| (x - f) * (y - t)) / (ff * tt).sqrt() } else { 0.0 });
            }
        }
        let r = correlations.iter().sum::<f64>() / correlations.len().max(1) as f64;
        Self { mse, r: (!correlations.is_empty()).then_some(r) }
    }
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trained_on, tested_on, numbers, .. } = self;
        writeln!(
            f,
            "probes of {numbers} latent numbers: trained on {trained_on} frames, tested on {tested_on} others"
        )?;
        let width = self.labels.iter().map(|label| label.label.len()).max().unwrap_or(0);
        writeln!(f, "{:width$}  {:>10}  {:>6}  {:>10}  {:>6}", "", "linear MSE", "r", "MLP MSE", "r")?;
        for ProbedLabel { label, linear, mlp } in &self.labels {
            write!(f, "{label:width$}")?;
            for Reading { mse, r } in [linear, mlp] {
                let r = r.map_or("-".to_owned(), |r| format!("{r:.3}"));
                write!(f, "  {mse:>10.4}  {r:>6}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

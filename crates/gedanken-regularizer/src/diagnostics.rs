//! Collapse diagnostics: does the latent still say anything?

use burn::prelude::*;
use nalgebra::{DMatrix, DVector};
use serde::Serialize;

/// A feature whose standard deviation over the samples is below this says nothing: 0.01, a hundredth of the margin that the
/// variance term asks for.
pub const DEAD_STD: f64 = 0.01;
/// Below this mean standard deviation the latents are collapsed to a point: 0.01.
pub const MIN_MEAN_STD: f64 = 0.01;
/// Below this effective rank the latents are collapsed to a line: 2.
pub const MIN_RANK: f64 = 2.0;
/// The rank is judged only where at least so many features and samples could have had one: 8.
pub const FEW: usize = 8;
/// At most so many samples are looked at, evenly spaced: 512.
pub const MAX_SAMPLES: usize = 512;

/// Use of the latent space, measured on at most [`MAX_SAMPLES`] samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Collapse {
    /// Standard deviation of a feature over the samples (unbiased), mean over the features. NaN where a latent is not finite.
    pub mean_std: f64,
    /// Features with a standard deviation below [`DEAD_STD`].
    pub dead: usize,
    /// `exp(H(p))`, `p` the eigenvalues of the features' covariance as shares of their sum and `H` the entropy in nats: D for
    /// D features of equal variance that are not correlated, 1 where they all lie on a line, 0 where nothing varies. At most
    /// `min(samples - 1, dims)`, so compare only what was measured on equally many samples. NaN where a latent is not finite.
    ///
    /// Source: Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007, for the covariance
    /// matrix. (RankMe takes the singular values of the samples instead, the roots of these, and gives larger numbers.)
    pub effective_rank: f64,
    /// Features per sample.
    pub dims: usize,
    /// Samples that were looked at.
    pub samples: usize,
}

impl Collapse {
    /// Of latents `[samples, features]` on any device. Copies at most
    /// [`MAX_SAMPLES`] rows to the host.
    pub fn measure(latents: Tensor<2>) -> Self {
        let [samples, dims] = latents.dims();
        let chosen = if samples > MAX_SAMPLES {
            let rows: Vec<i32> = evenly_spaced(samples).map(|row| row as i32).collect();
            let rows = Tensor::<1, Int>::from_ints(rows.as_slice(), &latents.device());
            latents.select(0, rows)
        } else {
            latents
        };
        let rows: Vec<f32> = chosen.into_data().iter::<f32>().collect();
        Self::of(&rows, dims)
    }

    /// Of latents on the host: rows of `dims` features, one after another. A last row that is not whole is left out.
    pub fn of(rows: &[f32], dims: usize) -> Self {
        let samples = rows.len().checked_div(dims).unwrap_or(0);
        let chosen: Vec<&[f32]> = evenly_spaced(samples).map(|row| &rows[row * dims..][..dims]).collect();
        let samples = chosen.len();
        if chosen.iter().any(|row| row.iter().any(|v| !v.is_finite())) {
            return Self { mean_std: f64::NAN, dead: 0, effective_rank: f64::NAN, dims, samples };
        }
        let mut x = DMatrix::from_fn(samples, dims, |row, feature| f64::from(chosen[row][feature]));
        let degrees = samples.saturating_sub(1).max(1) as f64;
        let mut stds = DVector::zeros(dims);
        for (feature, mut column) in x.column_iter_mut().enumerate() {
            column.add_scalar_mut(-column.sum() / samples.max(1) as f64);
            stds[feature] = (column.norm_squared() / degrees).sqrt();
        }
        Self {
            mean_std: stds.sum() / dims.max(1) as f64,
            dead: stds.iter().filter(|std| **std < DEAD_STD).count(),
            effective_rank: effective_rank(&x),
            dims,
            samples,
        }
    }

    /// A diagnosis where the latents are collapsed; `None` where they are not or where fewer than two samples
    /// cannot tell.
    ///
    /// Collapsed is: a mean standard deviation below [`MIN_MEAN_STD`] (one point), or an effective rank below [`MIN_RANK`] (a
    /// line) where there are at least [`FEW`] features and samples. Latents that are not finite are reported too.
    pub fn verdict(&self) -> Option<String> {
        let Self { mean_std, effective_rank, dims, samples, .. } = *self;
        if samples < 2 || dims == 0 {
            None
        } else if !mean_std.is_finite() {
            Some("the latents are not finite".to_owned())
        } else if mean_std < MIN_MEAN_STD {
            Some(format!(
                "the latents are collapsed to a point: the mean standard deviation is {mean_std:.2e}, below {MIN_MEAN_STD}"
            ))
        } else if effective_rank < MIN_RANK && dims.min(samples) >= FEW {
            Some(format!(
                "the latents are collapsed to a line: the effective rank is {effective_rank:.2} of {dims}, below {MIN_RANK}"
            ))
        } else {
            None
        }
    }
}

/// At most [`MAX_SAMPLES`] of the row numbers below `samples`.
fn evenly_spaced(samples: usize) -> impl Iterator<Item = usize> {
    let taken = samples.min(MAX_SAMPLES);
    (0..taken).map(move |k| k * samples / taken)
}

/// Of centred samples `x` `[samples, features]`; the scale falls out, so nothing is divided by `samples - 1`. The Gram matrix
/// has the covariance's non-zero eigenvalues, so the smaller of the two is taken.
fn effective_rank(x: &DMatrix<f64>) -> f64 {
    let product = if x.nrows() < x.ncols() { x * x.transpose() } else { x.tr_mul(x) };
    let total = product.trace();
    if total <= 0.0 {
        return 0.0;
    }
    let entropy: f64 =
        (product / total).symmetric_eigenvalues().iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

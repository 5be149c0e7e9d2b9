//! The collapse diagnostics on spectra that are known.

mod common;

use burn::tensor::DType;
use common::{assert_close, tensor, wave};
use gedanken_regularizer::{Collapse, MAX_SAMPLES};

/// A Hadamard matrix's columns 1.. of `order` (a power of 2): mean 0, orthogonal, equal variance; column `j` times `scale(j)`.
fn orthogonal(order: usize, features: usize, scale: impl Fn(usize) -> f64) -> Vec<f32> {
    let sign = |row: usize, column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..order)
        .flat_map(|row| (0..features).map(move |j| (row, j)))
        .map(|(row, j)| (sign(row, j + 1) * scale(j)) as f32)
        .collect()
}

#[test]
fn features_of_equal_variance_without_correlation_have_full_effective_rank() {
    for features in [1, 3, 7, 15] {
        let collapse = Collapse::of(&orthogonal(16, features, |_| 0.7), features);
        assert_close(&[collapse.effective_rank], &[features as f64], 1e-6, "effective rank");
        assert_close(&[collapse.mean_std], &[0.7 * (16.0_f64 / 15.0).sqrt()], 1e-6, "mean std");
        assert_eq!((collapse.dead, collapse.dims, collapse.samples), (0, features, 16));
        assert_eq!(collapse.verdict(), None);
    }
}

#[test]
fn a_geometric_spectrum_has_the_effective_rank_of_its_entropy() {
    // Variances 1, 1/2, 1/4, ..., 1/64 in shares of their sum.
    let variances: Vec<f64> = (0..7).map(|j| 0.5_f64.powi(j)).collect();
    let total: f64 = variances.iter().sum();
    let entropy: f64 = variances.iter().map(|v| -(v / total) * (v / total).ln()).sum();
    let collapse = Collapse::of(&orthogonal(8, 7, |j| 0.5_f64.powi(j as i32).sqrt()), 7);
    assert_close(&[collapse.effective_rank], &[entropy.exp()], 1e-6, "effective rank");
}

#[test]
fn the_effective_rank_does_not_depend_on_scale_or_origin() {
    let x: Vec<f32> = wave(20 * 6, 1.0, 0.4, 0.0).into_iter().map(|v| v as f32).collect();
    let moved: Vec<f32> = x.iter().map(|v| v * 8.0 + 16.0).collect();
    let (x, moved) = (Collapse::of(&x, 6), Collapse::of(&moved, 6));
    assert_close(&[moved.effective_rank], &[x.effective_rank], 1e-5, "effective rank");
    assert_close(&[moved.mean_std], &[8.0 * x.mean_std], 1e-5, "mean std");
}

#[test]
fn a_wide_latent_goes_through_the_gram_matrix_to_the_same_rank() {
    // Four samples of three orthogonal directions, each written 50 times over.
    let narrow = orthogonal(4, 3, |_| 1.0);
    let wide: Vec<f32> = narrow.chunks(3).flat_map(|row| row.repeat(50)).collect();
    assert_close(&[Collapse::of(&wide, 150).effective_rank], &[3.0], 1e-6, "effective rank");
}

#[test]
fn a_constant_latent_is_collapsed_to_a_point() {
    let collapse = Collapse::of(&[0.25; 64 * 16], 16);
    assert_eq!((collapse.mean_std, collapse.dead, collapse.effective_rank), (0.0, 16, 0.0));
    assert!(collapse.verdict().unwrap().contains("point"));
}

#[test]
fn latents_on_a_line_are_collapsed_to_a_line() {
    let line: Vec<f32> = (0..64).flat_map(|i| (0..16).map(move |j| (i * (j + 1)) as f32 * 0.01)).collect();
    let collapse = Collapse::of(&line, 16);
    assert_close(&[collapse.effective_rank], &[1.0], 1e-6, "effective rank");
    assert!(collapse.verdict().unwrap().contains("line"));
}

#[test]
fn dead_features_are_counted() {
    let collapse = Collapse::of(&orthogonal(16, 10, |j| if j < 4 { 0.001 } else { 1.0 }), 10);
    assert_eq!(collapse.dead, 4);
    assert_eq!(collapse.verdict(), None);
}

#[test]
fn latents_that_are_not_finite_are_reported() {
    let mut rows = orthogonal(16, 8, |_| 1.0);
    rows[13] = f32::NAN;
    let collapse = Collapse::of(&rows, 8);
    assert!(collapse.effective_rank.is_nan());
    assert!(collapse.verdict().unwrap().contains("not finite"));
}

#[test]
fn too_few_samples_or_features_get_no_verdict() {
    assert_eq!(Collapse::of(&[], 4).verdict(), None);
    assert_eq!(Collapse::of(&[1.0; 4], 4).verdict(), None);
    assert_eq!(Collapse::of(&[1.0; 4], 0).verdict(), None);
    let line_of_two_features: Vec<f32> = (0..64).flat_map(|i| [i as f32, i as f32]).collect();
    assert_eq!(Collapse::of(&line_of_two_features, 2).verdict(), None);
}

#[test]
fn the_device_and_the_host_look_at_the_same_evenly_spaced_samples() {
    let (samples, dims) = (3 * MAX_SAMPLES + 100, 5);
    let x = wave(samples * dims, 1.0, 0.4, 0.0);
    let rows: Vec<f32> = x.iter().map(|v| *v as f32).collect();
    let collapse = Collapse::of(&rows, dims);
    assert_eq!(collapse.samples, MAX_SAMPLES);
    assert_eq!(Collapse::measure(tensor(&x, [samples, dims], DType::F32)), collapse);
}

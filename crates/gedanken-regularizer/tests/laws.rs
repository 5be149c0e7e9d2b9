//! What must hold for the terms whatever the numbers are.

mod common;

use burn::prelude::*;
use burn::tensor::DType::F64;
use common::{assert_close, assert_gradient, numbers, scalar, tensor, value_and_gradient, wave};
use gedanken_regularizer::{
    EPSILON, Variance, covariance, directions, energy_score, sigreg, time_similarity, variance,
};

fn shapeless(samples: usize, features: usize) -> Tensor<2> {
    tensor(&wave(samples * features, 0.6, 0.8, 0.1), [samples, features], F64)
}

fn sequence(shape: [usize; 4]) -> Tensor<4> {
    tensor(&wave(shape.iter().product(), 0.6, 0.8, 0.1), shape, F64)
}

#[test]
fn every_gradient_is_that_of_finite_differences() {
    for (samples, features) in [(7, 4), (4, 7)] {
        assert_gradient(1e-7, shapeless(samples, features), |x| variance(x, 1.0));
        assert_gradient(1e-7, shapeless(samples, features), covariance);
    }
    assert_gradient(1e-7, sequence([2, 3, 2, 3]), time_similarity);
    assert_gradient(1e-7, sequence([4, 3, 2, 3]), |z| {
        let directions = gaussian_directions(3, 5, 1);
        sigreg(z.clone(), if z.device().is_autodiff() { directions.autodiff() } else { directions })
    });
}

fn gaussian_directions(dim: usize, count: usize, seed: u64) -> Tensor<2> {
    directions(dim, count, seed, &Device::flex()).cast(F64)
}

#[test]
fn the_energy_score_is_least_for_the_true_odds() {
    let row = |x: f64| tensor(&[x, x], [1, 2], F64);
    let of =
        |odds: [f64; 2], came: f64| scalar(energy_score(&[row(0.0), row(2.0)], tensor(&odds, [1, 2], F64), row(came)));
    // By hand: p0 |0 - y| + p1 |2 - y| - p0 p1 |0 - 2|.
    assert_close(&[of([0.5, 0.5], 0.0), of([0.25, 0.75], 0.5)], &[0.5, 0.875], 1e-5, "scores");
    // Where both come as often, other odds than even ones score worse on average.
    let mean = |odds| (of(odds, 0.0) + of(odds, 2.0)) / 2.0;
    assert!(mean([0.5, 0.5]) < mean([0.4, 0.6]) && mean([0.5, 0.5]) < mean([1.0, 0.0]));
    assert_gradient(1e-6, shapeless(3, 4), |x| {
        let odds = if x.device().is_autodiff() { shapeless(3, 2).autodiff() } else { shapeless(3, 2) };
        energy_score(&[x.clone(), x.clone() * 2.0 - 0.3], odds.square(), x * 0.5 + 1.0)
    });
}

#[test]
fn directions_have_length_one_and_follow_from_their_seed() {
    let columns = gaussian_directions(12, 40, 3);
    let lengths = numbers(columns.clone().square().sum_dim(0));
    assert_close(&lengths, &[1.0; 40], 1e-6, "lengths");
    assert_eq!(numbers(columns.clone()), numbers(gaussian_directions(12, 40, 3)));
    assert_ne!(numbers(columns), numbers(gaussian_directions(12, 40, 4)));
}

#[test]
fn sigreg_likes_a_gaussian_best() {
    // 1000 Gaussian samples of 8 numbers in two frames: directions, stretched to their length before they were normalised.
    let gaussian = directions(2000, 8, 5, &Device::flex()).cast(F64) * 2000.0_f64.sqrt();
    let gaussian = gaussian.reshape([1000, 2, 1, 8]);
    let of = |z: Tensor<4>| scalar(sigreg(z, gaussian_directions(8, 64, 1)));
    // Under the hypothesis the mean is of order one, whatever the number of samples.
    let best = of(gaussian.clone());
    assert!((0.2..3.0).contains(&best), "{best}");
    let (wide, narrow, moved) = (gaussian.clone() * 2.0, gaussian.clone() * 0.5, gaussian.clone() + 0.5);
    let uniform = tensor(&wave(16_000, 2.0_f64.sqrt(), 0.3, 0.0), [1000, 2, 1, 8], F64);
    let constant = gaussian.zeros_like();
    for (worse, name) in [(wide, "wide"), (narrow, "narrow"), (moved, "moved"), (constant, "constant")] {
        let worse = of(worse);
        assert!(worse > 10.0 * best, "{name}: {worse}, a Gaussian: {best}");
    }
    assert!(of(uniform).is_finite());
}

#[test]
fn sigreg_takes_tokens_for_samples_and_keeps_frames_apart() {
    let z = sequence([4, 3, 2, 5]);
    let of = |z: Tensor<4>| scalar(sigreg(z, gaussian_directions(5, 6, 2)));
    let tokens_as_rows = z.clone().permute([0, 2, 1, 3]).reshape([8, 3, 1, 5]);
    assert_close(&[of(z.clone())], &[of(tokens_as_rows)], 1e-12, "tokens");
    let mean = (0..3).map(|t| of(z.clone().narrow(1, t, 1))).sum::<f64>() / 3.0;
    assert_close(&[of(z)], &[mean], 1e-12, "frames");
}

/// The definition, without the identity of the two forms: the whole matrix, its diagonal masked out.
fn covariance_by_definition(x: Tensor<2>) -> Tensor<1> {
    let [samples, features] = x.dims();
    let centred = x.clone() - x.mean_dim(0);
    let matrix = centred.clone().transpose().matmul(centred) / (samples - 1) as f64;
    let off_diagonal = -identity(features) + 1.0;
    (matrix * off_diagonal).square().sum() / (features * (features - 1)) as f64
}

fn identity(size: usize) -> Tensor<2> {
    let entries: Vec<f64> = (0..size * size).map(|i| f64::from(u8::from(i % (size + 1) == 0))).collect();
    tensor(&entries, [size, size], F64)
}

#[test]
fn the_gram_form_and_the_direct_form_are_both_the_definition() {
    for (samples, features) in [(3, 17), (8, 8), (20, 4), (2, 2), (16, 169)] {
        let (value, gradient) = value_and_gradient(shapeless(samples, features), covariance);
        let (by_definition, its_gradient) = value_and_gradient(shapeless(samples, features), covariance_by_definition);
        assert_close(&[value], &[by_definition], 1e-9, "value");
        assert_close(&gradient, &its_gradient, 1e-7, "gradient");
    }
}

#[test]
fn the_order_of_the_samples_and_of_the_features_does_not_matter() {
    for (samples, features) in [(9, 5), (5, 9)] {
        let x = shapeless(samples, features);
        for other in [x.clone().flip([0]), x.clone().flip([1])] {
            assert_close(
                &[scalar(variance(x.clone(), 1.0))],
                &[scalar(variance(other.clone(), 1.0))],
                1e-12,
                "variance",
            );
            assert_close(&[scalar(covariance(x.clone()))], &[scalar(covariance(other))], 1e-12, "covariance");
        }
    }
}

#[test]
fn where_the_origin_lies_does_not_matter() {
    let x = shapeless(6, 8);
    let moved = x.clone() + 3.0;
    assert_close(&[scalar(variance(moved.clone(), 1.0))], &[scalar(variance(x.clone(), 1.0))], 1e-12, "variance");
    assert_close(&[scalar(covariance(moved))], &[scalar(covariance(x))], 1e-12, "covariance");
    let z = sequence([2, 3, 1, 4]);
    assert_close(&[scalar(time_similarity(z.clone() + 3.0))], &[scalar(time_similarity(z))], 1e-12, "time similarity");
}

#[test]
fn covariance_grows_with_the_fourth_power_and_time_similarity_with_the_second() {
    for (samples, features) in [(6, 3), (3, 6)] {
        let x = shapeless(samples, features);
        let expected = 81.0 * scalar(covariance(x.clone()));
        assert_close(&[scalar(covariance(x * 3.0))], &[expected], 1e-12, "covariance");
    }
    let z = sequence([2, 3, 1, 4]);
    let expected = 9.0 * scalar(time_similarity(z.clone()));
    assert_close(&[scalar(time_similarity(z * 3.0))], &[expected], 1e-12, "time similarity");
}

#[test]
fn the_terms_are_means_so_repeating_the_features_keeps_the_variance_term() {
    let x = shapeless(6, 4);
    let twice = Tensor::cat(vec![x.clone(), x.clone()], 1);
    assert_close(&[scalar(variance(twice, 1.0))], &[scalar(variance(x, 1.0))], 1e-12, "variance");
    let z = sequence([2, 3, 1, 4]);
    let twice = Tensor::cat(vec![z.clone(), z.clone()], 0);
    assert_close(&[scalar(time_similarity(twice))], &[scalar(time_similarity(z))], 1e-12, "time similarity");
}

#[test]
fn variance_is_zero_beyond_the_margin_and_pushes_nothing_there() {
    let (value, gradient) = value_and_gradient(shapeless(8, 3) * 100.0, |x| variance(x, 1.0));
    assert_eq!(value, 0.0);
    assert!(gradient.iter().all(|g| *g == 0.0));
}

#[test]
fn variance_of_a_constant_is_the_margin_less_the_root_of_epsilon_and_its_gradient_is_finite() {
    let constant = tensor(&[2.0; 12], [4, 3], F64);
    let (value, gradient) = value_and_gradient(constant, |x| variance(x, 1.0));
    assert_close(&[value], &[1.0 - EPSILON.sqrt()], 1e-12, "variance");
    assert!(gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn covariance_is_zero_for_features_that_are_not_correlated() {
    // Columns of a Hadamard matrix: orthogonal, mean 0.
    let columns = [1., 1., 1., -1., 1., -1., 1., -1., -1., -1., -1., 1.];
    let x = tensor(&columns, [4, 3], F64);
    assert!(scalar(covariance(x)).abs() < 1e-12);
    assert_eq!(scalar(covariance(tensor(&[1.0, 2.0, 3.0], [3, 1], F64))), 0.0);
}

#[test]
fn covariance_of_equal_features_is_their_squared_variance() {
    let values = [0.5, -1.0, 2.0, 0.25];
    let mean = values.iter().sum::<f64>() / 4.0;
    let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3.0;
    for features in [2, 9] {
        let x: Vec<f64> = values.iter().flat_map(|v| vec![*v; features]).collect();
        assert_close(&[scalar(covariance(tensor(&x, [4, features], F64)))], &[var * var], 1e-12, "covariance");
    }
}

#[test]
fn time_similarity_is_zero_where_nothing_moves_and_the_squared_step_where_all_move_alike() {
    let frame = sequence([3, 1, 2, 4]);
    let still = frame.clone().repeat_dim(1, 5);
    assert_eq!(scalar(time_similarity(still)), 0.0);
    let moving = Tensor::cat((0..5).map(|t| frame.clone() + 0.5 * f64::from(t)).collect(), 1);
    assert_close(&[scalar(time_similarity(moving))], &[0.25], 1e-12, "time similarity");
}

#[test]
fn time_similarity_sees_time_only_within_a_sequence() {
    let z = sequence([3, 4, 1, 2]);
    assert_close(&[scalar(time_similarity(z.clone().flip([0])))], &[scalar(time_similarity(z))], 1e-12, "flipped");
}

#[test]
fn a_single_frame_and_a_single_sample_are_not_an_error() {
    assert_eq!(scalar(time_similarity(sequence([3, 1, 1, 2]))), 0.0);
    assert_eq!(scalar(covariance(shapeless(1, 5))), 0.0);
    assert_close(&[scalar(variance(shapeless(1, 5), 1.0))], &[1.0 - EPSILON.sqrt()], 1e-12, "variance");
}

#[test]
fn a_config_refuses_unknown_keys() {
    let config: Variance = toml::from_str("margin = 0.5").unwrap();
    assert_eq!(config.margin, 0.5);
    assert!(toml::from_str::<Variance>("margn = 0.5").is_err());
}

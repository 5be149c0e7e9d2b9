//! Intervals and rank correlations.

/// Wilson's 95 % interval of a success rate (Wilson, 1927): unlike the normal one it stays within 0 and 1 and is right for
/// rates near them.
pub fn wilson(successes: usize, trials: usize) -> [f64; 2] {
    if trials == 0 {
        return [0.0, 1.0];
    }
    let (n, z) = (trials as f64, 1.959_963_984_540_054);
    let rate = successes as f64 / n;
    let centre = (rate + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

/// The probability that chance alone splits `a + b` cases, each equally likely to fall on either side, at least as unevenly as into `a` and
/// `b`: the sign test, two-sided and exact.
pub fn sign_test(a: usize, b: usize) -> f64 {
    let (n, least) = (a + b, a.min(b));
    // Binomial coefficients over 2^n, in logarithms: there may be many.
    let mut log = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = log.exp();
    for k in 1..=least {
        log += ((n - k + 1) as f64 / k as f64).ln();
        tail += log.exp();
    }
    (2.0 * tail).min(1.0)
}

/// Spearman's rank correlation; ties share their mean rank. NaN when one side is constant.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let (mut covariance, mut va, mut vb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        covariance += (x - mean) * (y - mean);
        va += (x - mean).powi(2);
        vb += (y - mean).powi(2);
    }
    covariance / (va * vb).sqrt()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let same = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]).count().max(1);
        for &i in &order[start..start + same] {
            ranks[i] = start as f64 + (same as f64 - 1.0) / 2.0;
        }
        start += same;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_gives_the_textbook_intervals() {
        // statsmodels.stats.proportion.proportion_confint(k, n, method="wilson")
        for (k, n, low, high) in [(0, 20, 0.0, 0.161_1), (10, 20, 0.299_3, 0.700_7), (97, 100, 0.915_5, 0.989_7)] {
            let [l, h] = wilson(k, n);
            assert!((l - low).abs() < 1e-3 && (h - high).abs() < 1e-3, "{k} of {n}: {l} {h}");
        }
    }

    #[test]
    fn the_sign_test_counts_the_splits_that_are_as_uneven() {
        // In integers: 2 * sum(comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
        for (a, b, expected) in [(2, 8, 0.109_375), (0, 6, 0.031_25), (5, 5, 1.0), (0, 0, 1.0), (430, 570, 1.0710e-5)] {
            let found = sign_test(a, b);
            assert!((found / expected - 1.0).abs() < 1e-3, "{a} and {b}: {found}");
            assert_eq!(found, sign_test(b, a));
        }
    }

    #[test]
    fn spearman_sees_order_and_nothing_else() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert!((spearman(&a, &a.map(|x: f64| x.exp())) - 1.0).abs() < 1e-12);
        assert!((spearman(&a, &a.map(|x| -x)) + 1.0).abs() < 1e-12);
        // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).statistic = 0.8207826816681233
        assert!((spearman(&a, &[5.0, 6.0, 7.0, 8.0, 7.0]) - 0.820_782_681_668_123_3).abs() < 1e-12);
    }
}

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

/// Student's 95 % interval of the mean of some values (Student, 1908): mean ± t · s / √n, t the quantile of n - 1 degrees of freedom. None of
/// fewer than two. For rates it may reach beyond 0 and 1: it knows nothing of them.
pub fn student(values: &[f64]) -> Option<[f64; 2]> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    let degrees = n.checked_sub(1).filter(|&degrees| degrees > 0)?;
    let half = student_quantile(degrees) * (squares / degrees as f64 / n as f64).sqrt();
    Some([mean - half, mean + half])
}

/// The number that Student's t with so many degrees of freedom stays within in 95 of 100 cases, on either side of 0.
fn student_quantile(degrees: usize) -> f64 {
    let (mut low, mut high) = (0.0, 13.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if student_within(middle, degrees) < 0.95 { low = middle } else { high = middle }
    }
    high
}

/// The probability that Student's t lies within `t` of 0: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
fn student_within(t: f64, degrees: usize) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, square) = (angle.sin(), angle.cos().powi(2));
    let odd = degrees % 2;
    let (mut term, mut sum) = (if odd == 1 { angle.cos() } else { 1.0 }, 0.0);
    for k in (odd..degrees.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= square * (k + 1) as f64 / (k + 2) as f64;
    }
    if odd == 1 { 2.0 / std::f64::consts::PI * (angle + sine * sum) } else { sine * sum }
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
    fn student_gives_the_intervals_of_scipy() {
        // scipy.stats.t.ppf(0.975, degrees)
        for (degrees, expected) in [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (3, 3.182_446_305_283_708),
            (4, 2.776_445_105_197_793),
            (9, 2.262_157_162_798_205),
            (30, 2.042_272_456_301_238),
            (99, 1.984_216_951_586_417),
        ] {
            let found = student_quantile(degrees);
            assert!((found - expected).abs() < 1e-9, "{degrees}: {found}");
        }
        // scipy.stats.t.interval(0.95, 2, loc=numpy.mean(x), scale=scipy.stats.sem(x)), x = [0.9, 0.94, 0.98]
        let [low, high] = student(&[0.9, 0.94, 0.98]).unwrap();
        assert!(
            (low - 0.840_634_491_529_987).abs() < 1e-9 && (high - 1.039_365_508_470_013).abs() < 1e-9,
            "{low} {high}"
        );
        assert!(student(&[0.5]).is_none() && student(&[]).is_none());
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

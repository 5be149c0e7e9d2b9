//! The exponential function for loops that become vectors.

/// `e^x` to two units in the last place, without a branch, so that loops over it become vectors: the polynomial of Cephes' `expf`
/// (Moshier, 1992). Beyond ±87 it stays what it is there.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Added to a small number, it leaves the nearest whole one in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let coefficients = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let polynomial = coefficients.iter().fold(1.987_569_1e-4, |sum, coefficient| sum * rest + coefficient);
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    scale * (polynomial * rest * rest + rest + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_the_exponential() {
        for i in -8_700..=8_700 {
            let x = i as f32 / 100.0;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 3e-7, "{x}: {ours} instead of {exact}");
        }
        assert!(exp(f32::NAN).is_nan());
    }
}

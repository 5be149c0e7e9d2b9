//! Which vector instructions this machine has, asked anew by every task: one binary runs on all.

use pulp::{Simd, WithSimd};

/// Runs `operation` with the widest vectors there are; `channels` is how many of its numbers stand side by side.
///
/// Eight numbers or fewer fill half of an AVX-512 register, so they get AVX2.
pub(super) fn dispatch<Op: WithSimd>(channels: usize, operation: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let (Some(simd), true) = (pulp::x86::V4::try_new(), channels > 8) {
            return Simd::vectorize(simd, operation);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, operation);
        }
        Simd::vectorize(pulp::Scalar128b, operation)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = channels;
        pulp::Arch::new().dispatch(operation)
    }
}

/// How many numbers the vectors have that [`dispatch`] chooses.
pub(super) fn lanes(channels: usize) -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(channels, Lanes)
}

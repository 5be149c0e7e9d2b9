//! Which vector instructions this machine has, asked anew by every task: one binary runs on all.

use pulp::{Simd, WithSimd};

/// Runs `operation` with the widest vectors there are; `channels` is how many of its numbers stand side by side.
///
/// Eight numbers or fewer fill half of an AVX-512 register, so they get AVX2.
pub(super) fn dispatch<Op: WithSimd>(channels: usize, operation: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let (Some(simd), true) = (pulp::x86::V4::try_new(), channels > 8) {
            return operation.with(simd);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return operation.with(simd);
        }
        operation.with(pulp::Scalar128b)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = channels;
        pulp::Arch::new().dispatch(operation)
    }
}

/// An operation on one kind of vectors, as a function of its own: never inlined, so compiled once for each set of instructions. The compiler
/// puts a method of a trait into the unit of the type it is implemented for, here the kernel's: an edit of one kernel compiles no other again.
pub(super) trait With: WithSimd {
    fn with<S: Simd>(self, simd: S) -> Self::Output;
}

impl<Op: WithSimd> With for Op {
    #[inline(never)]
    fn with<S: Simd>(self, simd: S) -> Op::Output {
        simd.vectorize(self)
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

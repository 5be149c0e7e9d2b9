//! The inner loops of a convolution: a tile of the result stays in registers while a long sum runs over it.
//!
//! A tile has `ROWS` rows of `VECTORS` vectors. Each step of the sum loads `VECTORS` vectors of one factor and broadcasts
//! `ROWS` numbers of the other: `ROWS * VECTORS` multiply-adds for `ROWS + VECTORS` loads.

use pulp::Simd;

/// A tile in registers.
type Tile<S, const ROWS: usize, const VECTORS: usize> = [[<S as Simd>::f32s; VECTORS]; ROWS];

/// The most rows that a tile of `vectors` vectors can have before the registers run out; few where no vectors are worth speed.
pub(super) const fn most_rows<S: Simd>(vectors: usize) -> usize {
    match (S::REGISTER_COUNT >= 32, vectors) {
        (true, _) => 8,
        (_, 3..) => 3,
        _ if S::F32_LANES < 8 => 4,
        (_, 2) => 6,
        _ => 8,
    }
}

/// Calls `$function::<S, ROWS, VECTORS>(..)` for every piece of `0..$length`, cut into the fewest pieces of at most
/// [`most_rows`], as equal as can be: `$from` is where a piece begins, and its length is `ROWS`. What is longer is not compiled at
/// all: these kernels build in a third less time.
macro_rules! for_pieces {
    (($from:ident in $length:expr) $function:ident::<$simd:ty, _, $vectors:ident>($($argument:expr),* $(,)?)) => {{
        use crate::kernels::tile::most_rows;
        let length = $length;
        let pieces = length.div_ceil(most_rows::<$simd>($vectors));
        for piece in 0..pieces {
            let $from = length * piece / pieces;
            match length * (piece + 1) / pieces - $from {
                8 if const { most_rows::<$simd>($vectors) >= 8 } => $function::<$simd, 8, $vectors>($($argument),*),
                7 if const { most_rows::<$simd>($vectors) >= 7 } => $function::<$simd, 7, $vectors>($($argument),*),
                6 if const { most_rows::<$simd>($vectors) >= 6 } => $function::<$simd, 6, $vectors>($($argument),*),
                5 if const { most_rows::<$simd>($vectors) >= 5 } => $function::<$simd, 5, $vectors>($($argument),*),
                4 if const { most_rows::<$simd>($vectors) >= 4 } => $function::<$simd, 4, $vectors>($($argument),*),
                3 => $function::<$simd, 3, $vectors>($($argument),*),
                2 => $function::<$simd, 2, $vectors>($($argument),*),
                _ => $function::<$simd, 1, $vectors>($($argument),*),
            }
        }
    }};
}
pub(super) use for_pieces;

/// Adds `sum over k of rows[row][k] * panel[k]` to each row of `tile`; row `row` begins at `a[row * stride]`.
#[inline(always)]
pub(super) fn add_dots<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    a: &[f32],
    stride: usize,
    panel: &[S::f32s],
    tile: &mut Tile<S, ROWS, VECTORS>,
) {
    let depth = panel.len() / VECTORS;
    let mut rows = [a; ROWS];
    for (row, slice) in rows.iter_mut().enumerate() {
        *slice = &a[row * stride..][..depth];
    }
    for (k, factors) in panel.chunks_exact(VECTORS).enumerate() {
        for (slice, registers) in rows.iter().zip(tile.iter_mut()) {
            let factor = simd.splat_f32s(slice[k]);
            for (sum, vector) in registers.iter_mut().zip(factors) {
                *sum = multiply_add(simd, factor, *vector, *sum);
            }
        }
    }
}

/// Adds `a[k * a_stride + row] * b[k * b_stride..]` to each row of `tile`, for `depth` values of `k`.
#[inline(always)]
pub(super) fn add_outers<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    (a, a_stride): (&[f32], usize),
    (b, b_stride): (&[f32], usize),
    depth: usize,
    tile: &mut Tile<S, ROWS, VECTORS>,
) {
    let (mut a_from, mut b_from) = (0, 0);
    for _ in 0..depth {
        let column = &a[a_from..a_from + ROWS];
        let (factors, _) = S::as_simd_f32s(&b[b_from..b_from + VECTORS * S::F32_LANES]);
        (a_from, b_from) = (a_from + a_stride, b_from + b_stride);
        for (factor, registers) in column.iter().zip(tile.iter_mut()) {
            let factor = simd.splat_f32s(*factor);
            for (sum, vector) in registers.iter_mut().zip(factors) {
                *sum = multiply_add(simd, factor, *vector, *sum);
            }
        }
    }
}

/// `a * b + c`, in one instruction where there is one.
#[inline(always)]
fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if cfg!(target_arch = "x86_64") && S::F32_LANES < 8 {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// A tile of a row-major matrix whose rows are `stride` apart; only the first `width` numbers of its rows are there.
#[inline(always)]
pub(super) fn load<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    matrix: &[f32],
    stride: usize,
    width: usize,
) -> Tile<S, ROWS, VECTORS> {
    let mut tile = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    for (row, registers) in tile.iter_mut().enumerate() {
        let row = &matrix[row * stride..][..width];
        if width == VECTORS * S::F32_LANES {
            registers.copy_from_slice(S::as_simd_f32s(row).0);
        } else {
            for (index, register) in registers.iter_mut().enumerate() {
                *register = simd.partial_load_f32s(&row[width.min(index * S::F32_LANES)..]);
            }
        }
    }
    tile
}

/// The counterpart of [`load`].
#[inline(always)]
pub(super) fn store<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: &Tile<S, ROWS, VECTORS>,
    matrix: &mut [f32],
    stride: usize,
    width: usize,
) {
    for (row, registers) in tile.iter().enumerate() {
        let row = &mut matrix[row * stride..][..width];
        if width == VECTORS * S::F32_LANES {
            S::as_mut_simd_f32s(row).0.copy_from_slice(registers);
        } else {
            for (index, register) in registers.iter().enumerate() {
                simd.partial_store_f32s(&mut row[width.min(index * S::F32_LANES)..], *register);
            }
        }
    }
}

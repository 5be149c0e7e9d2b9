//! A step of a GRU for many rows.
//!
//! The three gates of as many numbers of the state as a vector has are summed side by side in registers, and become those numbers
//! of the next state there and then: what the gates are made of is never written.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::collect_blocks;
use super::simd::{dispatch, lanes};
use super::tile::{add_dots, for_pieces, store};

/// Rows that a task has at least: all weights pass through the cache once for each task.
const LEAST_ROWS: usize = 32;

/// The weights of a GRU with `action` inputs and a state of `dim` numbers, in the order in which they are used.
#[derive(Debug)]
pub(crate) struct Packed {
    dim: usize,
    action: usize,
    panels: Vec<Panel>,
}

/// The weights of `width` numbers of the state from `from` on. A row is a vector of each gate: reset, update, new.
#[derive(Debug)]
struct Panel {
    from: usize,
    width: usize,
    /// `[dim, 3 lanes]`
    hidden: Vec<f32>,
    /// `[action, 3 lanes]`
    input: Vec<f32>,
    /// What the sums begin with: `[3 lanes]` each.
    hidden_bias: Vec<f32>,
    input_bias: Vec<f32>,
}

impl Packed {
    /// From weights `[action, 3 dim]` and `[dim, 3 dim]` and biases `[3 dim]`, gates in the order reset, update, new.
    pub fn new([dim, action]: [usize; 2], input: [&[f32]; 2], hidden: [&[f32]; 2]) -> Self {
        let lanes = lanes(dim);
        let panel = |from: usize| {
            let width = lanes.min(dim - from);
            let gather = |rows: &[f32]| {
                let mut packed = vec![0.0; rows.len() / dim * lanes];
                for (to, gate) in packed.chunks_exact_mut(lanes).zip(rows.chunks_exact(dim)) {
                    to[..width].copy_from_slice(&gate[from..][..width]);
                }
                packed
            };
            let [hidden, hidden_bias, input, input_bias] = [hidden[0], hidden[1], input[0], input[1]].map(gather);
            Panel { from, width, hidden, input, hidden_bias, input_bias }
        };
        let starts: Vec<usize> = (0..dim).step_by(lanes).collect();
        Self { dim, action, panels: starts.into_par_iter().map(panel).collect() }
    }

    /// States `[rows, dim]` and actions `[rows, action]` -> the next states `[rows, dim]`.
    pub fn step(&self, rows: usize, states: &[f32], actions: &[f32]) -> Vec<f32> {
        let Self { dim, action, .. } = *self;
        let (next, _) = collect_blocks(rows, LEAST_ROWS, dim, |range, out| {
            let states = &states[range.start * dim..range.end * dim];
            let actions = &actions[range.start * action..range.end * action];
            let mut next = vec![0.0; states.len()];
            dispatch(dim, Step { packed: self, rows: range.len(), states, actions, next: &mut next });
            out.push(&next);
        });
        next
    }
}

struct Step<'a> {
    packed: &'a Packed,
    rows: usize,
    states: &'a [f32],
    actions: &'a [f32],
    next: &'a mut [f32],
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { packed, rows, states, actions, next } = self;
        let (dim, action) = (packed.dim, packed.action);
        for panel in &packed.panels {
            for_pieces!((row in rows) step_rows::<S, _, GATES>(
                simd, (&states[row * dim..], dim), (&actions[row * action..], action), panel, &mut next[row * dim..],
            ));
        }
    }
}

const GATES: usize = 3;

/// Room for the gates of the widest vectors there are.
const WIDEST: usize = GATES * 16;

/// `ROWS` rows of one panel; `VECTORS` is [`GATES`].
#[inline(always)]
fn step_rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    (states, dim): (&[f32], usize),
    (actions, action): (&[f32], usize),
    panel: &Panel,
    next: &mut [f32],
) {
    let wide = VECTORS * S::F32_LANES;
    let hidden = sums::<S, ROWS, VECTORS>(simd, states, dim, &panel.hidden, &panel.hidden_bias);
    let input = sums::<S, ROWS, VECTORS>(simd, actions, action, &panel.input, &panel.input_bias);
    for row in 0..ROWS {
        let (hidden, input) = (&hidden[row][..wide], &input[row][..wide]);
        let mut old = [0.0; WIDEST / GATES];
        old[..panel.width].copy_from_slice(&states[row * dim + panel.from..][..panel.width]);
        let mut new = [0.0; WIDEST / GATES];
        for (lane, new) in new[..S::F32_LANES].iter_mut().enumerate() {
            let of = |gates: &[f32], gate: usize| gates[gate * S::F32_LANES + lane];
            let reset = sigmoid(of(hidden, 0) + of(input, 0));
            let update = sigmoid(of(hidden, 1) + of(input, 1));
            let candidate = tanh(of(input, 2) + reset * of(hidden, 2));
            *new = update * (old[lane] - candidate) + candidate;
        }
        next[row * dim + panel.from..][..panel.width].copy_from_slice(&new[..panel.width]);
    }
}

/// `bias + a * weights`, for every gate.
#[inline(always)]
fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    a: &[f32],
    stride: usize,
    weights: &[f32],
    bias: &[f32],
) -> [[f32; WIDEST]; ROWS] {
    let ((weights, _), (bias, _)) = (S::as_simd_f32s(weights), S::as_simd_f32s(bias));
    let mut tile = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    tile.iter_mut().for_each(|registers| registers.copy_from_slice(bias));
    add_dots(simd, a, stride, weights, &mut tile);
    let mut sums = [[0.0; WIDEST]; ROWS];
    store(simd, &tile, sums.as_flattened_mut(), WIDEST, VECTORS * S::F32_LANES);
    sums
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

/// `e^x` to two units in the last place, without a branch, so that loops over it become vectors: the polynomial of Cephes' `expf`
/// (Moshier, 1992). Beyond ±87 it stays what it is there.
#[inline(always)]
fn exp(x: f32) -> f32 {
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
        assert_eq!((sigmoid(200.0), sigmoid(-200.0).abs() < 1e-30), (1.0, true));
        assert_eq!((tanh(200.0), tanh(-200.0)), (1.0, -1.0));
    }
}

//! A step of a GRU for many rows.
//!
//! The three gates of as many numbers of the state as a vector has are summed side by side for some rows, and become those numbers
//! of the next state there and then: what the gates are made of never leaves the cache.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::collect_blocks;
use super::exp::exp;
use super::panel::multiply_rows;
use super::simd::{dispatch, lanes};
use super::tile::for_pieces;

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
        let (dim, action, wide) = (packed.dim, packed.action, GATES * S::F32_LANES);
        let (mut hidden, mut input) = (vec![0.0; rows * wide], vec![0.0; rows * wide]);
        for panel in &packed.panels {
            sum::<S>(simd, (states, dim), &panel.hidden, &panel.hidden_bias, &mut hidden);
            sum::<S>(simd, (actions, action), &panel.input, &panel.input_bias, &mut input);
            let sums = hidden.chunks_exact(wide).zip(input.chunks_exact(wide));
            for (row, (hidden, input)) in sums.enumerate() {
                let from = row * dim + panel.from;
                let mut old = [0.0; WIDEST];
                old[..panel.width].copy_from_slice(&states[from..][..panel.width]);
                let mut new = [0.0; WIDEST];
                for (lane, new) in new[..S::F32_LANES].iter_mut().enumerate() {
                    let of = |gates: &[f32], gate: usize| gates[gate * S::F32_LANES + lane];
                    let reset = sigmoid(of(hidden, 0) + of(input, 0));
                    let update = sigmoid(of(hidden, 1) + of(input, 1));
                    let candidate = tanh(of(input, 2) + reset * of(hidden, 2));
                    *new = update * (old[lane] - candidate) + candidate;
                }
                next[from..][..panel.width].copy_from_slice(&new[..panel.width]);
            }
        }
    }
}

const GATES: usize = 3;

/// Lanes of the widest vectors there are.
const WIDEST: usize = 16;

/// Rows of a panel that are summed over at a time, for all rows of the batch: they stay in the first cache meanwhile.
const DEPTH: usize = 96;

/// `bias + a * weights` of every gate, for all rows of `a`, which have `depth` numbers: `[rows, 3 lanes]`.
#[inline(always)]
fn sum<S: Simd>(simd: S, (a, depth): (&[f32], usize), weights: &[f32], bias: &[f32], sums: &mut [f32]) {
    let wide = GATES * S::F32_LANES;
    let rows = sums.len() / wide;
    sums.chunks_exact_mut(wide).for_each(|row| row.copy_from_slice(bias));
    for from in (0..depth).step_by(DEPTH) {
        let (block, _) = S::as_simd_f32s(&weights[from * wide..depth.min(from + DEPTH) * wide]);
        for_pieces!((row in rows) multiply_rows::<S, _, GATES>(
            simd, &a[row * depth + from..], depth, block, None, &mut sums[row * wide..], wide, wide,
        ));
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_open_or_shut_far_from_zero() {
        assert_eq!((sigmoid(200.0), sigmoid(-200.0).abs() < 1e-30), (1.0, true));
        assert_eq!((tanh(200.0), tanh(-200.0)), (1.0, -1.0));
    }
}

//! What one task's images add to the gradients of a matrix and of the bias behind it.

use super::add;

/// The rows of `weights` are `stride` apart, a whole number of vectors.
pub(super) struct Part {
    pub stride: usize,
    pub weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Part {
    /// Images that a task sums at least, so that zeros at the beginning and sums of parts at the end stay small beside them.
    pub const LEAST_IMAGES: usize = 4;

    /// Of a matrix `[depth, output]`, nothing yet.
    #[inline(always)]
    pub fn new(depth: usize, output: usize, lanes: usize) -> Self {
        let stride = output.next_multiple_of(lanes);
        Self { stride, weights: vec![0.0; depth * stride], bias: vec![0.0; output] }
    }

    /// Adds an image's gradient `[rows, output]` to the bias', and gives it in rows of whole vectors, `[rows, stride]`: in `room`,
    /// if it has none.
    #[inline(always)]
    pub fn widen<'a>(&mut self, gradient: &'a [f32], room: &'a mut [f32]) -> &'a [f32] {
        let output = self.bias.len();
        gradient.chunks_exact(output).for_each(|row| add(&mut self.bias, row));
        if output == self.stride {
            return gradient;
        }
        for (to, row) in room.chunks_exact_mut(self.stride).zip(gradient.chunks_exact(output)) {
            to[..output].copy_from_slice(row);
        }
        room
    }

    /// The gradients `[depth, output]` and `[output]` of all parts, which are added in their order.
    pub fn sum(parts: Vec<Self>, depth: usize, output: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut weights, mut bias) = (vec![0.0; depth * output], vec![0.0; output]);
        for part in parts {
            for (to, row) in weights.chunks_exact_mut(output).zip(part.weights.chunks_exact(part.stride)) {
                add(to, row);
            }
            add(&mut bias, &part.bias);
        }
        (weights, bias)
    }
}

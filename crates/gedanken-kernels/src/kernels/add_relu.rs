//! `relu(a + b)` of the images of a batch, and the gradient of a ReLU.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::simd::dispatch;
use super::{Images, collect_images};

/// Numbers of a run that is put together before it is written to where it belongs.
const RUN: usize = 1024;

/// Of two batches of so many images; what is not a number stays so.
pub(crate) fn forward(batch: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    let length = a.len() / batch.max(1);
    let task = |range: Range<usize>, out: &mut Images| {
        let numbers = range.start * length..range.end * length;
        dispatch(RUN, AddRelu { a: &a[numbers.clone()], b: &b[numbers], out });
    };
    collect_images(batch, length, task).0
}

/// The gradient of what went into a ReLU, from its result and the result's gradient: where the result is zero, none.
pub(crate) fn gradient(batch: usize, result: &[f32], gradient: &[f32]) -> Vec<f32> {
    let length = result.len() / batch.max(1);
    let task = |range: Range<usize>, out: &mut Images| {
        let mut image = vec![0.0; length];
        for index in range {
            let numbers = index * length..(index + 1) * length;
            for ((to, &x), &g) in image.iter_mut().zip(&result[numbers.clone()]).zip(&gradient[numbers]) {
                *to = if x <= 0.0 { 0.0 } else { g };
            }
            out.push(&image);
        }
    };
    collect_images(batch, length, task).0
}

struct AddRelu<'a, 'b> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut Images<'b>,
}

impl WithSimd for AddRelu<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut run = [0.0; RUN];
        for (a, b) in self.a.chunks(RUN).zip(self.b.chunks(RUN)) {
            let run = &mut run[..a.len()];
            for ((to, a), b) in run.iter_mut().zip(a).zip(b) {
                let sum = a + b;
                *to = if sum < 0.0 { 0.0 } else { sum };
            }
            self.out.push(run);
        }
    }
}

//! Kernels for the CPU: plain slices in, plain vectors out.
//!
//! Every kernel is parallel over the images of a batch. A batch is cut into tasks by its size alone, and what the tasks
//! hand back is added in their order, so results are the same bits whatever the number of threads. (The weights' gradient of a
//! linear layer is shared by the rows of the gradient instead, each of which is one task's alone.)

pub(crate) mod adamw;
pub(crate) mod add_relu;
pub(crate) mod attention;
pub(crate) mod conv3x3;
mod exp;
pub(crate) mod gelu;
pub(crate) mod group_norm;
pub(crate) mod gru;
pub(crate) mod linear;
pub(crate) mod max_pool;
mod panel;
mod part;
pub(crate) mod patches;
mod simd;
mod tile;

use std::mem::{MaybeUninit, take};
use std::ops::Range;

use rayon::prelude::*;

/// How many tasks a batch is cut into at most: enough to keep a workstation's cores busy, few enough that adding up what
/// the tasks hand back costs nothing beside the work itself.
const TASKS: usize = 32;

/// Runs `task` on consecutive ranges of a batch, of at least so many images but for the last, in parallel, and returns what each
/// handed back, in order.
fn for_images<T: Send>(batch: usize, least: usize, task: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let images = batch.div_ceil(TASKS).max(least);
    let tasks = (0..batch.div_ceil(images)).into_par_iter();
    tasks.map(|index| task(index * images..batch.min((index + 1) * images))).collect()
}

/// Like [`for_images`], and each task pushes its images, `length` numbers long, to where they belong in one vector.
///
/// The vector is not zeroed before: at the size of `benches/conv.rs` that would cost the normalisation 60 % and the
/// convolution 7 % more time.
fn collect_images<T: Send>(
    batch: usize,
    length: usize,
    task: impl Fn(Range<usize>, &mut Images) -> T + Sync,
) -> (Vec<f32>, Vec<T>) {
    collect_blocks(batch, 1, length, task)
}

/// The same with at least so many images for each task, but for the last.
fn collect_blocks<T: Send>(
    batch: usize,
    least: usize,
    length: usize,
    task: impl Fn(Range<usize>, &mut Images) -> T + Sync,
) -> (Vec<f32>, Vec<T>) {
    let images = batch.div_ceil(TASKS).max(least);
    let mut all = Vec::with_capacity(batch * length);
    let free = &mut all.spare_capacity_mut()[..batch * length];
    let results = if free.is_empty() {
        Vec::new()
    } else {
        let tasks = free.par_chunks_mut(images * length).enumerate();
        let run = |(index, free): (usize, &mut [MaybeUninit<f32>])| {
            let mut sink = Images { free };
            let result = task(index * images..batch.min((index + 1) * images), &mut sink);
            assert!(sink.free.is_empty(), "a task left an image out");
            result
        };
        tasks.map(run).collect()
    };
    // SAFETY: the tasks' parts cover the first `batch * length` numbers, and each was seen to be full.
    unsafe { all.set_len(batch * length) };
    (all, results)
}

/// A task's part of the vector, filled from the front.
struct Images<'a> {
    free: &'a mut [MaybeUninit<f32>],
}

impl Images<'_> {
    fn push(&mut self, image: &[f32]) {
        let (first, rest) = take(&mut self.free).split_at_mut(image.len());
        first.write_copy_of_slice(image);
        self.free = rest;
    }
}

/// Adds `from` to `to`, number by number.
#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

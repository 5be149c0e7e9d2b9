//! Batches made ahead of time, by threads, delivered in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Batch, DataError, Source};

/// Worker threads before a [`Source`]: the batches are those of the source, in the order of their numbers, and at most
/// `depth` of them are being made or waiting. Dropping it ends the threads; one that is slow to end a batch is not waited for.
pub struct Prefetch {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// Time between two looks at the stop flag while a batch is awaited.
const MOMENT: Duration = Duration::from_millis(100);

struct Shared {
    source: Arc<dyn Source>,
    depth: u64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    /// The next number that a worker takes.
    claimed: u64,
    /// The next number that the caller gets.
    delivered: u64,
    ready: BTreeMap<u64, Result<Batch, DataError>>,
    closed: bool,
}

impl Prefetch {
    /// Starts `workers` threads at batch `first_index`, at most `depth` batches ahead. With no workers (or where the
    /// system gives no thread) each batch is made when it is asked for.
    pub fn new(source: Arc<dyn Source>, first_index: u64, workers: usize, depth: usize) -> Self {
        let queue = Queue { claimed: first_index, delivered: first_index, ready: BTreeMap::new(), closed: false };
        let shared =
            Arc::new(Shared { source, depth: depth.max(1) as u64, queue: Mutex::new(queue), changed: Condvar::new() });
        let workers = (0..workers).filter_map(|number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("data-{number}")).spawn(move || shared.work()).ok()
        });
        let workers = workers.collect();
        Self { shared, workers }
    }

    /// The next batch. After an error the batch after it comes next.
    ///
    /// # Errors
    /// The source's error for this batch; [`DataError::Worker`] when the source panicked.
    #[expect(clippy::should_implement_trait, reason = "batches have no end, and an error does not end them")]
    pub fn next(&mut self) -> Result<Batch, DataError> {
        loop {
            if let Some(batch) = self.next_unless(&AtomicBool::new(false)) {
                return batch;
            }
        }
    }

    /// The next batch, or none as soon as `stop` is set: a batch that takes long is not waited for then, unless there are no workers.
    ///
    /// # Errors
    /// As [`Prefetch::next`].
    pub fn next_unless(&mut self, stop: &AtomicBool) -> Option<Result<Batch, DataError>> {
        let mut queue = self.shared.lock();
        let index = queue.delivered;
        let batch = loop {
            if let Some(batch) = queue.ready.remove(&index) {
                break batch;
            }
            if self.workers.is_empty() {
                drop(queue);
                let batch = self.shared.make(index);
                queue = self.shared.lock();
                break batch;
            }
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            queue = self.shared.changed.wait_timeout(queue, MOMENT).unwrap_or_else(PoisonError::into_inner).0;
        };
        queue.delivered += 1;
        drop(queue);
        self.shared.changed.notify_all();
        Some(batch)
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        let deadline = Instant::now() + 5 * MOMENT;
        while Instant::now() < deadline && self.workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(MOMENT / 100);
        }
    }
}

impl Shared {
    /// Nobody panics while holding the lock, so what it guards is whole even if it says otherwise.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life: take the next number, make the batch, put it down.
    fn work(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            if queue.claimed - queue.delivered >= self.depth {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let index = queue.claimed;
            queue.claimed += 1;
            drop(queue);
            let batch = self.make(index);
            queue = self.lock();
            queue.ready.insert(index, batch);
            self.changed.notify_all();
        }
    }

    fn make(&self, index: u64) -> Result<Batch, DataError> {
        catch_unwind(AssertUnwindSafe(|| self.source.batch(index))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(DataError::Worker { index, message })
        })
    }
}

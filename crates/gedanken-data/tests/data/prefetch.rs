use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gedanken_data::{Batch, DataError, Episode, Prefetch, Shape, Source, Stream, WindowConfig};
use gedanken_env::ObservationSpace;

use crate::line::{Line, both, small};

/// Fails at batch 3, panics at batch 5, is slow at even ones, and remembers how far it was asked.
struct Moody {
    asked: AtomicU64,
}

impl Source for Moody {
    fn batch(&self, index: u64) -> Result<Batch, DataError> {
        self.asked.fetch_max(index, SeqCst);
        if index.is_multiple_of(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match index {
            3 => Err(DataError::Config { key: "three".into(), found: "3".into(), expected: "another".into() }),
            5 => panic!("five is right out"),
            _ => {
                let pixels = ObservationSpace { channels: 1, height: 1, width: 1 };
                let mut batch = Batch::zeros(Shape { pixels, action: 1, labels: 1 }, &WindowConfig::default());
                batch.at[0] = index as u32;
                Ok(batch)
            }
        }
    }

    fn episode(&self, _index: u64) -> Result<Episode, DataError> {
        Ok(Episode::default())
    }
}

#[test]
fn prefetched_batches_are_those_of_the_source_in_order() {
    let source = Arc::new(Stream::new(&Line::new(), &both(), 30, small(), 1).unwrap());
    for (workers, depth) in [(0, 1), (1, 1), (1, 4), (3, 2), (4, 8)] {
        let mut prefetch = Prefetch::new(source.clone(), 3, workers, depth);
        for index in 3..20 {
            assert_eq!(prefetch.next().unwrap(), source.batch(index).unwrap());
        }
    }
}

#[test]
fn errors_and_panics_come_in_order_and_end_nothing() {
    for workers in [0, 1, 3] {
        let mut prefetch = Prefetch::new(Arc::new(Moody { asked: AtomicU64::new(0) }), 0, workers, 4);
        for index in 0..10 {
            match (index, prefetch.next()) {
                (3, Err(DataError::Config { key, .. })) => assert_eq!(key, "three"),
                (5, Err(DataError::Worker { index: 5, message })) => assert_eq!(message, "five is right out"),
                (_, Ok(batch)) => assert_eq!(u64::from(batch.at[0]), index),
                (_, other) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn no_more_than_the_depth_is_made_ahead_and_dropping_ends_the_workers() {
    let source = Arc::new(Moody { asked: AtomicU64::new(0) });
    let mut prefetch = Prefetch::new(source.clone(), 6, 2, 3);
    prefetch.next().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(source.asked.load(SeqCst), 9);
    drop(prefetch);
    assert_eq!(Arc::strong_count(&source), 1, "no thread holds the source any more");
}

/// Does not end a batch before it is let go.
struct Slow {
    go: Mutex<()>,
}

impl Source for Slow {
    fn batch(&self, _: u64) -> Result<Batch, DataError> {
        let _go = self.go.lock();
        Err(DataError::Config { key: "slow".into(), found: "it".into(), expected: "nothing".into() })
    }

    fn episode(&self, _index: u64) -> Result<Episode, DataError> {
        Ok(Episode::default())
    }
}

#[test]
fn whoever_is_to_stop_does_not_wait_for_a_slow_batch() {
    let source = Arc::new(Slow { go: Mutex::new(()) });
    let held = source.go.lock().unwrap();
    let mut prefetch = Prefetch::new(source.clone(), 0, 2, 3);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            stop.store(true, SeqCst);
        });
        assert!(prefetch.next_unless(&stop).is_none());
    });
    drop(prefetch);
    drop(held);
}

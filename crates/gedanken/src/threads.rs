//! The threads of a CPU.

use std::num::NonZero;

use rayon::ThreadPoolBuilder;

/// Makes the calling thread one of those that share an operation on the CPU: it begins at once, where a thread of its own would
/// wake another and wait (docs/performance.md). Where there is only one, it stays apart from this thread, which may wait for data
/// that an environment needs rayon for.
pub(crate) fn take_part() {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|threads| threads.parse().ok()).filter(|&n| n > 0);
    let threads = asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    if threads > 1 {
        // An error says that the threads were there before: then they stay as they are.
        let _ = ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global();
    }
}

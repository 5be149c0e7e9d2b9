//! The threads of a CPU.

use std::error::Error;
use std::num::NonZero;

use rayon::ThreadPoolBuilder;

/// Threads on the CPU: `RAYON_NUM_THREADS`, else all that the machine has.
pub fn count() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|threads| threads.parse().ok()).filter(|&n| n > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Makes the calling thread one of those that share an operation on the CPU: it begins at once, where a thread of its own would
/// wake another and wait (docs/diary/performance.md). While it waits for data, an environment that needs rayon has the other threads.
/// Where there is only one thread, it stays apart: nobody would be left.
///
/// # Errors
///
/// If the system gives no thread, or not as many as `RAYON_NUM_THREADS` asks for.
pub fn take_part() -> Result<(), String> {
    let threads = count();
    if threads == 1 || rayon::current_thread_index().is_some() {
        return Ok(());
    }
    match ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global() {
        // Without a source, it says that the threads were there before: then they stay as they are.
        Err(error) if error.source().is_some() => Err(format!(
            "{threads} threads cannot be started ({error}); RAYON_NUM_THREADS says how many there are: set it to fewer"
        )),
        _ => Ok(()),
    }
}

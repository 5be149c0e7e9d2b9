//! Signals: Ctrl-C, and what schedulers, spot machines and closed terminals send. All are taken alike.
//!
//! A process is either at work that can be done again, and a signal ends it at once; or at work that is finished and saved first
//! ([`finishing`]), and a signal asks it to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gedanken_run::say;

/// True once a signal has asked for a stop.
static ASKED: AtomicBool = AtomicBool::new(false);

/// The effect of a signal at this moment; locked while one ends the process, so that nobody else says a word.
static NOW: Mutex<Now> =
    Mutex::new(Now { finishing: None, last: Last { words: String::new(), result: None, code: 130 } });

struct Now {
    /// The time of the first signal, where work is finished first.
    finishing: Option<Option<Instant>>,
    last: Last,
}

/// The last words of a process that a signal ends, and its exit code.
#[derive(Clone, Debug)]
pub struct Last {
    /// A line for standard error.
    pub words: String,
    /// A line for standard output, such as the run's folder.
    pub result: Option<String>,
    /// The process's exit code: 0 where it is as good as an end, 130 where something is missing.
    pub code: i32,
}

impl Last {
    /// Says it.
    pub fn say(&self) {
        say(&self.words);
        if let Some(result) = &self.result {
            use std::io::Write;
            let _ = writeln!(std::io::stdout(), "{result}");
        }
    }
}

/// Signals that come within this time are one: a closed terminal, `timeout` and some schedulers send it twice.
const TOGETHER: Duration = Duration::from_secs(1);

fn now() -> MutexGuard<'static, Now> {
    NOW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens from now on. The last words are [`from_now_on`]'s.
pub fn listen() {
    from_now_on(Last { words: "stopped before the end".to_owned(), result: None, code: 130 });
    let kept = hangup::is_ignored();
    match ctrlc::set_handler(answer) {
        Ok(()) if kept => hangup::ignore(),
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
        Err(error) => say(&format!("signals will not save: {error}")),
    }
}

/// Changes what the process says when a signal ends it.
pub fn from_now_on(last: Last) {
    now().last = last;
}

/// Does work that is to be finished and saved when a signal comes: it sets the flag that `work` is given. A second signal ends the
/// process.
pub fn finishing<T>(work: impl FnOnce(&AtomicBool) -> T) -> T {
    now().finishing = Some(None);
    let done = work(&ASKED);
    now().finishing = None;
    done
}

/// Does work that can be done again, within work that is finished first or after it: a signal ends the process, and so does one that has
/// come already.
pub fn at_once<T>(last: Last, work: impl FnOnce() -> T) -> T {
    let mut now_ = now();
    let outer = now_.finishing.take();
    now_.last = last;
    if ASKED.load(Ordering::Relaxed) {
        end(&now_.last);
    }
    drop(now_);
    let done = work();
    now().finishing = outer;
    done
}

/// True if a signal has asked for a stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Takes the end of standard input for a signal: whoever started this process asks it to stop by closing it, or by ending.
pub fn listen_to_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        // A terminal sends the signal to both.
        if !asked() {
            answer();
        }
    });
}

/// Waits for the end where a signal is ending the process: what fails meanwhile is no news.
pub fn pass() {
    drop(now());
}

fn answer() {
    let mut now = now();
    match &mut now.finishing {
        Some(first @ None) => {
            *first = Some(Instant::now());
            ASKED.store(true, Ordering::Relaxed);
            say("\nstopping after this update; press Ctrl-C again to stop at once");
        }
        Some(Some(first)) if first.elapsed() < TOGETHER => {}
        Some(_) => std::process::exit(130),
        None => end(&now.last),
    }
}

/// Ends the process, and leaves nothing half written.
fn end(last: &Last) -> ! {
    gedanken_data::remove_unfinished();
    say("");
    last.say();
    std::process::exit(last.code)
}

/// A closed terminal: `nohup` has it ignored, which a handler would undo.
#[cfg(unix)]
mod hangup {
    const SIGHUP: i32 = 1;
    const IGNORED: usize = 1;

    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }

    pub fn is_ignored() -> bool {
        // SAFETY: C's own function; it is told back what it said, before any handler stands.
        unsafe {
            let before = signal(SIGHUP, IGNORED);
            signal(SIGHUP, before);
            before == IGNORED
        }
    }

    pub fn ignore() {
        // SAFETY: as above.
        unsafe { signal(SIGHUP, IGNORED) };
    }
}

#[cfg(not(unix))]
mod hangup {
    pub fn is_ignored() -> bool {
        false
    }

    pub fn ignore() {}
}

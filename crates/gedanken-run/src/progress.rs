//! Progress of a run on standard error: a bar on a terminal, elsewhere a plain line now and then.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressDrawTarget, ProgressStyle};

/// Prints a line to standard error. An error there (a closed pipe, a full disk) does not end a training.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The progress of a run; clones show the same one.
#[derive(Clone)]
pub struct ProgressBar {
    total: u64,
    bar: Option<indicatif::ProgressBar>,
    pace: Arc<Mutex<Pace>>,
}

impl ProgressBar {
    /// Of a run of `total` updates, `done` of them behind it.
    pub fn new(total: u64, done: u64) -> Self {
        Self::on(std::io::stderr().is_terminal(), total, done)
    }

    fn on(terminal: bool, total: u64, done: u64) -> Self {
        let bar = terminal.then(|| {
            let bar = indicatif::ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
            let template = "{bar:28.cyan/dim} {human_pos}/{human_len}  {msg}  {eta} left";
            // The template is right, as a test sees; were it not, the plain bar would do.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━╸─"));
            bar.set_position(done);
            bar.reset_eta();
            bar.reset_elapsed();
            bar
        });
        Self { total, bar, pace: Arc::new(Mutex::new(Pace::new(total, done, Instant::now()))) }
    }

    /// After `step` updates: the loss, and samples trained on per second.
    pub fn update(&self, step: u64, loss: f64, samples_per_second: f64) {
        let numbers = format!("loss {loss:.4}  {samples_per_second:.0} samples/s");
        if let Some(bar) = &self.bar {
            bar.set_message(numbers);
            bar.set_position(step);
            return;
        }
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if pace.due(step, now) {
            let (done, total, left) = (HumanCount(step), HumanCount(self.total), HumanDuration(pace.left(step, now)));
            say(&format!("step {done}/{total}  {numbers}  {left} left"));
        }
    }

    /// Prints a message, above the bar where there is one.
    pub fn message(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// Leaves the bar as it stands and goes to the next line: at the end, or before other output.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// When a plain line is due: at each tenth of the run, after a minute without, and at the end.
struct Pace {
    total: u64,
    begun: (u64, Instant),
    said: (u64, Instant),
}

impl Pace {
    const SILENCE: Duration = Duration::from_secs(60);

    fn new(total: u64, done: u64, now: Instant) -> Self {
        Self { total, begun: (done, now), said: (done, now) }
    }

    fn due(&mut self, step: u64, now: Instant) -> bool {
        let tenth = |step: u64| (step * 10).checked_div(self.total);
        let due = tenth(step) > tenth(self.said.0) || now.saturating_duration_since(self.said.1) >= Self::SILENCE;
        if due {
            self.said = (step, now);
        }
        due
    }

    fn left(&self, step: u64, now: Instant) -> Duration {
        let seconds = now.saturating_duration_since(self.begun.1).as_secs_f64();
        let per_step = seconds / step.saturating_sub(self.begun.0).max(1) as f64;
        Duration::try_from_secs_f64(per_step * self.total.saturating_sub(step) as f64).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_is_due_at_each_tenth_after_a_minute_and_at_the_end() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, 150, start);
        let mut said = |step, seconds| pace.due(step, start + Duration::from_secs(seconds));
        assert!(!said(199, 1));
        assert!(said(200, 2) && !said(201, 3), "a tenth, once");
        assert!(said(230, 62) && !said(231, 63), "a minute");
        assert!(said(450, 70), "tenths may be jumped over");
        assert!(said(999, 140) && said(1000, 141), "the end");
        assert!(!Pace::new(0, 0, start).due(0, start), "a run of no steps says nothing");
    }

    #[test]
    fn the_time_left_counts_only_the_steps_since_the_resume() {
        let start = Instant::now();
        let pace = Pace::new(1000, 500, start);
        assert_eq!(pace.left(600, start + Duration::from_secs(50)), Duration::from_secs(200));
        assert_eq!(pace.left(1000, start + Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn a_bar_starts_where_the_run_goes_on_and_follows_it() {
        let progress = ProgressBar::on(true, 1000, 150);
        let clone = progress.clone();
        progress.update(151, f64::NAN, 1234.5);
        clone.message("a message");
        let bar = progress.bar.as_ref().expect("a terminal has a bar");
        assert_eq!((bar.position(), bar.message()), (151, "loss NaN  1234 samples/s".to_string()));
        assert!(ProgressStyle::with_template("{bar:28.cyan/dim} {human_pos}/{human_len}  {msg}  {eta} left").is_ok());
        progress.finish();
        ProgressBar::on(false, 10, 0).update(1, 0.5, 10.0);
    }
}

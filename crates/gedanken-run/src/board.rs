//! Progress of many runs at once on standard error: a line for each that runs, above them what became of the others; plain lines where there
//! is no terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressDrawTarget, ProgressStyle};

use crate::progress::say;

/// The progress of many runs.
pub struct Board {
    /// None where there is no terminal.
    screen: Option<(MultiProgress, indicatif::ProgressBar)>,
    /// Characters of the longest name.
    width: usize,
    said: Instant,
}

/// The line of one run.
pub struct BoardLine {
    name: String,
    bar: Option<indicatif::ProgressBar>,
}

/// Without a terminal, time between two lines about the whole.
const SILENCE: Duration = Duration::from_secs(60);

impl Board {
    /// A board for runs whose names have at most `width` characters.
    pub fn new(width: usize) -> Self {
        Self::on(std::io::stderr().is_terminal(), width)
    }

    fn on(terminal: bool, width: usize) -> Self {
        let screen = terminal.then(|| {
            let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4));
            let whole = screen.add(indicatif::ProgressBar::new_spinner().with_style(style("{msg}  {elapsed}")));
            (screen, whole)
        });
        Self { screen, width, said: Instant::now() }
    }

    /// A run of `steps` updates begins, or goes on, with `done` of them behind it.
    pub fn begin(&self, name: &str, done: u64, steps: u64) -> BoardLine {
        let bar = self.screen.as_ref().map(|(screen, whole)| {
            let template =
                format!("{{prefix:{}}}  {{bar:20.cyan/dim}} {{human_pos}}/{{human_len}}  {{msg}}", self.width);
            let bar = screen.insert_before(whole, indicatif::ProgressBar::new(steps));
            bar.set_style(style(&template));
            bar.set_prefix(name.to_owned());
            bar.set_position(done);
            bar
        });
        if bar.is_none() {
            match done {
                0 => say(&format!("{name}: begins, {steps} updates")),
                done => say(&format!("{name}: goes on from update {done} of {steps}")),
            }
        }
        BoardLine { name: name.to_owned(), bar }
    }

    /// Where a run is, and a few words about it. Without a terminal nothing is said.
    pub fn update(&self, line: &BoardLine, step: u64, words: &str) {
        if let Some(bar) = &line.bar {
            bar.set_position(step);
            bar.set_message(words.to_owned());
        }
    }

    /// Ends a run's line with these words.
    pub fn end(&self, line: &BoardLine, words: &str) {
        if let Some(bar) = &line.bar {
            bar.finish_and_clear();
        }
        self.message(&format!("{:width$}  {words}", line.name, width = self.width));
    }

    /// The state of the whole; without a terminal now and then, and with `places`, which a terminal shows all the time.
    pub fn whole(&mut self, words: &str, places: &dyn Fn() -> String) {
        match &self.screen {
            Some((_, whole)) => {
                whole.set_message(words.to_owned());
                whole.tick();
            }
            None if self.said.elapsed() >= SILENCE => {
                self.said = Instant::now();
                say(&format!("{words}: {}", places()));
            }
            None => {}
        }
    }

    /// Prints a message above the runs.
    pub fn message(&self, text: &str) {
        match &self.screen {
            Some((screen, _)) => screen.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// Takes the board away: at the end, or before other output.
    pub fn finish(&self) {
        if let Some((screen, whole)) = &self.screen {
            whole.finish_and_clear();
            let _ = screen.clear();
        }
    }
}

/// A style of a line; were its template not right, which a test sees, a plain one would do.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_follows_its_run() {
        let mut board = Board::on(true, 12);
        let line = board.begin("width=16", 5, 300);
        board.update(&line, 20, "loss 0.5");
        board.whole("1 of 4 runs", &String::new);
        let bar = line.bar.as_ref().expect("a terminal has a bar");
        assert_eq!((bar.prefix(), bar.position(), bar.message()), ("width=16".into(), 20, "loss 0.5".into()));
        assert!(ProgressStyle::with_template("{prefix:12}  {bar:20.cyan/dim} {human_pos}/{human_len}  {msg}").is_ok());
        board.end(&line, "success 80 %");
        assert!(bar.is_finished());
        board.finish();
        let plain = Board::on(false, 3);
        assert!(plain.begin("a", 0, 1).bar.is_none());
    }
}

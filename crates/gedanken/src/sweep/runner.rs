//! The runs of a sweep, some at once, each a process of this same program.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gedanken_eval::wilson;
use gedanken_run::{Board, BoardLine, FolderError};
use serde_json::Value;

use super::Plan;
use crate::commands::Failure;
use crate::compare::RunResult;

/// The end of an arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its training and its evaluation are done.
    Finished,
    /// It was stopped, saved, or has not begun.
    Left,
    /// It ended with an error.
    Failed(String),
}

/// Runs the arms of a plan.
pub(crate) struct Runner<'a> {
    pub plan: &'a Plan,
    /// Runs at once.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
}

/// An arm at work.
struct Running {
    task: usize,
    child: Child,
    /// Closed, it asks the arm to stop.
    input: Option<ChildStdin>,
    /// Bytes of the log that were there before.
    log: u64,
    began: Instant,
    line: BoardLine,
}

/// Time between two looks at the arms.
const LOOK: Duration = Duration::from_millis(100);

impl Runner<'_> {
    /// Runs every arm that is not finished, until all are done or `stop` is set: then every arm is asked to stop, and saves.
    pub fn run(&self, stop: &AtomicBool) -> Result<Vec<Outcome>, Failure> {
        let tasks = &self.plan.tasks;
        let mut outcomes = vec![Outcome::Left; tasks.len()];
        let mut waiting = Vec::new();
        for (number, task) in tasks.iter().enumerate() {
            if task.run()?.is_finished() {
                outcomes[number] = Outcome::Finished;
            } else {
                waiting.push(number);
            }
        }
        let mut board = Board::new(tasks.iter().map(|task| task.arm.name.len()).max().unwrap_or(0));
        let mut running: Vec<Running> = Vec::new();
        while !running.is_empty() || (!waiting.is_empty() && !stop.load(Ordering::Relaxed)) {
            if stop.load(Ordering::Relaxed) {
                running.iter_mut().for_each(|arm| drop(arm.input.take()));
            } else {
                self.start(&mut waiting, &mut running, &board, &mut outcomes);
            }
            let mut at_work = Vec::new();
            for mut arm in running {
                match arm.child.try_wait() {
                    Ok(None) => {
                        self.show(&arm, &board);
                        at_work.push(arm);
                    }
                    Ok(Some(status)) => outcomes[arm.task] = self.ended(&arm, Ok(status), &board),
                    Err(error) => outcomes[arm.task] = self.ended(&arm, Err(error), &board),
                }
            }
            running = at_work;
            board.whole(&whole(&outcomes, running.len()), &|| self.places(&running));
            std::thread::sleep(LOOK);
        }
        board.finish();
        Ok(outcomes)
    }

    /// Starts waiting arms in the free places. One that another process trains waits on.
    fn start(&self, waiting: &mut Vec<usize>, running: &mut Vec<Running>, board: &Board, outcomes: &mut [Outcome]) {
        waiting.retain(|&number| {
            let task = &self.plan.tasks[number];
            let free = || task.run().and_then(|run| run.claim()).map(drop);
            if running.len() >= self.jobs || matches!(free(), Err(FolderError::Busy(_))) {
                return true;
            }
            // By whoever else trained it.
            if task.run().is_ok_and(|run| run.is_finished()) {
                outcomes[number] = Outcome::Finished;
                return false;
            }
            let done = task.run().and_then(|run| run.latest_checkpoint()).ok().flatten().map_or(0, |found| found.step);
            let line = board.begin(&task.arm.name, done, task.steps());
            let started = File::options().append(true).create(true).open(task.log()).and_then(|log| {
                let before = log.metadata()?.len();
                let mut child = self.command(&task.folder, log)?.spawn()?;
                Ok((child.stdin.take(), child, before))
            });
            match started {
                Ok((input, child, log)) => {
                    running.push(Running { task: number, child, input, log, began: Instant::now(), line });
                }
                Err(error) => {
                    let message = format!("cannot be started: {error}");
                    board.end(&line, &message);
                    outcomes[number] = Outcome::Failed(message);
                }
            }
            false
        });
    }

    /// This program on an arm, whose words go into `log`.
    fn command(&self, folder: &Path, log: File) -> std::io::Result<Command> {
        let mut command = Command::new(this_program()?);
        command.args(["train", "--stop-with-input", "--resume"]).arg(folder);
        command.env("RAYON_NUM_THREADS", self.threads.to_string());
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    /// Where the running arms are, in words.
    fn places(&self, running: &[Running]) -> String {
        let place = |arm: &Running| {
            let task = &self.plan.tasks[arm.task];
            let step = progress(&tail(&task.folder.join("metrics.jsonl"), 0)).map_or(0, |(step, _)| step);
            format!("{} at update {step} of {}", task.arm.name, task.steps())
        };
        running.iter().map(place).collect::<Vec<_>>().join("; ")
    }

    /// Shows where an arm is.
    fn show(&self, arm: &Running, board: &Board) {
        let task = &self.plan.tasks[arm.task];
        if let Some((step, loss)) = progress(&tail(&task.folder.join("metrics.jsonl"), 0)) {
            let log = tail(&task.log(), arm.log);
            let words = match log.lines().last().filter(|line| line.starts_with("evaluating")) {
                Some(line) => line.to_owned(),
                None => format!("loss {loss:.4}"),
            };
            board.update(&arm.line, step, &words);
        }
    }

    /// The outcome of an arm that has ended, which is said.
    fn ended(&self, arm: &Running, status: std::io::Result<ExitStatus>, board: &Board) -> Outcome {
        let task = &self.plan.tasks[arm.task];
        let time = humantime(arm.began.elapsed());
        let finished = task.run().is_ok_and(|run| run.is_finished());
        let stopped = matches!(&status, Ok(status) if [Some(0), Some(130)].contains(&status.code()));
        let (words, outcome) = match () {
            () if finished => (format!("{}, {time}", success(&task.folder)), Outcome::Finished),
            () if stopped => ("stopped and saved".to_owned(), Outcome::Left),
            () => {
                let message = match status {
                    Ok(status) => last_words(&tail(&task.log(), arm.log), status),
                    Err(error) => error.to_string(),
                };
                (format!("failed: {message}"), Outcome::Failed(message))
            }
        };
        board.end(&arm.line, &words);
        outcome
    }
}

/// The program that runs, also where its file has been replaced since: all arms of a sweep are of one program.
fn this_program() -> std::io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// The last bytes of a file that lie after `from`, as text.
fn tail(path: &Path, from: u64) -> String {
    const MOST: u64 = 16_384;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(MOST))))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// The last update with its loss in the end of a run's metrics.
fn progress(metrics: &str) -> Option<(u64, f64)> {
    metrics.lines().rev().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some((line["step"].as_u64()?, line["loss/total"].as_f64()?))
    })
}

/// The error that an arm ended with, from the end of its log; how it ended, where it did not say.
fn last_words(log: &str, status: ExitStatus) -> String {
    let begins = match status.code() {
        Some(1) => "error: ",
        Some(101) => "thread '",
        _ => return format!("it ended without a word, {status}"),
    };
    let lines: Vec<&str> = log.lines().collect();
    match lines.iter().rposition(|line| line.starts_with(begins)) {
        Some(at) => lines[at..].join("\n").trim_start_matches("error: ").trim_end().to_owned(),
        None => format!("it ended without a word, {status}"),
    }
}

/// The success of a run, or the share of true ends that it finds, with its interval, in words.
fn success(run: &Path) -> String {
    let Ok(Some(RunResult { measure, rate, tasks, .. })) = RunResult::read(run) else { return "finished".to_owned() };
    let [name, ..] = measure.names();
    let [low, high] = wilson((rate * tasks as f64).round() as usize, tasks).map(|share| 100.0 * share);
    format!("{name} {:.1} % ({low:.0}-{high:.0})", 100.0 * rate)
}

fn whole(outcomes: &[Outcome], running: usize) -> String {
    let count = |wanted: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let finished = count(&|outcome| *outcome == Outcome::Finished);
    let failed = count(&|outcome| matches!(outcome, Outcome::Failed(_)));
    let waiting = outcomes.len() - finished - failed - running;
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    format!("{finished} of {} runs finished, {running} running, {waiting} waiting{failed}", outcomes.len())
}

/// `1 min 12 s`.
fn humantime(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

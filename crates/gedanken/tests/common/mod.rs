//! The program, a folder to run it in, and an experiment that takes a second.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Twelve updates of a model of a few thousand weights.
pub const TINY: &str = r#"
name = "tiny"
device = "cpu"

[env]
name = "two-rooms"

[data]
episode_steps = 20

[data.policies]
heading = 0.5
door = 0.5

[data.window]
layouts = 2
episodes = 2
time = 5
extra = 1

[encoder]
kind = "patch"
patch = 13
width = 8
groups = 2
dim = 4

[predictor]
kind = "conv"
width = 8
groups = 2

[prediction]
unroll = 4

[loss.inverse_dynamics]
hidden = 8

[loss.distance]
hidden = [16]
dim = 8
steps = 2

[loss.probe]
hidden = 16

[train]
steps = 12
log_every = 2
eval_every = 6
checkpoint_every = 3
keep = 2
stop_on_collapse = false

[planner]
horizon = 4
iterations = 2
samples = 8
elites = 2
replan_every = 2

[eval]
tasks = 3
budget = 6
tasks_in_training = 2
films = 1

[collect]
layouts = 4
episodes = 3
episode_steps = 20

[collect.policies]
heading = 0.5
door = 0.5
"#;

/// A Python that has Gymnasium and draws, `GEDANKEN_PYTHON`; without one it is said that nothing is tested.
pub fn python() -> Option<String> {
    let python = std::env::var("GEDANKEN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import gymnasium, pygame"]).output();
    let has = found.is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("{python} has no gymnasium and pygame: not tested");
    }
    has.then_some(python)
}

/// What a finished program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It went well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// The last line it printed.
    pub fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    /// What is wrong with the way it failed, if anything: exit code 1, an `error:` with `names` in it, and no panic.
    pub fn bad_manners(&self, names: &str) -> Option<String> {
        let error = self.err.lines().position(|line| line.starts_with("error: "));
        let told = error.map(|at| self.err.lines().skip(at).collect::<Vec<_>>().join("\n")).unwrap_or_default();
        let problem = match () {
            () if self.err.contains("panicked") => "it panicked",
            () if self.code != Some(1) => "the exit code is not 1",
            () if told.is_empty() => "there is no `error: `",
            () if !told.contains(names) => "the error does not name what is wrong",
            () => return None,
        };
        Some(format!("{problem} (`{names}`, exit code {:?}):\n{}{}", self.code, self.out, self.err))
    }
}

/// A folder of its own, in which the program runs.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty one but for `tiny.toml`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        fs::write(folder.path().join("tiny.toml"), TINY).expect("the experiment");
        Self { folder }
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub fn write(&self, inside: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(inside);
        fs::write(&path, text).expect("a file in the folder");
        path
    }

    pub fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gedanken"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the program, whose words can be read.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().expect("the program starts"))
    }

    /// Runs the program with some variables of its environment changed.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        Said::of(self.command(arguments).envs(variables.iter().copied()).output().expect("the program starts"))
    }

    /// Runs the program for so long at most and kills it then; its words, if it ended before.
    pub fn run_for(&self, arguments: &[&str], patience: Duration) -> Option<Said> {
        let mut child = self.start(arguments);
        let deadline = Instant::now() + patience;
        while child.try_wait().expect("the program can be asked").is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = child.try_wait().expect("the program can be asked").is_some();
        if !ended {
            child.kill().expect("it can be killed");
        }
        let output = child.wait_with_output().expect("its last words");
        ended.then(|| Said::of(output))
    }

    /// Trains `tiny.toml` with more arguments; the run's folder, relative to this one.
    pub fn train(&self, more: &[&str]) -> String {
        let arguments = [&["train", "tiny.toml"], more].concat();
        self.run(&arguments).good().last().to_owned()
    }
}

/// Programs that are started from now on heed a closed terminal, also where these tests run under `nohup`.
#[cfg(unix)]
pub fn heed_hangups() {
    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }
    // SAFETY: C's own function; 1 is SIGHUP, 0 its default.
    unsafe { signal(1, 0) };
}

/// Sends a program a signal, such as `-TERM`.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill {name}");
}

/// The names of all that is in a folder, hidden things included, in order; none where there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

/// The weights of a run's checkpoint, as bytes.
pub fn weights(run: &Path, step: u64) -> Vec<u8> {
    let path = run.join(format!("checkpoints/step-{step:06}/model.safetensors"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of `metrics.jsonl` without what the clock decides.
pub fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let of_the_clock = |key: &str| {
        key == "seconds" || key.starts_with("milliseconds/") || key.starts_with("speed/") || key.ends_with("_seconds")
    };
    let parse = |line| -> Value {
        let mut line: serde_json::Map<String, Value> = serde_json::from_str(line).expect("a line of JSON");
        line.retain(|key, _| !of_the_clock(key));
        Value::Object(line)
    };
    text.lines().map(parse).collect()
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

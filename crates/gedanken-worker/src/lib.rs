#![doc = include_str!("../README.md")]

mod pictures;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

pub use pictures::observation;

/// The loop of a program: questions in, answers out.
const SERVE: &str = include_str!("serve.py");
/// Lines of what a process complained about that are kept.
const LINES: usize = 5;

/// A process that answers questions. It ends with its input.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    answers: Receiver<(Value, Vec<u8>)>,
    complaints: Arc<Mutex<Vec<String>>>,
    timeout: Duration,
}

impl Worker {
    /// Starts `python` with a program that defines `answer(question)`, which gives a dictionary and the bytes behind it. An answer may take
    /// `timeout` seconds.
    ///
    /// # Errors
    /// A Python that cannot be started.
    pub fn start(python: &str, program: &str, timeout: f64) -> Result<Self, String> {
        let timeout =
            Duration::try_from_secs_f64(timeout).map_err(|error| format!("a timeout of {timeout} s: {error}"))?;
        let mut command = Command::new(python);
        let program = format!("{SERVE}\n{program}\nserve(answer)\n");
        command.args(["-u", "-c", &program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("python {python}: {error}"))?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(format!("python {python}: no pipes"));
        };
        let (send, answers) = channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(answer) = read(&mut output) {
                if send.send(answer).is_err() {
                    return;
                }
            }
        });
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = complaints.clone();
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push(line);
                let old = heard.len().saturating_sub(LINES);
                heard.drain(..old);
            }
        });
        Ok(Self { child, input, answers, complaints, timeout })
    }

    /// Asks, and waits for the answer and the bytes behind it.
    ///
    /// # Errors
    /// What the program raised, in its own words; a process that ended or takes too long.
    pub fn ask(&mut self, question: &Value) -> Result<(Value, Vec<u8>), String> {
        let text = question.to_string();
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
        let written = self.input.write_all(&[&length, text.as_bytes()].concat()).and_then(|()| self.input.flush());
        if written.is_err() {
            return Err(self.ended());
        }
        match self.answers.recv_timeout(self.timeout) {
            Ok((told, bytes)) => match told["error"].as_str() {
                Some(message) => Err(message.to_owned()),
                None => Ok((told, bytes)),
            },
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                Err(format!("no answer within {} s, the timeout, to {}", self.timeout.as_secs_f64(), question["ask"]))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    /// The last words of a process that has ended.
    fn ended(&mut self) -> String {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        // Its complaints may still be on their way.
        thread::sleep(Duration::from_millis(50));
        let said = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).join("\n  ");
        format!("the Python process ended, {status}{}{said}", if said.is_empty() { "" } else { ":\n  " })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, and the bytes behind it.
fn read(output: &mut impl Read) -> Option<(Value, Vec<u8>)> {
    let mut length = [0; 4];
    output.read_exact(&mut length).ok()?;
    let mut text = vec![0; u32::from_le_bytes(length) as usize];
    output.read_exact(&mut text).ok()?;
    let told: Value = serde_json::from_slice(&text).ok()?;
    let size = told["bytes"].as_u64().unwrap_or(0) as usize;
    let mut bytes = vec![0; size];
    output.read_exact(&mut bytes).ok()?;
    Some((told, bytes))
}

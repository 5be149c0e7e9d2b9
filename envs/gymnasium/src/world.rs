//! A world in a Python process.

use std::sync::{Arc, Mutex, PoisonError};

use gedanken_worker::Worker;
use serde_json::{Value, json};

/// A world's words of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Flat.
    pub state: Vec<f64>,
    /// One after the other.
    pub labels: Vec<f32>,
}

/// A world in a process.
pub struct World {
    /// Its process, shared with other worlds.
    pub worker: Arc<Mutex<Worker>>,
    /// Its number there.
    pub number: u64,
}

impl World {
    /// Starts it anew.
    pub fn reset(&mut self, seed: u64) -> Result<Told, String> {
        self.told(json!({ "ask": "reset", "world": self.number, "seed": seed }))
    }

    /// One step.
    pub fn step(&mut self, action: &[f32]) -> Result<Told, String> {
        self.told(json!({ "ask": "step", "world": self.number, "action": action }))
    }

    /// Puts it into a state.
    pub fn set(&mut self, state: &[f64]) -> Result<Told, String> {
        self.told(json!({ "ask": "set", "world": self.number, "state": state }))
    }

    /// Its picture: `[height, width, channels]`, and the bytes.
    pub fn picture(&mut self) -> Result<([usize; 3], Vec<u8>), String> {
        let (told, bytes) = self.ask(json!({ "ask": "picture", "world": self.number }))?;
        let side = |i: usize| told["shape"][i].as_u64().unwrap_or(0) as usize;
        Ok(([side(0), side(1), side(2)], bytes))
    }

    fn told(&mut self, question: Value) -> Result<Told, String> {
        let (told, bytes) = self.ask(question)?;
        let labels = told["labels"].as_array().into_iter().flatten().filter_map(Value::as_array).flatten();
        let state = bytes.as_chunks::<8>().0.iter().map(|number| f64::from_le_bytes(*number)).collect();
        Ok(Told { labels: labels.filter_map(|x| Some(x.as_f64()? as f32)).collect(), state })
    }

    fn ask(&mut self, question: Value) -> Result<(Value, Vec<u8>), String> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner).ask(&question)
    }
}

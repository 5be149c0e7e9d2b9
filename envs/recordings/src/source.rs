//! A source of recordings, read by its own loader in a Python process.

use gedanken_env::{ActionSpace, ObservationSpace};
use gedanken_worker::{Worker, observation};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Import, ImportError};

/// The program of the process.
const PROGRAM: &str = include_str!("recordings.py");
/// Pictures that are asked for at once.
const TOGETHER: usize = 64;

/// A source as its loader describes it.
#[derive(Deserialize)]
pub struct Opened {
    pub format: String,
    pub lengths: Vec<usize>,
    pub columns: Vec<Column>,
    /// Others, each with why it is none of them.
    pub left: Vec<String>,
}

/// A column of one row a frame.
#[derive(Clone, Deserialize)]
pub struct Column {
    pub name: String,
    /// `[height, width, channels]` of one of pictures.
    pub picture: Option<[usize; 3]>,
    /// Numbers of a row of one of numbers; 0 of pictures.
    pub numbers: usize,
}

/// The process that reads a source.
pub struct Source<'a> {
    worker: Worker,
    import: &'a Import,
}

impl<'a> Source<'a> {
    /// Starts the process.
    pub fn start(import: &'a Import) -> Result<Self, ImportError> {
        let worker = Worker::start(&import.python, PROGRAM, import.timeout);
        let worker = worker.map_err(|message| ImportError::Source(import.source.clone(), message))?;
        Ok(Self { worker, import })
    }

    fn ask(&mut self, question: Value) -> Result<(Value, Vec<u8>), ImportError> {
        self.worker.ask(&question).map_err(|message| self.wrong(message))
    }

    fn wrong(&self, message: String) -> ImportError {
        ImportError::Source(self.import.source.clone(), message)
    }

    /// Its columns and the lengths of its episodes.
    pub fn open(&mut self) -> Result<Opened, ImportError> {
        let Import { source, format, .. } = self.import;
        let (told, _) = self.ask(json!({ "ask": "open", "source": source, "format": format }))?;
        serde_json::from_value(told).map_err(|error| self.wrong(error.to_string()))
    }

    /// Columns of an episode, f32 `[length, numbers]`.
    fn numbers(&mut self, episode: usize, length: usize, columns: &[Column]) -> Result<Vec<f32>, ImportError> {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let (_, bytes) =
            self.ask(json!({ "ask": "numbers", "columns": names, "episode": episode, "first": 0, "end": length }))?;
        let expected = length * columns.iter().map(|column| column.numbers).sum::<usize>();
        let found: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        match found.len() == expected {
            true => Ok(found),
            false => {
                let (found, names) = (found.len(), names.join(", "));
                Err(self.wrong(format!(
                    "episode {episode}: {found} numbers of {names}; expected {expected} for {length} frames"
                )))
            }
        }
    }

    /// The actions of every episode, but that of its last frame; their space; and how many were not finite.
    pub fn actions(
        &mut self,
        episodes: &[(usize, usize)],
        column: &Column,
    ) -> Result<(Vec<Vec<f32>>, ActionSpace, usize), ImportError> {
        let size = column.numbers;
        let (mut low, mut high, mut broken) = (vec![f32::INFINITY; size], vec![f32::NEG_INFINITY; size], 0);
        let mut all = Vec::with_capacity(episodes.len());
        for &(number, length) in episodes {
            let mut actions = self.numbers(number, length, std::slice::from_ref(column))?;
            actions.truncate((length - 1) * size);
            for (index, action) in actions.iter_mut().enumerate() {
                if action.is_finite() {
                    low[index % size] = low[index % size].min(*action);
                    high[index % size] = high[index % size].max(*action);
                } else {
                    (*action, broken) = (0.0, broken + 1);
                }
            }
            all.push(actions);
        }
        // What stood for a number that was not there lies within the bounds too.
        if broken > 0 {
            low.iter_mut().for_each(|low| *low = low.min(0.0));
            high.iter_mut().for_each(|high| *high = high.max(0.0));
        }
        Ok((all, ActionSpace { low, high, max_norm: None, unit: "1".to_owned() }, broken))
    }

    /// The labels of an episode, f32 `[length, labels]`.
    pub fn labels(&mut self, episode: usize, length: usize, columns: &[Column]) -> Result<Vec<f32>, ImportError> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let labels = self.numbers(episode, length, columns)?;
        let size = labels.len() / length.max(1);
        let Some(place) = labels.iter().position(|label| !label.is_finite()) else { return Ok(labels) };
        let (frame, mut column) = (place / size, place % size);
        let name = columns.iter().find(|label| {
            let here = column < label.numbers;
            column = column.wrapping_sub(label.numbers);
            here
        });
        let name = name.map_or("", |label| label.name.as_str());
        Err(self.wrong(format!(
            "column `{name}`: {} in frame {frame} of episode {episode}; expected a number (--labels takes the columns to read)",
            labels[place]
        )))
    }

    /// The pictures of an episode in the size of the dataset, u8 `[length, channels, height, width]`.
    pub fn pictures(
        &mut self,
        episode: usize,
        length: usize,
        (column, shape): &(String, [usize; 3]),
    ) -> Result<Vec<u8>, ImportError> {
        let space = ObservationSpace { channels: shape[2], height: self.import.size, width: self.import.size };
        let mut pictures = Vec::with_capacity(length * space.len());
        for first in (0..length).step_by(TOGETHER) {
            let end = length.min(first + TOGETHER);
            let question =
                json!({ "ask": "pictures", "column": column, "episode": episode, "first": first, "end": end });
            let (told, bytes) = self.ask(question)?;
            let seen: Vec<usize> = serde_json::from_value(told["shape"].clone()).unwrap_or_default();
            let &[count, height, width, channels] = seen.as_slice() else {
                return Err(self.wrong(format!("column `{column}`: pictures of {seen:?}; expected 4 numbers")));
            };
            let size = (height * width * channels).max(1);
            let small: Option<Vec<Vec<u8>>> =
                bytes.par_chunks(size).map(|one| observation([height, width, channels], one.to_vec(), space)).collect();
            match small.filter(|small| small.len() == count && count == end - first) {
                Some(small) => pictures.extend(small.concat()),
                None => {
                    return Err(self.wrong(format!(
                        "column `{column}`, frames {first} to {end} of episode {episode}: {seen:?}; expected {} pictures of {} channels",
                        end - first,
                        space.channels
                    )));
                }
            }
        }
        Ok(pictures)
    }
}

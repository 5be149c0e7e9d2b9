//! Datasets as arrays.

use std::path::PathBuf;
use std::sync::Arc;

use gedanken::data::{self, DatasetSource, Frame, Split, WindowConfig};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::arrays::array;
use crate::failed;

/// A dataset folder, opened and checked.
#[pyclass(module = "gedanken._native", frozen)]
pub struct Dataset(Arc<data::Dataset>);

/// Pictures u8, actions f32, states f64, labels f32 and eventful frames u8, of frames.
type Frames<'py> = (
    Bound<'py, PyByteArray>,
    Bound<'py, PyByteArray>,
    Bound<'py, PyByteArray>,
    Bound<'py, PyByteArray>,
    Bound<'py, PyByteArray>,
);

#[pymethods]
impl Dataset {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(data::Dataset::open(path).map_err(failed)?)))
    }

    /// The content of `dataset.toml`, as JSON.
    fn manifest(&self) -> PyResult<String> {
        serde_json::to_string(self.0.manifest()).map_err(failed)
    }

    /// First frame, frames, layout and policy of every episode.
    fn episodes(&self) -> Vec<(usize, usize, u64, usize)> {
        self.0.episodes().iter().map(|entry| (entry.offset, entry.length, entry.layout, entry.policy)).collect()
    }

    /// Reads every byte and compares the checksums.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.verify()).map_err(failed)
    }

    /// The numbers of the episodes of one split, of those with two frames or more.
    fn split(&self, name: &str, validation: f64) -> PyResult<Vec<usize>> {
        let split = match name {
            "train" => Split::Train,
            "validation" => Split::Validation,
            _ => return Err(failed(format!("split {name:?}; expected \"train\" or \"validation\""))),
        };
        let window = WindowConfig { time: 2, frameskip: 1, extra: 0, layouts: 1, episodes: 1, eventful: 0.0 };
        let source = DatasetSource::new(self.0.clone(), window, split, validation, 0).map_err(failed)?;
        let offsets = source.layouts().iter().flatten().map(|entry| entry.offset);
        let mut numbers: Vec<usize> =
            offsets.filter_map(|at| self.0.episodes().binary_search_by_key(&at, |entry| entry.offset).ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Frames by their numbers, with their pictures or without.
    fn frames<'py>(&self, py: Python<'py>, numbers: Vec<usize>, pictures: bool) -> PyResult<Frames<'py>> {
        let frames: Vec<Frame<'_>> = numbers.iter().map(|&number| self.frame(number)).collect::<PyResult<_>>()?;
        let picture = if pictures { self.0.shape().pixels.len() } else { 0 };
        let pixels = PyByteArray::new_with(py, frames.len() * picture, |out| {
            py.detach(|| {
                out.chunks_exact_mut(picture.max(1)).zip(&frames).for_each(|(out, frame)| {
                    out.copy_from_slice(frame.pixels());
                });
            });
            Ok(())
        })?;
        let actions: Vec<f32> = frames.iter().flat_map(Frame::action).collect();
        let states: Vec<f64> = frames.iter().flat_map(Frame::state).collect();
        let labels: Vec<f32> = frames.iter().flat_map(Frame::labels).collect();
        let eventful: Vec<u8> = frames.iter().map(|frame| u8::from(frame.eventful())).collect();
        let eventful = PyByteArray::new(py, &eventful);
        Ok((pixels, array(py, &actions)?, array(py, &states)?, array(py, &labels)?, eventful))
    }
}

impl Dataset {
    /// A frame of a file that is as long as it was.
    fn frame(&self, number: usize) -> PyResult<Frame<'_>> {
        let episodes = self.0.episodes();
        let episode = episodes.partition_point(|entry| entry.offset <= number).checked_sub(1);
        if let Some(entry) = episode.and_then(|episode| episodes.get(episode)) {
            self.0.check_whole(entry).map_err(failed)?;
        }
        self.0.frame(number).ok_or_else(|| failed(format!("no frame {number}; there are {}", self.0.frames())))
    }
}
